// Streams its input into a room, line by line, by plain HTTP: `make | node send.js SERVER ROOM`. Lines that come while
// the one before is under way go together. Each is stored once, also when the network fails in between.
import { createInterface } from 'node:readline';
import { RoomHttp } from 'seabag';

const [server, room] = process.argv.slice(2);
const http = new RoomHttp(`${server}/room/${room}`);

const waiting = [];
let sending = Promise.resolve();

async function send() {
  const pushes = waiting.splice(0, 1000).map((value) => ({ key: 'log', value }));
  if (pushes.length > 0) await http.pushAll(pushes);
}

for await (const line of createInterface({ input: process.stdin })) {
  waiting.push(line);
  sending = sending.then(send);
}
await sending;

// Shows what a program writes into the room, from its first line on, also to those who come late. No framework.
import { Room, SharedLog } from 'seabag';

const server = import.meta.env.VITE_SEABAG ?? 'http://127.0.0.1:8080';
const pre = document.querySelector('#log');
const command = document.querySelector('#command');

const room = await Room.open(server);
if (command) command.textContent = `make 2>&1 | node examples/build-log/send.js ${server} ${room.id}`;

const log = new SharedLog<string>(room, 'log', { limit: 5000 });
const show = () => {
  if (pre) pre.textContent = log.current.map(({ value }) => value).join('\n');
};
log.subscribe(show);
show();

// How fast a page hears a room, and how soon the room answers: through RoomConnection with JSON and with CBOR, beside a
// bare WebSocket that reads the same frames.

import { RoomConnection } from '../../src/client/room/connection.ts';
import { readCbor, writeCbor } from '../../src/protocol/room/cbor.ts';
import { KEY, PROGRESS_KEY, PROGRESS_MESSAGES } from './firehose.ts';

/** How a page listens. */
export type Ear = 'connection, JSON' | 'connection, CBOR' | 'bare WebSocket, JSON' | 'bare WebSocket, CBOR';

/** What a page can do with a room. */
interface Listening {
  /** Tells the writer how far it is, and calls back. */
  tell(progress: number): void;
  close(): void;
}

interface Run {
  readonly listening: Listening;
  heard: number;
  first: number;
  last: number;
}

let run: Run | undefined;

/** Listens to a room's messages from now on. */
export async function startHearing(ear: Ear, url: string): Promise<void> {
  const hear = () => {
    if (run === undefined) return;
    run.heard += 1;
    run.last = performance.now();
    if (run.heard === 1) run.first = run.last;
    if (run.heard % PROGRESS_MESSAGES === 0) run.listening.tell(run.heard);
  };
  const listening = await (ear.startsWith('connection') ? hearByConnection : hearBare)(
    ear.endsWith('CBOR'),
    url,
    hear,
  );
  run = { listening, heard: 0, first: 0, last: 0 };
}

/** How many were heard, and milliseconds from the first to the last. */
export function stopHearing() {
  run?.listening.close();
  return { heard: run?.heard ?? 0, ms: (run?.last ?? 0) - (run?.first ?? 0) };
}

/** How many were heard so far. */
export function heardSoFar(): number {
  return run?.heard ?? 0;
}

async function hearByConnection(cbor: boolean, url: string, hear: () => void): Promise<Listening> {
  const room = new RoomConnection(url, { encoding: cbor ? 'cbor' : 'json' });
  room.subscribe(KEY, (event) => event.type === 'push' && hear(), { replay: false });
  await room.connect();
  return {
    tell: (progress) => void room.push(PROGRESS_KEY, progress, { type: 'relay' }),
    close: () => room.close(),
  };
}

async function hearBare(cbor: boolean, url: string, hear: () => void): Promise<Listening> {
  const socket = await openSocket(cbor, url);
  socket.onmessage = ({ data }) => {
    const message: { type: string; key: string } = cbor ? readCbor(new Uint8Array(data)) : JSON.parse(data);
    if (message.type === 'push' && message.key === KEY) hear();
  };
  return {
    tell: (value) => socket.send(frameOf(cbor, { type: 'push', key: PROGRESS_KEY, value, action: RELAY })),
    close: () => socket.close(),
  };
}

const RELAY = { type: 'relay' } as const;
const APPEND = { type: 'append' } as const;

function frameOf(cbor: boolean, message: unknown): string | Uint8Array<ArrayBuffer> {
  return cbor ? writeCbor(message) : JSON.stringify(message);
}

/** A socket as RoomConnection opens it, after the server's hello. */
function openSocket(cbor: boolean, url: string, client = ''): Promise<WebSocket> {
  const query = client === '' ? '' : `?client=${client}`;
  const socket = new WebSocket(`${url}${query}`, [cbor ? 'seabag.v1.cbor' : 'seabag.v1']);
  socket.binaryType = 'arraybuffer';
  return new Promise((resolve, reject) => {
    socket.onmessage = () => resolve(socket);
    socket.onerror = () => reject(new Error('the socket did not open'));
  });
}

/** Pushes one after another, each after the answer to the one before; milliseconds of each. */
export async function pushOneByOne(
  ear: Ear,
  url: string,
  action: 'relay' | 'append',
  count: number,
  value: unknown,
) {
  const cbor = ear.endsWith('CBOR');
  const times: number[] = [];
  const push = await (ear.startsWith('connection') ? pusher : barePusher)(cbor, url, action);
  for (let at = 0; at < count; at += 1) {
    const start = performance.now();
    await push.push(value);
    times.push(performance.now() - start);
  }
  push.close();
  return times;
}

async function pusher(cbor: boolean, url: string, action: 'relay' | 'append') {
  const room = new RoomConnection(url, { encoding: cbor ? 'cbor' : 'json' });
  await room.connect();
  const push = (value: unknown) => room.push(KEY, value, { type: action }).done;
  return { push, close: () => room.close() };
}

async function barePusher(cbor: boolean, url: string, action: 'relay' | 'append') {
  const socket = await openSocket(cbor, url, crypto.randomUUID());
  let id = 0;
  const push = (value: unknown) =>
    new Promise<void>((resolve, reject) => {
      id += 1;
      socket.onmessage = ({ data }) => {
        const message: { type: string; id?: number } = cbor
          ? readCbor(new Uint8Array(data))
          : JSON.parse(data);
        if (message.type === 'ack' && message.id === id) resolve();
        if (message.type === 'error') reject(new Error('refused'));
      };
      const given = { type: 'push', key: KEY, value, action: action === 'relay' ? RELAY : APPEND, id };
      socket.send(frameOf(cbor, given));
    });
  return { push, close: () => socket.close() };
}

// The published npm client as its users run it, and bare WebSockets for what it cannot say.

import { createRequire } from 'node:module';
import WebSocket from 'ws';

// The client is written for browsers.
globalThis.WebSocket = WebSocket;
globalThis.window = globalThis;

const require = createRequire(import.meta.url);
export const { Api, DbConnection, HttpConnection, PresenceListener, Reducer, StateListener } = require('driftdb');
export const CBOR = require('cbor-web');
export { WebSocket };

/** What the client wrote to console.error: messages that it does not know. */
export const complaints = [];
console.error = (...words) => complaints.push(words.join(' '));
console.log = () => {};

// Only bounds a hang: no test says how fast anything is.
const DEADLINE_MS = 60_000;
const POLL_MS = 5;
const opened = new Set();

/** Polls until `probe` gives something true, and gives that. */
export async function until(what, probe, ms = DEADLINE_MS) {
  const deadline = Date.now() + ms;
  for (;;) {
    const found = await probe();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Ends every connection that the test opened. */
export function closeAll() {
  for (const close of opened) close();
  opened.clear();
}

export function newRoom(server) {
  return new Api(server.url).newRoom();
}

/**
 * A connected DbConnection with everything that it hears in `heard`. Failed reconnects are caught here: the client
 * leaves them to nobody.
 */
export async function connect(room, { cbor = false } = {}) {
  const db = new DbConnection();
  const original = db.connect.bind(db);
  db.connect = (...args) => {
    const connected = original(...args);
    connected.catch(() => {});
    return connected;
  };
  db.heard = [];
  db.messageListener.addListener((message) => db.heard.push(message));
  opened.add(() => {
    db.disconnect();
    clearTimeout(db.reconnectLoopHandle);
    db.connection.terminate();
  });
  await db.connect(room.socket_url, cbor);
  return db;
}

let nonces = 1000;

/** Returns when the server has answered everything that was sent on this connection so far. */
export async function settled(db) {
  const nonce = nonces++;
  db.send({ type: 'ping', nonce });
  const isPong = (message) => message.type === 'pong' && message.nonce === nonce;
  await until('the pong', () => db.heard.some(isPong));
  db.heard = db.heard.filter((message) => !isPong(message));
}

export function push(key, value, action = 'append', seq = undefined) {
  return { type: 'push', key, value, action: { type: action, ...(seq === undefined ? {} : { seq }) } };
}

/** One stream as it is stored. */
export async function stored(room, key) {
  const init = await new HttpConnection(room.http_url).send({ type: 'get', key, seq: 0 });
  return init.data;
}

/** A bare WebSocket: messages in order, one encoding or the other. */
export class Bare {
  static async open(url, { protocol = undefined, cbor = protocol === 'seabag.v1.cbor' } = {}) {
    const bare = new Bare();
    bare.cbor = cbor;
    bare.heard = [];
    bare.socket = new WebSocket(url, protocol ? [protocol] : []);
    bare.socket.binaryType = 'arraybuffer';
    bare.binaryFrames = 0;
    bare.socket.on('message', (data, isBinary) => {
      bare.binaryFrames += Number(isBinary);
      bare.heard.push(isBinary ? CBOR.decode(data) : JSON.parse(data.toString()));
    });
    bare.socket.on('close', (code) => { bare.closed = code; });
    bare.socket.on('error', (error) => { bare.error = error; });
    opened.add(() => bare.socket.terminate());
    await until('the socket opens', () => {
      if (bare.error) throw bare.error;
      return bare.socket.readyState === WebSocket.OPEN;
    });
    return bare;
  }

  send(...messages) {
    for (const message of messages) {
      this.socket.send(this.cbor ? CBOR.encode(message) : JSON.stringify(message));
    }
  }

  /** The next message, whatever it is. */
  async next() {
    await until('a message arrives', () => {
      if (this.heard.length === 0 && this.closed) throw new Error(`closed with ${this.closed}`);
      return this.heard.length > 0;
    });
    return this.heard.shift();
  }

  async take(count) {
    const messages = [];
    while (messages.length < count) messages.push(await this.next());
    return messages;
  }

  /** Everything that came before the answer to a ping sent now. */
  async rest() {
    const nonce = nonces++;
    this.send({ type: 'ping', nonce });
    const messages = [];
    for (;;) {
      const message = await this.next();
      if (message.type === 'pong' && message.nonce === nonce) return messages;
      messages.push(message);
    }
  }

  async closing() {
    await until('the server closes', () => this.closed);
    return this.closed;
  }
}

/** A connection in the native dialect. */
export function native(room, { cbor = false, query = '' } = {}) {
  return Bare.open(room.socket_url + query, { protocol: cbor ? 'seabag.v1.cbor' : 'seabag.v1' });
}

/** The HTTP status with which an upgrade is refused. */
export async function refusedUpgrade(url, protocols = []) {
  const socket = new WebSocket(url, protocols);
  return new Promise((resolve, reject) => {
    socket.once('unexpected-response', (_, response) => {
      resolve(response.statusCode);
      socket.terminate();
    });
    socket.once('open', () => {
      reject(new Error('it was not refused'));
      socket.terminate();
    });
    socket.once('error', reject);
  });
}

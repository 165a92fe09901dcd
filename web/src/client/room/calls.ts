// What is asked of a room: reads, asked again after a cut until they are answered, and wills, set again on every
// connection as they were when they were given. Knows who waits for which answer; opens no connection.

import { asRoomError, badMessage, RoomError } from '../../protocol/error.ts';
import { READS_MAX, WILLS_MAX } from '../../protocol/limits.ts';
import type { ClientMessage } from '../../protocol/room/client_message.ts';
import { copyOf } from './copy.ts';
import type { Line, Question } from './line.ts';
import type { Tell } from './session_action.ts';

interface Will {
  readonly value: unknown;
  /** Whose call set it. */
  readonly token: number;
}

/** The calls without answer, oldest first, and the wills. */
export class Calls {
  readonly #line: Line;
  readonly #tell: Tell;
  readonly #calls = new Map<number, ClientMessage>();
  /** Those that were not sent over the present connection. */
  #unsent = new Map<number, ClientMessage>();
  /** What is to be relayed when a connection ends, by key. */
  readonly #wills = new Map<string, Will>();

  constructor(line: Line, tell: Tell) {
    this.#line = line;
    this.#tell = tell;
  }

  /** Takes a question. Without a `refusal` it is sent by the next `flush`. */
  read(token: number, message: ClientMessage, refusal: RoomError | null): void {
    this.#take(token, message);
    const full = this.#calls.size > READS_MAX ? queueFull('reads') : null;
    const error = refusal ?? full;
    if (error !== null) this.answer(token, error);
  }

  /** Sets a will, or takes it back (null). */
  will(token: number, key: string, value: unknown, refusal: RoomError | null, joined: boolean): void {
    // It is written down on every connection anew, and the caller may change what was passed.
    const message: ClientMessage = { type: 'will', key, value };
    this.#take(token, message);
    // Taken back is taken back, also of what the next room would get.
    if (value === null) this.#wills.delete(key);
    try {
      if (refusal !== null) throw refusal;
      if (value === undefined) throw badMessage('a will is a value or null');
      if (value !== null && !this.#wills.has(key) && this.#wills.size >= WILLS_MAX) throw queueFull('wills');
      const kept = copyOf(value);
      this.#take(token, { ...message, value: kept });
      if (kept !== null) this.#wills.set(key, { value: kept, token });
      if (!joined) this.disconnected();
    } catch (error) {
      this.answer(token, asRoomError(error));
    }
  }

  /** What is left to the next room, if there is one. */
  get wills(): ReadonlyMap<string, Will> {
    return this.#wills;
  }

  /** There is a connection: the wills that were set before are set on it. */
  join(): void {
    for (const [key, { value, token }] of this.#wills) {
      if (!this.#calls.has(token)) this.#send(token, { type: 'will', key, value });
    }
  }

  /** Sends what was not sent. */
  flush(): void {
    for (const [token, message] of this.#unsent) this.#send(token, message);
    this.#unsent.clear();
  }

  /** Its answer has come. */
  answer(token: number, outcome: unknown): void {
    this.#unsent.delete(token);
    if (this.#calls.delete(token)) this.#tell({ type: 'answer', token, outcome });
  }

  /** The server takes no such will. A later one of the key stays. */
  refused({ kind, key = '', token }: Question, error: RoomError): void {
    if (token === undefined) return;
    if (kind === 'will' && this.#wills.get(key)?.token === token) this.#wills.delete(key);
    this.answer(token, error);
  }

  /** The connection has ended: all will be asked again, but for pings, which asked about that connection. */
  disconnected(): void {
    for (const [token, message] of this.#calls) {
      if (message.type === 'ping') this.answer(token, new RoomError('offline', 'the connection was lost'));
      // What was taken back or set anew has gone with the connection.
      const over = message.type === 'will' && this.#wills.get(message.key)?.token !== token;
      if (over) this.answer(token, undefined);
    }
    this.#unsent = new Map(this.#calls);
  }

  /** It is over for good. The wills stay for the next room. */
  end(error: RoomError): void {
    for (const token of this.#calls.keys()) this.answer(token, error);
  }

  #take(token: number, message: ClientMessage): void {
    this.#calls.set(token, message);
    this.#unsent.set(token, message);
  }

  #send(token: number, message: ClientMessage): void {
    const question = { kind: kindOf(message), token, ...('key' in message && { key: message.key }) };
    try {
      this.#line.ask(message, question);
      // A will is not answered; what stands behind it is.
      if (message.type === 'will') this.#line.ask({ type: 'ping', nonce: null }, { kind: 'ping', token });
    } catch (error) {
      this.refused(question, asRoomError(error));
    }
  }
}

function kindOf(message: ClientMessage): Question['kind'] {
  return message.type === 'get' && !('key' in message) ? 'page' : message.type;
}

function queueFull(what: string): RoomError {
  return new RoomError('queue_full', `too many ${what} wait`);
}

// One connection's way out: writes messages down, sends them, and remembers what they asked. The server answers in the
// order in which it was asked, so an answer belongs to the oldest question that it fits. Opens no socket.

import { RoomError } from '../../protocol/error.ts';
import type { ClientMessage } from '../../protocol/room/client_message.ts';
import type { Codec, Frame } from '../../protocol/room/codec.ts';
import type { Tell } from './session_action.ts';

/** What a message asks, or what may be refused of it. */
export interface Question {
  readonly kind: 'push' | 'get' | 'page' | 'keys' | 'ping' | 'will';
  readonly key?: string;
  /** The push's id. */
  readonly id?: number;
  /** Who waits for the answer; absent for the session's own. */
  readonly token?: number;
}

/** The way out. */
export class Line {
  /** Null: it is still being loaded. */
  codec: Codec | null;
  /** Bytes of one message that the server takes. */
  messageBytesMax = Number.POSITIVE_INFINITY;
  readonly #tell: Tell;
  /** Oldest first. Bounded by what may be on its way. */
  #asked: Question[] = [];

  constructor(codec: Codec | null, tell: Tell) {
    this.codec = codec;
    this.#tell = tell;
  }

  /** The connection ended: nothing of it will be answered. */
  cut(): void {
    this.#asked = [];
  }

  /** Writes a message down; null while the codec is missing. Throws `bad_message`, and `too_large`. */
  write(message: ClientMessage): Frame | null {
    const frame = this.codec?.encode(message) ?? null;
    if (frame !== null && !this.fits(frame)) throw tooLarge();
    return frame;
  }

  /** Whether the server takes it. */
  fits(frame: Frame): boolean {
    const most = this.messageBytesMax;
    // No UTF-16 unit takes more than three bytes.
    if (typeof frame !== 'string' || frame.length * 3 <= most) return frame.length <= most;
    return new TextEncoder().encode(frame).length <= most;
  }

  /** Sends what was written down. */
  send(frame: Frame, question: Question): void {
    this.#asked.push(question);
    this.#tell({ type: 'send', frame });
  }

  /** Writes down and sends. Throws as {@link write}. */
  ask(message: ClientMessage, question: Question): void {
    const frame = this.write(message);
    if (frame !== null) this.send(frame, question);
  }

  /** The question that an answer of this kind belongs to. */
  answered(kind: Question['kind'], key?: string): Question | undefined {
    return this.#take((asked) => asked.kind === kind && (key === undefined || asked.key === key));
  }

  /** The push of this id. */
  named(id: number): Question | undefined {
    return this.#take((asked) => asked.id === id);
  }

  /** The question that a refusal without an id belongs to: the oldest about that key, else the oldest of all. */
  refused(key: string | null): Question | undefined {
    const about = this.#take((asked) => (key === null ? asked.kind !== 'will' : asked.key === key));
    return about ?? this.#take(() => true);
  }

  /** A will before it was taken without a word: what stands behind it answers for it. */
  #take(fits: (asked: Question) => boolean): Question | undefined {
    const index = this.#asked.findIndex(fits);
    const [taken] = index < 0 ? [] : this.#asked.splice(index, 1);
    if (index > 0) this.#asked = this.#asked.filter(({ kind }, place) => kind !== 'will' || place >= index);
    return taken;
  }
}

/** The error for a message that no server takes. */
export function tooLarge(): RoomError {
  return new RoomError('too_large', 'the message is larger than the server takes');
}

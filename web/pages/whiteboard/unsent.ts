// Own strokes that the room does not have yet, kept in this browser, so that neither a reload nor a closed tab loses what
// was drawn without a connection. It keeps no room's id, only a digest of it, and nothing that the room has.

import { blake3 } from '@noble/hashes/blake3.js';
import { encodeHex } from '../../src/protocol/host/text.ts';
import { PAGES_MAX, type PageMessage } from './model.ts';
import { decodeStroke, encodeStroke, isId, isRecord } from './stroke.ts';

/** What one browser keeps at most, for all boards together: so many strokes, */
export const UNSENT_MAX = 1_000;
/** so many characters, */
const UNSENT_CHARACTERS_MAX = 2_000_000;
/** and for so long. */
const UNSENT_DAYS_MAX = 60;
const PREFIX = 'seabag-unsent/';
const CONTEXT = 'seabag whiteboard 2026 unsent strokes of a room';
const DAY_MS = 86_400_000;

/** An own change that the room may not have. */
export interface Unsent {
  readonly page: number;
  readonly message: PageMessage;
  /** The newest number of the room that was known when it was drawn. */
  readonly after: number;
  /** It was on its way once, so that the room may have it. */
  readonly sent: boolean;
}

/** Keeps changes beyond the life of a page. */
export interface Keeper {
  /** Keeps a change, or what is known of it now. False when there is no room for it. */
  keep(change: Unsent): boolean;
  /** Whether a change that was kept once still is. */
  keeps(message: PageMessage): boolean;
  /** The room has it, or never will. */
  forget(message: PageMessage): void;
}

/** For whoever goes away for good. */
export const KEEPS_NOTHING: Keeper = { keep: () => true, keeps: () => true, forget: () => {} };

/** The changes of one room, in the browser's storage. Each has a key of its own, so that tabs do not disturb each other. */
export class UnsentStrokes implements Keeper {
  readonly #prefix: string;
  #order = 0;

  constructor(room: string) {
    const digest = blake3(new TextEncoder().encode(room), { context: new TextEncoder().encode(CONTEXT) });
    this.#prefix = `${PREFIX}${encodeHex(digest.subarray(0, 16))}/`;
  }

  keep(change: Unsent): boolean {
    try {
      const key = this.#key(change.message);
      const known = readItem(localStorage.getItem(key));
      this.#order += 1;
      const at = known?.at ?? Date.now();
      const order = known?.order ?? this.#order;
      const text = JSON.stringify({ at, order, ...change });
      if (known === undefined && !hasRoom(text.length)) return false;
      localStorage.setItem(key, text);
      return true;
    } catch {
      // A browser that keeps nothing for pages, or no more.
      return false;
    }
  }

  keeps(message: PageMessage): boolean {
    try {
      return localStorage.getItem(this.#key(message)) !== null;
    } catch {
      return false;
    }
  }

  forget(message: PageMessage): void {
    try {
      localStorage.removeItem(this.#key(message));
    } catch {
      // Then nothing was kept either.
    }
  }

  /**
   * Gives what other pages of this board have left, once each of them is gone: at once for those that were closed, and
   * later for tabs that are open still. `own` is this page's name; the signal ends it, and lets others take over.
   */
  adopt(own: string, take: (changes: readonly Unsent[]) => void, signal: AbortSignal): void {
    const held = () =>
      new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    whenFree(this.#prefix + own, held, signal);
    for (const author of this.#authors()) {
      const gone = () => {
        take(this.#left(author));
        return held();
      };
      if (author !== own) whenFree(this.#prefix + author, gone, signal);
    }
  }

  #key(message: PageMessage): string {
    const id = 'undo' in message ? message.undo : message.stroke.id;
    return `${this.#prefix}${authorOf(id)}/${'undo' in message ? 'undo/' : ''}${id}`;
  }

  #authors(): Set<string> {
    const keys = kept().map(([key]) => key);
    const own = keys.filter((key) => key.startsWith(this.#prefix));
    return new Set(own.map((key) => key.slice(this.#prefix.length).split('/')[0] ?? ''));
  }

  /** What somebody has left, oldest first. */
  #left(author: string): Unsent[] {
    return kept()
      .filter(([key]) => key.startsWith(`${this.#prefix}${author}/`))
      .flatMap(([, text]) => readItem(text) ?? [])
      .sort((a, b) => a.at - b.at || a.order - b.order);
  }
}

interface Item extends Unsent {
  /** When it was drawn, and the how-manieth it was of its page. */
  readonly at: number;
  readonly order: number;
}

function readItem(text: string | null): Item | undefined {
  if (text === null) return undefined;
  let item: unknown;
  try {
    item = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(item)) return undefined;
  const { at, order, page, after, sent } = item;
  const message = readMessage(item.message);
  if (!isCount(at) || !isCount(order) || !isCount(after) || !isCount(page)) return undefined;
  if (typeof sent !== 'boolean' || message === undefined || page < 1 || page > PAGES_MAX) return undefined;
  return { at, order, page, message, after, sent };
}

function readMessage(value: unknown): PageMessage | undefined {
  if (!isRecord(value)) return undefined;
  if (isId(value.undo)) return { undo: value.undo };
  const stroke = decodeStroke(value.stroke);
  return stroke && { stroke: encodeStroke(stroke) };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function authorOf(id: string): string {
  return id.slice(0, Math.max(0, id.lastIndexOf('-')));
}

/** Everything that this browser keeps for any board, but what is too old or broken: that is dropped. */
function kept(): [key: string, text: string][] {
  try {
    const found: [string, string][] = [];
    for (const key of Object.keys(localStorage).filter((name) => name.startsWith(PREFIX))) {
      const text = localStorage.getItem(key) ?? '';
      const item = readItem(text);
      if (item === undefined || Date.now() - item.at > UNSENT_DAYS_MAX * DAY_MS) localStorage.removeItem(key);
      else found.push([key, text]);
    }
    return found;
  } catch {
    return [];
  }
}

function hasRoom(characters: number): boolean {
  const found = Object.keys(localStorage).filter((name) => name.startsWith(PREFIX));
  if (found.length >= UNSENT_MAX) return false;
  const used = found.reduce((sum, key) => sum + (localStorage.getItem(key)?.length ?? 0), 0);
  return used + characters <= UNSENT_CHARACTERS_MAX;
}

/** Does something once no other tab holds the name, and holds it until that is done. Without locks: at once. */
function whenFree(name: string, work: () => Promise<void>, signal: AbortSignal): void {
  const locks: LockManager | undefined = navigator.locks;
  if (locks === undefined) void work();
  else locks.request(name, { signal }, work).catch(() => {});
}

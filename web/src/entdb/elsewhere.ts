// Other tabs that have the same database open: each tells the others which entities it changed, and they look at what
// those are now. Contents are not sent, so that nobody ever takes an old state for a new one.

import type { Eid } from '../protocol/host/eid.ts';
import type { Ent } from './ent.ts';
import type { Change, Hub } from './watch.ts';

/** Entities that are looked at in one step. */
const STEP = 1_000;
/** The most entities that wait to be looked at; when there are more, live answers are asked again instead. */
const WAITING_MAX = 10_000;

/** An entity that changed, and the types that it had and has. */
type Note = readonly [Eid, readonly string[]];

/** This tab's end of what tabs tell each other. */
export class Elsewhere {
  readonly #channel: BroadcastChannel;
  readonly #hub: Hub;
  readonly #get: (eids: readonly Eid[]) => Promise<(Ent | undefined)[]>;
  readonly #waiting = new Set<Eid>();
  #busy = false;
  #deaf = false;
  #closed = false;

  constructor(name: string, hub: Hub, get: (eids: readonly Eid[]) => Promise<(Ent | undefined)[]>) {
    this.#hub = hub;
    this.#get = get;
    this.#channel = new BroadcastChannel(`seabag:entdb:${name}`);
    this.#channel.onmessage = (event: MessageEvent<unknown>) => this.#hear(event.data);
  }

  /** Tells the other tabs. */
  tell(changes: readonly Change[]): void {
    if (changes.length === 0 || this.#closed) return;
    const notes = changes.map(({ eid, old, new: now }): Note => {
      const types = new Set([old?.type, now?.type]);
      return [eid, [...types].filter((type) => type !== undefined)];
    });
    this.#channel.postMessage(notes);
  }

  /** Hears nothing any more; it may still tell. */
  deafen(): void {
    this.#deaf = true;
    this.#waiting.clear();
    this.#channel.onmessage = null;
  }

  close(): void {
    this.deafen();
    this.#closed = true;
    this.#channel.close();
  }

  #hear(notes: unknown): void {
    if (!Array.isArray(notes)) return;
    for (const note of notes)
      if (isNote(note) && this.#hub.wants(note[1], note[0])) this.#waiting.add(note[0]);
    if (!this.#busy) void this.#look();
  }

  async #look(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.size > 0 && !this.#deaf) {
      if (this.#waiting.size > WAITING_MAX) this.#overflow();
      const eids = [...this.#waiting].slice(0, STEP);
      for (const eid of eids) this.#waiting.delete(eid);
      try {
        const ents = await this.#get(eids);
        if (!this.#deaf) this.#hub.publish(eids.map((eid, at) => changeOf(eid, ents[at])));
      } catch {
        // The database was closed, or cannot be read: live answers are asked again, and say why if that fails too.
        this.#waiting.clear();
        this.#hub.reload();
      }
    }
    this.#busy = false;
  }

  #overflow(): void {
    const some = [...this.#waiting].slice(0, STEP);
    this.#waiting.clear();
    for (const eid of some) this.#waiting.add(eid);
    this.#hub.reload();
  }
}

function changeOf(eid: Eid, ent: Ent | undefined): Change {
  return ent === undefined ? { eid } : { eid, new: ent };
}

function isNote(note: unknown): note is Note {
  if (!Array.isArray(note)) return false;
  const [eid, types]: unknown[] = note;
  return typeof eid === 'string' && Array.isArray(types) && types.every((type) => typeof type === 'string');
}

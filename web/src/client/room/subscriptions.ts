// Who listens to which key, and what each may hear: first the whole stream, then every later push once, in order.
// Pure: it says who hears what, and calls nobody.

import { HELD_PUSHES_MAX } from '../../protocol/limits.ts';
import type { StreamEntry } from '../../protocol/room/server_message.ts';
import type { KeyEvent } from './types.ts';

/** Something for one listener. */
export interface Delivery {
  readonly listener: number;
  readonly event: KeyEvent;
}

type Push = KeyEvent & { type: 'push' };

const WAITING = Number.POSITIVE_INFINITY;

interface Listener {
  readonly replay: boolean;
  /** The last number that it has heard. While it waits for its `init`, `WAITING`: pushes before that are contained in it. */
  heard: number;
}

interface Key {
  readonly listeners: Map<number, Listener>;
  /** Its `get` is on the way over the present connection. */
  asked: boolean;
  /** Pushes that came while somebody waited. */
  held: Push[];
}

/** The listeners of a connection's keys. */
export class Subscriptions {
  #keys = new Map<string, Key>();
  /** Keys that may have to be asked for: looking through all of them at each message is too much for many. */
  #unasked = new Set<string>();

  /** Adds a listener. With `replay` it hears an `init` first. */
  add(key: string, listener: number, replay: boolean): void {
    const state = this.#keys.get(key) ?? { listeners: new Map(), asked: false, held: [] };
    this.#keys.set(key, state);
    state.listeners.set(listener, { replay, heard: replay ? WAITING : 0 });
    if (replay) this.#unasked.add(key);
  }

  /** Removes a listener, and the key with its last one. */
  remove(key: string, listener: number): void {
    const state = this.#keys.get(key);
    state?.listeners.delete(listener);
    if (state?.listeners.size === 0) this.#keys.delete(key);
  }

  /** Keys to ask the server for. Each is named once a connection, however many wait for it. */
  toAsk(): readonly string[] {
    const keys: string[] = [];
    for (const key of this.#unasked) {
      const state = this.#keys.get(key);
      if (state === undefined || state.asked || !someoneWaits(state)) continue;
      state.asked = true;
      keys.push(key);
    }
    this.#unasked.clear();
    return keys;
  }

  /** The connection ended: unanswered gets are asked again, and their inits will hold what was held. */
  disconnected(): void {
    for (const state of this.#keys.values()) {
      state.asked = false;
      state.held = [];
    }
    this.#unasked = new Set(this.#keys.keys());
  }

  /** The room has another history, with this head: whoever had the old stream needs the new one. */
  reset(head: number): void {
    this.disconnected();
    for (const state of this.#keys.values()) {
      for (const listener of state.listeners.values()) {
        listener.heard = listener.replay ? WAITING : head;
      }
    }
  }

  /** A stream came: whoever waits for it gets it, and the relays that it cannot contain. */
  init(key: string, entries: readonly StreamEntry[]): Delivery[] {
    const state = this.#keys.get(key);
    if (state === undefined) return [];
    const relays = relaysAmong(state.held, entries);
    state.asked = false;
    state.held = [];
    const deliveries: Delivery[] = [];
    for (const [id, listener] of state.listeners) {
      if (listener.heard !== WAITING) continue;
      listener.heard = entries.at(-1)?.seq ?? 0;
      deliveries.push({ listener: id, event: { type: 'init', entries } });
      deliveries.push(...relays.map((event) => ({ listener: id, event })));
    }
    return deliveries;
  }

  /** A push came, live or caught up. */
  push(key: string, push: Push): Delivery[] {
    const state = this.#keys.get(key);
    if (state === undefined) return [];
    if (someoneWaits(state)) {
      state.held.push(push);
      if (state.held.length > HELD_PUSHES_MAX) state.held.shift();
    }
    const deliveries: Delivery[] = [];
    for (const [id, listener] of state.listeners) {
      if (push.seq <= listener.heard) continue;
      listener.heard = push.seq;
      deliveries.push({ listener: id, event: push });
    }
    return deliveries;
  }
}

function someoneWaits(state: Key): boolean {
  for (const listener of state.listeners.values()) if (listener.heard === WAITING) return true;
  return false;
}

/**
 * Held pushes are contained in the `init`, except relays. One that stands above the first retained entry and is not in
 * the `init` can only be a relay. One below it may have been stored and replaced since: telling it would undo the
 * replacement, so it is dropped; at worst that is a relay from before the subscription was answered. Of an empty stream
 * all are told: what was stored and trimmed to nothing meanwhile, those who listened before have heard just so.
 */
function relaysAmong(held: readonly Push[], entries: readonly StreamEntry[]): Push[] {
  const first = entries[0]?.seq ?? 0;
  const kept = new Set(entries.map(({ seq }) => seq));
  return held.filter(({ seq }) => seq > first && !kept.has(seq));
}

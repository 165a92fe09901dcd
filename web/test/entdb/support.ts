// What the tests of the database share: ids, drafts, messages from elsewhere, and a world around a database.

import { Database, type LinkSettings } from '../../src/entdb/database.ts';
import { CURRENT_READER, type EnvelopeReader, encodeEnvelope } from '../../src/entdb/envelope.ts';
import { deleteIndexedDb, openIndexedDb } from '../../src/entdb/storage/indexeddb.ts';
import { memoryStorage } from '../../src/entdb/storage/memory.ts';
import type { Storage } from '../../src/entdb/storage/storage.ts';
import { type Eid, makeEid } from '../../src/protocol/host/eid.ts';
import { type Message, type MessageHead, makeHead } from '../../src/protocol/host/message.ts';

/** The time at which most tests begin: 2026-01-01. */
export const START_MS = 1_767_225_600_000;

/** An id whose own bytes are eight times this one. */
export function eid(id: number, createdMs: number = START_MS): Eid {
  return makeEid(new Uint8Array(8).fill(id), createdMs);
}

/** A message from another device; null: a delete. */
export function message(id: Eid, offsetMs: number, counter: number, body: Uint8Array | null): Message {
  return { head: makeHead(id, offsetMs, counter, body), body };
}

/** An update from another device. */
export function update(id: Eid, offsetMs: number, counter: number, type: string, body: unknown): Message {
  return message(id, offsetMs, counter, encodeEnvelope(type, undefined, undefined, body));
}

/** Bytes of numbers and ASCII text. */
export function raw(...parts: readonly (number | string)[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) => (typeof part === 'number' ? [part] : [...new TextEncoder().encode(part)])),
  );
}

/** Settings of a link that differ by this number. */
export function host(number: number): LinkSettings {
  return { label: 'main', url: `https://host${number}.example`, index: number };
}

/** The messages' heads. */
export function heads(messages: readonly Message[]): MessageHead[] {
  return messages.map((one) => one.head);
}

/** Messages in an order of their own, to compare those whose order is not told. */
export function sorted(messages: readonly Message[]): Message[] {
  return [...messages].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

function key({ head }: Message): string {
  return [head.eid, head.offsetMs, head.counter, head.hash?.join()].join('.');
}

let worlds = 0;

/** A database with a clock that the test sets. */
export class World {
  readonly kind: 'memory' | 'indexeddb';
  readonly name: string;
  database: Database;
  storage: Storage;
  nowMs: number = START_MS;
  #random = 0;

  private constructor(kind: 'memory' | 'indexeddb', name: string, storage: Storage, database: Database) {
    this.kind = kind;
    this.name = name;
    this.storage = storage;
    this.database = database;
  }

  static async create(kind: 'memory' | 'indexeddb'): Promise<World> {
    worlds += 1;
    const name = `test-${Date.now()}-${worlds}`;
    const storage = kind === 'memory' ? memoryStorage() : await openIndexedDb(name);
    const world = new World(kind, name, storage, await Database.open(storage));
    await world.#restart(storage, CURRENT_READER);
    return world;
  }

  /** Opens the database anew, with everything that was kept in memory forgotten; one in memory stays open. */
  async reopen(reader: EnvelopeReader = CURRENT_READER): Promise<void> {
    if (this.kind === 'memory') {
      await this.#restart(this.storage, reader);
      return;
    }
    this.database.close();
    await this.#restart(await openIndexedDb(this.name), reader);
  }

  /** Another database on the same rows, as in another tab. In memory nothing tells it of changes. */
  async another(): Promise<Database> {
    const storage = this.kind === 'memory' ? this.storage : await openIndexedDb(this.name);
    return Database.open(storage, { now: () => this.nowMs });
  }

  async remove(): Promise<void> {
    this.database.close();
    if (this.kind === 'indexeddb') await deleteIndexedDb(this.name);
  }

  async #restart(storage: Storage, reader: EnvelopeReader): Promise<void> {
    const random = (length: number) => {
      this.#random += 1;
      return new Uint8Array(length).fill(this.#random);
    };
    this.storage = storage;
    this.database = await Database.open(storage, { now: () => this.nowMs, random }, reader);
  }
}

/** One thing that holds of every database. */
export type Law = (world: World) => Promise<void>;

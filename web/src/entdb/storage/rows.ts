// The rows, as they are stored. An entity's row is the one that the seed document of this project names, attribute by
// attribute; the rows beside it say what a host holds and what waits.

import type { BagSeq } from '../../protocol/host/bag.ts';
import type { Eid } from '../../protocol/host/eid.ts';
import type { Cursor } from '../../protocol/host/epoch.ts';
import type { Fill, LinkId, Trouble } from '../link.ts';

/**
 * Which message of an entity: {@link WINNER}, whichever that is by then, or one that is set aside, by the hexadecimal
 * digits of its hash.
 */
export type Which = string;

/** The greatest message of an entity, of those that could be read. */
export const WINNER: Which = '';

/** An entity: its winning message. Head and body can be made from it again, byte for byte. */
export interface EntRow {
  /** Its content. */
  bod: unknown;
  /** When it was created. */
  crd: Date;
  /** How many messages its last writer knew before; absent: none. */
  ctr?: number;
  /** Its id, base64url. */
  eid: Eid;
  /** The group that it is in. */
  gid?: string;
  /** The entity that it belongs to. */
  pid?: Eid;
  /** Its type. */
  typ: string;
  /** When it was last written. */
  upd: Date;
  /** The whole envelope, where writing the other attributes out would not give the same bytes: its hash counts. */
  raw?: Uint8Array;
}

/** The end of an entity. */
export interface TombstoneRow {
  eid: Eid;
  /** Milliseconds from the entity's creation to its end. */
  off: number;
  /** How many messages its last writer knew before. */
  ctr: number;
}

/** A message that cannot be read, as it came. */
export interface LogRow {
  eid: Eid;
  off: number;
  ctr: number;
  /** Of its head, hexadecimal. */
  hash: string;
  /** The envelope. */
  body: Uint8Array;
  /** Why it cannot be read. */
  reason: string;
  /** The version of the reader that last tried. */
  reader: number;
}

/** A link, and how far filling it has come. */
export interface LinkRow {
  id: LinkId;
  label: string;
  url: string;
  index: number;
  stage: Fill;
  cursor: Cursor | null;
  trouble: Trouble | null;
  /** A place in the walk through all messages; null: the start. */
  filled: string | null;
  /** How often its numbers were forgotten: numbers are of one history only. */
  history: number;
}

/** What a number of a link holds. One of `held`, `idle` and `closed` is there, and so the row is in one index. */
export type BagRow = HeldBag | IdleBag | ClosedBag;

/** It has this message of this entity. */
export interface HeldBag {
  link: LinkId;
  seq: BagSeq;
  /** The entity. */
  held: Eid;
  which: Which;
}

/** It is not needed any more: its message is superseded, a lower number has it too, or it is damaged. */
export interface IdleBag {
  link: LinkId;
  seq: BagSeq;
  /** Its number once more: the index of these has their order. */
  idle: BagSeq;
  /** The entity. */
  eid: Eid;
  /** Whether it cannot be opened, while its message is here. */
  damaged: boolean;
}

/** It cannot be opened, for this reason. */
export interface ClosedBag {
  link: LinkId;
  seq: BagSeq;
  /** Its number once more. */
  closed: BagSeq;
  /** The entity; absent where not even the head could be read. */
  eid?: Eid;
  reason: string;
}

/** A message that waits for a link. */
export interface OutboxRow {
  link: LinkId;
  /** Its place in the queue of its link. */
  position: number;
  eid: Eid;
  which: Which;
}

/** A fact about the whole database, by name. */
export interface MetaRow {
  name: 'owner' | 'reader' | 'lastLink';
  value: string | number;
}

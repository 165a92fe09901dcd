// The state of a database and its links, as data.

import type { MessageHead } from '../protocol/host/message.ts';
import type { Link } from './link.ts';

/** What a database has, and how its links are. */
export interface DatabaseStatus {
  /** Entities. */
  readonly ents: number;
  /** Entities that ended. */
  readonly tombstones: number;
  /** Messages that this version cannot read. */
  readonly setAside: number;
  /** The links, oldest first. */
  readonly links: readonly LinkStatus[];
}

/** How a link is. */
export interface LinkStatus {
  /** The link itself. */
  readonly link: Link;
  /** Messages that wait to be uploaded. */
  readonly waiting: number;
  /** Bags that could not be opened. At most 1,000 are noted. */
  readonly unreadable: number;
}

/** A message that is kept but not applied. */
export interface SetAside {
  /** The message's head. */
  readonly head: MessageHead;
  /** What is wrong with the body. */
  readonly reason: string;
}

// What a database of entities is opened and linked with, as data.

import type { Seed } from '../crypto/seed.ts';
import type { LinkId } from '../entdb/database.ts';
import type { Eid } from '../protocol/host/eid.ts';
import type { WebSocketConstructor } from './host/notice_socket.ts';

/** Where a database is kept unless it is named. */
export const NAME_DEFAULT = 'seabag';
/** The label of an account unless there is another: the command line's too. */
export const LABEL_DEFAULT = 'main';
/** How a database is opened. */
export interface OpenOptions {
  /** Names the database in this origin. `seabag` unless there is a reason; one name belongs to one seed. */
  name?: string;
  /** The secret that seals everything that leaves this device. */
  seed: Seed;
  /** Where entities are kept. Unless set: `indexeddb` where there is one, else `memory`, which is gone with the page. */
  storage?: 'indexeddb' | 'memory';
  /** A constructor of WebSockets, where there is none built in: Node 20. Without one, hosts are asked once a minute. */
  webSocket?: WebSocketConstructor;
  /** In place of the built-in `fetch`. */
  fetch?: typeof fetch;
  /** Whether the browser asks before it closes a page with writes that are on their way. True unless set. */
  guardClosing?: boolean;
  /** The longest wait before a host that lost something is filled, milliseconds; 30,000 unless set. */
  fillWaitMsMax?: number;
  /** Milliseconds since 1970, for tests; `Date.now` unless set. */
  now?: () => number;
}

/** How a host is linked. */
export interface LinkOptions {
  /** Names the account: the same on every device. `main` unless set. 1 to 256 bytes; the host does not learn it. */
  label?: string;
  /** For several accounts under one label. 0 unless set. */
  index?: number;
  /** What the host asks of a registration, if it is guarded. It is kept on this device. */
  token?: string;
}

/** A link, as it is stored. */
export interface LinkInfo {
  readonly id: LinkId;
  /** The host's origin. */
  readonly url: string;
  readonly label: string;
  readonly index: number;
}

/** What `update` changes: parts that are absent or undefined stay; `null` takes parent or group away, and is a body. */
export interface Patch {
  type?: string | undefined;
  body?: unknown;
  parent?: Eid | null | undefined;
  group?: string | null | undefined;
}

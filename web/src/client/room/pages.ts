// Reading all pages of something, so that they fit together: pages of two epochs may be of two histories, so then it
// begins again. Asks through what it is given.

import { badMessage, RoomError } from '../../protocol/error.ts';
import { READ_TRIES_MAX } from '../../protocol/limits.ts';

/** A page of a room's entries or keys. */
export interface Page<Item, Next> {
  readonly data: readonly Item[];
  /** What to ask for the next page with; null when there is none. */
  readonly next: Next | null;
  /** The room's epoch. Pages of two epochs may be of two histories. */
  readonly epoch: string;
}

/** Asks for the page behind this place; undefined: the first one. */
type ReadPage<Item, Next> = (after: Next | undefined) => Promise<Page<Item, Next>>;

/** All items of one epoch. Rejects with `reset` when the room changes its epoch again and again. */
export async function readPages<Item, Next>(read: ReadPage<Item, Next>): Promise<readonly Item[]> {
  for (let tries = 0; tries < READ_TRIES_MAX; tries += 1) {
    const items = await readOnce(read);
    if (items !== null) return items;
  }
  throw new RoomError('reset', 'the room began another history again and again while it was read');
}

/** Null: the epoch changed in between. */
async function readOnce<Item, Next>(read: ReadPage<Item, Next>): Promise<readonly Item[] | null> {
  const all: Item[] = [];
  let page = await read(undefined);
  const { epoch } = page;
  while (page.epoch === epoch) {
    for (const item of page.data) all.push(item);
    const { next } = page;
    if (next === null) return all;
    page = await read(next);
    if (page.next === next) throw badMessage('the pages do not end');
  }
  return null;
}

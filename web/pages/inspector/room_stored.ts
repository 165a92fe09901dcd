// What one key retains, read once when it is asked for: the same list as the stream, without what comes.

import type { RoomConnection } from '../../src/client/room/connection.ts';
import { RoomHttp } from '../../src/client/room/http.ts';
import type { KeySummary, StreamEntry } from '../../src/protocol/room/server_message.ts';
import { announceError } from '../kit/announce.ts';
import { openDialog } from '../kit/dialog.ts';
import { element, fill } from '../kit/element.ts';
import { plural } from '../kit/plural.ts';
import { RowList } from './row_list.ts';
import { preview, shortened } from './value_text.ts';
import { valueView } from './value_view.ts';

/** A stream up to so many bytes is read at once, with its bytes as bytes. */
const WHOLE_BYTES_MAX = 4 * 1024 * 1024;
/** Of a longer one, the first page is shown. */
const PAGE_ENTRIES = 200;
const PREVIEW_CHARACTERS = 120;

/** Shows what a key retains. */
export async function openStored(
  connection: RoomConnection,
  { key, size, bytes }: KeySummary,
): Promise<void> {
  try {
    const whole = bytes <= WHOLE_BYTES_MAX;
    const entries = whole ? await connection.get(key) : await firstPage(connection, key);
    const detail = element('div', { class: 'detail' });
    const list = new RowList<StreamEntry>('Entries, oldest first', {
      draw: ({ seq, value }) => [String(seq), '', preview(value, PREVIEW_CHARACTERS)],
      choose: ({ seq, value }) => fill(detail, [element('h3', {}, [`Number ${seq}`]), valueView(value)]),
    });
    list.set(entries);
    const told = whole
      ? plural(entries.length, 'entry', 'entries')
      : `the first ${entries.length} of ${size.toLocaleString('en')} entries`;
    openDialog(`Stored under ${shortened(key, 60) || '(empty)'}`, [
      element('p', { class: 'muted' }, [told]),
      list.element,
      detail,
    ]);
  } catch (error) {
    announceError('The stream of this key', error);
  }
}

async function firstPage(connection: RoomConnection, key: string): Promise<readonly StreamEntry[]> {
  return (await new RoomHttp(connection.url).stream({ key, limit: PAGE_ENTRIES })).data;
}

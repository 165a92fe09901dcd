// The page `/whiteboard`: finds its room, opens the board, and says so when there is none.

import { RoomConnection } from '../../src/client/room/connection.ts';
import { RoomError } from '../../src/protocol/error.ts';
import { CURSOR_START } from '../../src/protocol/room/name.ts';
import { announce, announceError } from '../kit/announce.ts';
import { confirmDialog } from '../kit/dialog.ts';
import { button, element, fill } from '../kit/element.ts';
import { onFragment, readFragment, writeFragment } from '../kit/fragment.ts';
import { openPage } from '../kit/page.ts';
import { BoardPage } from './board_page.ts';
import { findRoom, ROOM } from './open.ts';

/** The server has no such room, or the id has not even the form of one. */
const NO_ROOM = new Set(['unknown_room', 'bad_parameter']);
const LOST = 'The server does not have all that you drew, and this browser cannot keep it.';
const KEPT =
  'What the other board does not have yet is kept in this browser, and sent when you open it again.';

const page = openPage('whiteboard', { wide: true });
let open: { readonly room: string; readonly board: BoardPage } | undefined;
/** The room that the page shows or tries to; a browser tells twice of a new one in the address. */
let shown: string | undefined;
/** The user is asked whether to leave. */
let asking = false;
/** Counts what was asked for, so that a room that is made too late does not take another's place. */
let asked = 0;

onFragment(() => {
  const room = readFragment(ROOM);
  if (room !== undefined && room !== shown && !asking) void go();
});
void begin();

/** To another board: what waits for this one stays in the browser, and if it cannot, the user is asked. */
async function go(): Promise<void> {
  const { waiting = 0, unkept = 0 } = open?.board.session.status ?? {};
  if (unkept > 0) {
    asking = true;
    const agreed = await confirmDialog('Leave this board?', LOST, 'Leave it');
    asking = false;
    if (!agreed) return writeFragment(ROOM, shown);
  }
  if (waiting > unkept) announce(KEPT);
  await begin();
}

async function begin(): Promise<void> {
  asked += 1;
  const own = asked;
  shown = readFragment(ROOM);
  open?.board.close();
  open = undefined;
  fill(page.aside, []);
  fill(page.main, [element('p', { role: 'status' }, ['Opening the board…'])]);
  let room: string;
  try {
    room = await findRoom();
    if (own !== asked) return;
    shown = room;
    writeFragment(ROOM, room);
  } catch (error) {
    if (own !== asked) return;
    return showNone('No board was started', error);
  }
  let connection: RoomConnection;
  try {
    const url = new URL(`/room/${encodeURIComponent(room)}`, location.href).href;
    connection = new RoomConnection(url, { cursor: CURSOR_START });
  } catch (error) {
    return showNone('The address leads to no board', error);
  }
  const board = new BoardPage(page, room, connection);
  open = { room, board };
  try {
    await board.open();
  } catch (error) {
    if (open?.board !== board) return;
    board.close();
    open = undefined;
    showNone('This board cannot be opened', error);
  }
}

function showNone(title: string, error: unknown): void {
  const gone = error instanceof RoomError && NO_ROOM.has(error.code);
  const why = error instanceof Error ? error.message : 'Something failed.';
  fill(page.aside, []);
  page.main.classList.remove('whiteboard');
  fill(page.main, [
    element('h1', {}, [title]),
    element('p', { role: 'alert' }, [
      gone ? 'There is no such board on this server: it was deleted, or the link is not whole.' : why,
    ]),
    element('div', { class: 'row' }, [
      button('Try again', () => void begin()),
      button('Start a new board', startNew, { class: 'primary' }),
    ]),
  ]);
}

function startNew(): void {
  writeFragment(ROOM, undefined, { push: true });
  begin().catch((error: unknown) => announceError('No board was started', error));
}

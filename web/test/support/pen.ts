// A pen without a page: the whiteboard's own session over a real socket, drawn with by a script.

import { WebSocket } from 'ws';
import { BoardSession } from '../../pages/whiteboard/session.ts';
import type { Style } from '../../pages/whiteboard/stroke.ts';
import type { Keeper } from '../../pages/whiteboard/unsent.ts';
import { RoomConnection } from '../../src/client/room/connection.ts';
import { CURSOR_START } from '../../src/protocol/room/name.ts';
import { until } from './until.ts';

/** Joins a board, `url` being its room's. Whoever calls closes it. */
export async function scriptedPen(url: string, name: string, keeper?: Keeper): Promise<BoardSession> {
  const nothing = () => {};
  const connection = new RoomConnection(url, { cursor: CURSOR_START, webSocket: WebSocket });
  const session = new BoardSession(
    connection,
    { name, colour: 'teal' },
    {
      changed: nothing,
      stored: nothing,
      grew: nothing,
      dropped: nothing,
      moved: nothing,
      status: nothing,
      people: nothing,
      trouble: nothing,
    },
    keeper,
  );
  await session.connect();
  return session;
}

/** Draws a short stroke around a place in steps. */
export function scribble(pen: BoardSession, style: Style, x: number, y: number, points = 20): void {
  pen.begin(style, x, y);
  for (let point = 1; point < points; point += 1) {
    pen.extend(x + point * 16, y + Math.round(Math.sin(point) * 80));
  }
  pen.finish();
}

/** Fills a board with so many strokes, as one busy pen would. */
export async function fillBoard(url: string, strokes: number): Promise<void> {
  const pen = await scriptedPen(url, 'Filler');
  for (let stroke = 0; stroke < strokes; stroke += 1) {
    scribble(
      pen,
      { ink: 'blue', width: 2 },
      (stroke % 100) * 96 - 4_800,
      Math.floor(stroke / 100) * 60 - 3_000,
    );
    if (stroke % 500 === 499) await until('these are stored', () => pen.status.waiting === 0);
  }
  await until('all are stored', () => pen.status.waiting === 0);
  pen.close();
}

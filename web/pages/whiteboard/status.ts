// How the board is doing, in a few words.

import type { BoardStatus } from './session.ts';

/** `waited`: own strokes have been on their way for longer than anybody would call at once. */
export function statusText(status: BoardStatus, waited: boolean): string {
  const waiting =
    status.waiting === 0
      ? ''
      : status.waiting === 1
        ? ' · 1 stroke waits'
        : ` · ${status.waiting} strokes wait`;
  switch (status.state) {
    case 'opening':
      return status.reason === undefined
        ? 'Opening the board…'
        : `The server is away · trying again${waiting}`;
    case 'offline':
      return `Offline${waiting || ' · you can go on drawing'}`;
    case 'ended':
      return `Ended: ${status.reason?.message ?? 'the board is gone'}`;
    case 'live':
      if (status.readOnly) return 'Connected · you can look, not draw';
      return `Connected${waited ? waiting : ''}`;
  }
}

// The inspector's room half in a real Chromium: it shows what is in a real room, does what it is told, and stands
// whatever lies in there.

import type { Page } from 'playwright-core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { RoomsApi } from '../../src/client/room/api.ts';
import { RoomConnection } from '../../src/client/room/connection.ts';
import { lacks, small } from '../support/accessible.ts';
import { ByteProxy } from '../support/proxy.ts';
import { onStage } from '../support/stage.ts';
import { until } from '../support/until.ts';
import { PHONE, type Visit } from '../support/visit.ts';

const stage = onStage({ fresh: true });
let room: string;
let writer: RoomConnection;

beforeEach(async () => {
  room = (await new RoomsApi(stage.server.url).createRoom()).room;
  writer = await connect('json');
});

afterEach(() => writer?.close());

async function connect(encoding: 'json' | 'cbor'): Promise<RoomConnection> {
  const connection = new RoomConnection(`${stage.server.url}/room/${room}`, {
    webSocket: WebSocket,
    encoding,
  });
  await connection.connect();
  return connection;
}

async function inspect(id = room, options = {}, origin = stage.server.url): Promise<Visit> {
  const visit = await stage.visit(`/inspector#room=${id}`, options, origin);
  await fact(visit.page, 'Connection', 'live');
  await visit.page.getByText(/Live from here/).waitFor();
  return visit;
}

async function fact(page: Page, name: string, wanted: string): Promise<void> {
  const place = page
    .locator('.room .facts > div')
    .filter({ has: page.getByText(name, { exact: true }) })
    .locator('dd');
  await until(`${name} is ${wanted}`, async () => (await place.textContent())?.includes(wanted));
}

/** The rows in the document, as the texts of their columns. */
function rows(page: Page): Promise<string[][]> {
  return page
    .locator('.stream .a-row')
    .evaluateAll((found) =>
      found.map((row) => Array.from(row.children, (column) => column.textContent ?? '')),
    );
}

async function untilRow(page: Page, ...wanted: readonly string[]): Promise<void> {
  await until(`a row ${wanted.join(' ')}`, async () =>
    (await rows(page)).some((row) => row.join('|').includes(wanted.join('|'))),
  );
}

test('it shows keys, what was stored lately and what comes, in order', async () => {
  await writer.push('log', { text: 'one' }).done;
  await writer.push('log', { text: 'two' }).done;
  await writer.push('state', 7, { type: 'replace' }).done;
  const { page, complaints } = await inspect();
  await untilRow(page, '1', 'log', '{text: "one"}');
  await writer.push('cursor', [1, 2], { type: 'relay' }).done;
  await writer.push('log', { text: 'three' }).done;
  await untilRow(page, '5', 'log', '{text: "three"}');
  expect((await rows(page)).map(([seq]) => seq)).toEqual(['1', '2', '3', '', '4', '5']);
  const table = page.getByRole('table');
  await until('the keys are counted', async () => {
    const text = await table.getByRole('row', { name: /log/ }).first().textContent();
    return text?.startsWith('log3');
  });
  expect(await table.textContent()).not.toContain('cursor');
  await fact(page, 'Head number', '5');
  await fact(page, 'May', 'read and write');
  await fact(page, 'Answer takes', 'ms');
  await page.getByText(/5 in the last minute|2 in the last minute/).waitFor();
  expect(complaints).toEqual([]);
});

test('in a busy room the list is in order from its first row, and a slow click chooses', async () => {
  for (let count = 0; count < 300; count += 1) writer.push('log', count);
  const busy = setInterval(() => writer.push('log', 'busy'), 10);
  try {
    const { page, complaints } = await stage.visit(`/inspector#room=${room}`);
    await page.getByText(/^\d{3,} messages shown/).waitFor();
    const list = page.locator('.stream .rows');
    await list.evaluate((element) => {
      element.scrollTop = 0;
    });
    await until('the first row is there', async () => (await rows(page))[0]?.[0] !== undefined);
    // All rows as they pass by.
    const numbers: number[] = [];
    for (let down = 0; down < 20; down += 1) {
      for (const [seq] of await rows(page)) if (seq !== '' && seq !== undefined) numbers.push(Number(seq));
      await list.evaluate((element) => {
        element.scrollTop += 320;
      });
    }
    expect(new Set(numbers).size).toBeGreaterThan(100);
    const first = numbers.filter((seq, place) => numbers.indexOf(seq) === place);
    expect(first).toEqual([...first].sort((a, b) => a - b));
    // At its end the list follows what comes, so that no row stays under the pointer for long. What comes between the
    // scrolling and the list's hearing of it may leave it behind: then it is scrolled again.
    await list.evaluate((element) => element.scrollIntoView({ block: 'center' }));
    await until('the list follows', () =>
      list.evaluate(async (element) => {
        element.scrollTop = element.scrollHeight;
        const before = element.textContent;
        for (let frame = 0; frame < 50 && element.textContent === before; frame += 1)
          await new Promise(requestAnimationFrame);
        const below = element.scrollHeight - element.scrollTop - element.clientHeight;
        return element.textContent !== before && below < 1;
      }),
    );
    const box = await list.boundingBox();
    if (box === null) throw new Error('no list');
    await page.mouse.move(box.x + 60, box.y + 80);
    await page.mouse.down();
    const texts = async () => (await page.locator('.stream .a-row').allTextContents()).join();
    const pressed = await texts();
    await until('other rows are there', async () => (await texts()) !== pressed);
    await page.mouse.up();
    await page.getByRole('heading', { name: /^Number \d+$/ }).waitFor();
    expect(complaints).toEqual([]);
  } finally {
    clearInterval(busy);
  }
});

test('who asks for another room while the first is still being opened gets that one', async () => {
  const other = (await new RoomsApi(stage.server.url).createRoom()).room;
  const { page, context } = await inspect();
  const open = async (id: string) => {
    await page.getByLabel('Room id, or its address').fill(id);
    await page.getByRole('button', { name: 'Look into it' }).click();
  };
  await context.setOffline(true);
  await open(other);
  await fact(page, 'Connection', 'trying again');
  await open(room);
  await context.setOffline(false);
  await fact(page, 'Connection', 'live');
  await writer.push('log', 'here').done;
  await untilRow(page, 'log', '"here"');
  expect(await page.locator('.room').count()).toBe(1);
  expect(await page.locator('main .error').count()).toBe(0);
});

test('a filter, a pause, and a key’s stored stream', async () => {
  for (let count = 1; count <= 5; count += 1) {
    await writer.push('a', count).done;
    await writer.push('b', -count).done;
  }
  const { page, complaints } = await inspect();
  await page.getByRole('button', { name: 'Only this: b' }).click();
  await until('one key', async () => (await rows(page)).every(([seq, key]) => seq === '' || key === 'b'));
  await page.getByLabel('Only this key').fill('');
  await page.getByRole('button', { name: 'Pause' }).click();
  await writer.push('a', 'while paused').done;
  await page.getByText('Paused. 1 message came since.').waitFor();
  expect((await rows(page)).flat().join()).not.toContain('while paused');
  await page.getByRole('button', { name: 'Pause' }).click();
  await untilRow(page, '11', 'a', '"while paused"');
  await page.getByRole('button', { name: 'Stored: a' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('6 entries').waitFor();
  await dialog.locator('.a-row').nth(5).waitFor();
  expect(await dialog.locator('.a-row').count()).toBe(6);
  await dialog.getByRole('listbox').focus();
  await page.keyboard.press('End');
  await dialog.getByText('Number 11').waitFor();
  await page.keyboard.press('Escape');
  expect(complaints).toEqual([]);
});

test('it pushes, compacts and trims by hand, and says what came of it', async () => {
  const { page, complaints } = await inspect();
  const form = page.locator('form', { has: page.getByRole('button', { name: 'Push', exact: true }) });
  const push = async (action: string, told: string | RegExp) => {
    await form.getByLabel('Action').selectOption(action);
    await form.getByRole('button', { name: 'Push', exact: true }).click();
    await form.getByText(told).waitFor();
  };
  await form.getByLabel('Key').fill('notes');
  await form.getByLabel('Value').fill('{"a": 1');
  expect(await form.getByLabel('Up to number').isVisible()).toBe(false);
  await push('append', 'Not done: The value is no JSON');
  await form.getByLabel('Value').fill('null');
  await push('append', 'Not done: null is no value');
  await form.getByLabel('Value').fill('{"a": 1}');
  await push('append', 'Stored as number 1. The key keeps 1 entry.');
  await push('append', 'Stored as number 2. The key keeps 2 entries.');
  await push('relay', 'Relayed as number 3.');
  await form.getByLabel('Action').selectOption('compact');
  await form.getByLabel('Up to number').fill('99');
  await push('compact', /Not done: .*compact_ahead/);
  await form.getByLabel('Up to number').fill('2');
  await push('compact', 'Compacted up to 2. The key keeps 1 entry.');
  await form.getByLabel('Up to number').fill('1');
  await push('compact', 'It came too late');
  await form.getByLabel('Up to number').fill('3');
  await push('trim', 'Trimmed up to 3. The key keeps 0 entries.');
  await untilRow(page, '3', 'notes · mine');
  expect(await writer.get('notes')).toEqual([]);
  expect(complaints).toEqual([]);
});

test('with a read-only id it looks and cannot push', async () => {
  const { readOnly } = await new RoomsApi(stage.server.url).room(room);
  const { page } = await inspect(readOnly);
  await fact(page, 'May', 'read');
  await page.getByText('With this id the room can only be read.').waitFor();
  expect(await page.getByRole('button', { name: 'Push', exact: true }).isDisabled()).toBe(true);
  await writer.push('k', 'seen').done;
  await untilRow(page, '1', 'k', '"seen"');
});

test('it goes on after the server was killed, and tells of a room that has another history', async () => {
  await writer.push('k', 'before').done;
  const proxy = await ByteProxy.start(stage.server.url);
  const { page } = await inspect(room, {}, proxy.url);
  await untilRow(page, '1', 'k', '"before"');
  await stage.server.kill();
  await fact(page, 'Connection', 'away, trying again');
  await stage.server.restart();
  await fact(page, 'Connection', 'live');
  await writer.push('k', 'after').done;
  await until('what came after', async () => (await rows(page)).flat().join().includes('"after"'));
  await page
    .getByText(/^Connection lost/)
    .first()
    .waitFor();
  await fact(page, 'Reconnections', '1');
  writer.close();
  await stage.server.kill();
  // A page that asks for the room while it is not there asks again only after a while.
  proxy.refuse();
  await stage.server.restart({ wipe: true });
  await new RoomsApi(stage.server.url).putRoom(room);
  proxy.pass();
  await fact(page, 'Resets', '1');
  await page.getByText('Reset: the room has another history than before').waitFor();
  await proxy.stop();
});

test('a room that is not there, and an id that is none, are said to be so', async () => {
  const { page } = await inspect();
  const field = page.getByLabel('Room id, or its address');
  for (const [id, told] of [
    ['thereIsNoSuchRoomHere000000', /no such room|unknown|there is no/i],
    ['rubbish', /no room id/],
  ] as const) {
    await field.fill(id);
    await page.getByRole('button', { name: 'Look into it' }).click();
    await page.locator('main [role=alert]').getByText(told).waitFor();
  }
  await field.fill(`${stage.server.url}/whiteboard#room=${room}`);
  await page.getByRole('button', { name: 'Look into it' }).click();
  await fact(page, 'Connection', 'live');
  expect(await page.evaluate(() => location.hash)).toBe(`#room=${room}`);
});

describe('hostile values', () => {
  test('markup stays text, bytes are shown as such, and huge, wide and deep values neither break nor freeze the page', async () => {
    const { page, complaints } = await inspect();
    let deep: unknown = 'deep';
    for (let level = 0; level < 100; level += 1) deep = { deep };
    const bytes = await connect('cbor');
    await writer.push('<script>alert(1)</script>', '<img src=x onerror=alert(1)>').done;
    await writer.push('deep', deep).done;
    await writer.push(
      'wide',
      Array.from({ length: 150_000 }, (_, index) => index),
    ).done;
    await writer.push(
      'fields',
      Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`f${index}`, {}])),
    ).done;
    await writer.push('text', 'W'.repeat(900_000)).done;
    await writer.push('turned \u202e', '\u202e\u0000').done;
    await bytes.push(
      'bytes',
      Uint8Array.from({ length: 3_000 }, (_, index) => index % 256),
    ).done;
    await writer.push('k'.repeat(8_000), 1).done;
    bytes.close();
    await untilRow(page, '8', 'kkkk');
    await untilRow(page, '7', 'bytes', '3,000 bytes 00 01 02');
    const list = page.getByRole('listbox', { name: 'Messages' });
    await list.focus();
    await page.keyboard.press('Home');
    for (let step = 0; step < 9; step += 1) {
      await page.keyboard.press('ArrowDown');
      await page.locator('.stream .detail').locator('h3, p').first().waitFor();
    }
    await list.getByText('"WWWW').click();
    await page.getByText('more characters').click();
    await list.getByText('3,000 bytes').click();
    await page.getByText('000010  10 11 12').waitFor();
    await list.getByText('[0, 1, 2').click();
    await page.getByRole('button', { name: '149950 more' }).click();
    await list.getByText('{deep: {deep:').click();
    for (let level = 0; level < 8; level += 1)
      await page
        .locator('.stream .detail summary')
        .nth(level + 1)
        .click();
    expect(await page.locator('img, script:not([type=module])').count()).toBe(0);
    expect(await page.locator('*').count()).toBeLessThan(1_500);
    expect(await lacks(page)).toEqual([]);
    expect(complaints).toEqual([]);
  });

  test('a flood of messages keeps the document small and the newest in sight', async () => {
    const { page, complaints } = await inspect();
    const sent = Array.from(
      { length: 6_000 },
      (_, index) => writer.push(`key ${index % 300}`, { index }).done,
    );
    await Promise.all(sent);
    await untilRow(page, '6000', 'key 299', '{index: 5999}');
    expect(await page.locator('.stream .a-row').count()).toBeLessThan(60);
    await page.getByText('the newest 2,000 are kept').waitFor();
    // Keys by the page.
    await page.getByText('1 to 50 in the order').waitFor();
    await page.getByRole('button', { name: 'Further keys' }).click();
    await page.getByText('51 to 100 in the order').waitFor();
    await page.getByRole('button', { name: 'Previous keys' }).click();
    await page.getByText('1 to 50 in the order').waitFor();
    expect(complaints).toEqual([]);
  });
});

test('it fits a phone and can be used by keyboard, in both tabs', async () => {
  await writer.push('k', { a: [1, 2, 3] }).done;
  const { page, complaints } = await inspect(room, { viewport: PHONE, colorScheme: 'dark' });
  await untilRow(page, '1', 'k');
  expect(await lacks(page)).toEqual([]);
  expect(await small(page)).toEqual([]);
  await page.getByRole('tab', { name: 'Room' }).focus();
  await page.keyboard.press('ArrowRight');
  expect(await page.getByRole('tab', { name: 'Entities' }).getAttribute('aria-selected')).toBe('true');
  await page.getByRole('tabpanel', { name: 'Entities' }).waitFor();
  expect(await lacks(page)).toEqual([]);
  expect(await small(page)).toEqual([]);
  await page.evaluate(() => {
    location.hash = location.hash.replace('tab=entities', 'tab=room');
  });
  await page.getByRole('tabpanel', { name: 'Room' }).waitFor();
  expect(complaints).toEqual([]);
});

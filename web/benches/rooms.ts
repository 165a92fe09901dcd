// How many messages a second a page hears, and how long a push takes: RoomConnection with JSON and with CBOR, beside a bare
// WebSocket in the same page, from the same server. The writer is in this process and never far ahead of the page.
//
// `node benches/run.js rooms`; SEABAG_MESSAGES (200000), SEABAG_BINARY, SEABAG_PROFILE.

import { WebSocket } from 'ws';
import { newRoom } from '../test/support/network.ts';
import { Server } from '../test/support/server.ts';
import { until } from '../test/support/until.ts';
import { KEY, PROGRESS_KEY } from './page/firehose.ts';
import type { Ear } from './page/rooms.ts';
import { duration, perSecond, printTable, spread } from './support/figures.ts';
import { Lab, type LabBrowser, printMachine } from './support/lab.ts';

const MESSAGES = Number(process.env.SEABAG_MESSAGES ?? 200_000);
const PUSHES = 2_000;
const WARM_UP = 20_000;
/** Messages that the page may be behind. */
const AHEAD_MAX = 8_000;
const EARS: readonly Ear[] = [
  'bare WebSocket, JSON',
  'connection, JSON',
  'bare WebSocket, CBOR',
  'connection, CBOR',
];
/** About 100 bytes of JSON. */
const VALUE = {
  author: 'a1b2c3d4',
  at: [120.5, 88.25],
  text: 'a message of an ordinary length, as in a chat',
};

/** Runs it and prints tables. */
export async function run(): Promise<void> {
  printMachine();
  const [lab, server] = await Promise.all([Lab.open(), Server.start()]);
  const browser = await lab.browser();
  try {
    const heard: string[][] = [];
    for (const ear of EARS) {
      await hear(browser, server, ear, WARM_UP);
      const { ms, busyMs } = await hear(browser, server, ear, MESSAGES);
      heard.push([ear, perSecond(MESSAGES, ms), duration(busyMs / MESSAGES)]);
    }
    printTable(['heard by', 'messages/s', 'main thread, a message'], heard);
    const pushed: string[][] = [];
    for (const ear of EARS) {
      const row: string[] = [ear];
      for (const action of ['relay', 'append'] as const) {
        const url = await newRoom(server);
        await browser.call('pushOneByOne', ear, url, action, PUSHES / 10, VALUE);
        row.push(spread(await browser.call('pushOneByOne', ear, url, action, PUSHES, VALUE)));
      }
      pushed.push(row);
    }
    printTable(['push to ack, p50 / p99', 'relay', 'append (on disk)'], pushed);
  } finally {
    await browser.close();
    await server.remove();
    await lab.close();
  }
}

/** Has a page hear so many messages. */
async function hear(browser: LabBrowser, server: Server, ear: Ear, count: number) {
  const url = await newRoom(server);
  await browser.call('startHearing', ear, url);
  const writer = await Writer.open(url);
  const { cost } = await browser.measureWhile(ear, async () => {
    await writer.write(count);
    await until('the page has heard all', async () => (await browser.call('heardSoFar')) >= count, 120_000);
  });
  writer.close();
  const { heard, ms } = await browser.call('stopHearing');
  if (heard !== count) throw new Error(`${heard} of ${count} were heard`);
  return { ms, busyMs: cost.busyMs };
}

/** Relays as fast as the page hears. */
class Writer {
  readonly #socket: WebSocket;
  #progress = 0;
  #refusal: string | undefined;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data) => this.#hear(String(data)));
  }

  static async open(url: string): Promise<Writer> {
    const socket = new WebSocket(url, ['seabag.v1']);
    await new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    return new Writer(socket);
  }

  async write(count: number): Promise<void> {
    const push = JSON.stringify({ type: 'push', key: KEY, value: VALUE, action: { type: 'relay' } });
    for (let at = 0; at < count; at += 1) {
      this.#socket.send(push);
      if (at - this.#progress > AHEAD_MAX)
        await until('the page has caught up', () => at - this.#progress <= AHEAD_MAX / 2);
      if (this.#refusal !== undefined) throw new Error(this.#refusal);
    }
  }

  close(): void {
    this.#socket.close();
  }

  #hear(text: string): void {
    if (text.startsWith('{"type":"error"')) this.#refusal = text;
    // Its own pushes come back too.
    if (!text.includes(`"${PROGRESS_KEY}"`)) return;
    this.#progress = Number(JSON.parse(text).value);
  }
}

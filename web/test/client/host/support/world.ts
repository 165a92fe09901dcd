// Devices and hosts in one thread: sessions step by step against blind hosts, the clock moved by hand, and a place to put
// faults between the two.

import { expect } from 'vitest';
import type { Randomness } from '../../../../src/client/host/chance.ts';
import type { CallAction, CallResult, Event, Failure } from '../../../../src/client/host/event.ts';
import type { Report } from '../../../../src/client/host/report.ts';
import { FILL_WAIT_MS_MAX, HostSession } from '../../../../src/client/host/session.ts';
import { Sealer } from '../../../../src/crypto/seal.ts';
import { Seed } from '../../../../src/crypto/seed.ts';
import { Database, type LinkId, type Trouble } from '../../../../src/entdb/database.ts';
import { memoryStorage } from '../../../../src/entdb/storage/memory.ts';
import type { Eid } from '../../../../src/protocol/host/eid.ts';
import { encodeHead } from '../../../../src/protocol/host/message.ts';
import { USER_PATH } from '../../../../src/protocol/host/path.ts';
import { encodeHex } from '../../../../src/protocol/host/text.ts';
import { BlindHost, type HostSettings } from './blind_host.ts';

/** When the tests begin, milliseconds since 1970. */
export const BEGIN_MS = 1_767_225_600_000;
export const MINUTE_MS = 60_000;
const LABEL = 'test';
const CALLS_MAX = 20_000;

export const sealer = await Sealer.create(Seed.fromBytes(new Uint8Array(32).fill(7)), LABEL, 0);
export const stranger = await Sealer.create(Seed.fromBytes(new Uint8Array(32).fill(8)), LABEL, 0);
export const account = sealer.publicKey;

/** What stands between a device and its host: it sees each answer and may put another in its place, or a failure. */
export type Fault = (path: string, answer: Uint8Array) => Uint8Array | Failure;

export const unreachable: Failure = { type: 'unreachable', text: 'connection refused' };
export const dead: Fault = () => unreachable;

/** Numbers that depend on their seed only. */
export function dice(seed: number): Randomness {
  let state = BigInt(seed);
  return (length) =>
    Uint8Array.from({ length }, () => {
      state = BigInt.asUintN(64, state * 6_364_136_223_846_793_005n + 1_442_695_040_888_963_407n);
      return Number(state >> 56n);
    });
}

/** One link of a device. */
export interface Line {
  session: HostSession;
  host: number;
  call: CallAction | undefined;
  listening: boolean;
  wakeMs: number | undefined;
  reports: Report[];
  fault: Fault | undefined;
  token: string | undefined;
}

/** A device: one database, its links, and a clock that may be wrong. */
export class Device {
  readonly lines: Line[] = [];
  skewMs = 0;
  /** Whether its database may fail. */
  mayFail = false;
  readonly random: Randomness;
  readonly world: World;
  database: Database;

  constructor(world: World, random: Randomness, database: Database) {
    this.world = world;
    this.random = random;
    this.database = database;
  }

  get clockMs(): number {
    return this.world.nowMs + this.skewMs;
  }

  /** The first line. */
  get line(): Line {
    return this.lineAt(0);
  }

  lineAt(at: number): Line {
    const line = this.lines[at];
    if (line === undefined) throw new Error('no such line');
    return line;
  }

  /** All that it has: every message with its body, in one order for all devices. */
  async state(): Promise<string[]> {
    const all: string[] = [];
    let after: string | null = null;
    do {
      const page = await this.database.messages(after, 500);
      for (const { head, body } of page.messages) {
        all.push(`${encodeHex(encodeHead(head))} ${body === null ? '' : encodeHex(body)}`);
      }
      after = page.next;
    } while (after !== null);
    return all.sort();
  }

  async waiting(): Promise<number> {
    let sum = 0;
    for (const { id } of await this.database.links()) sum += await this.database.waiting(id);
    return sum;
  }

  async trouble(): Promise<Trouble | null> {
    return (await this.database.link(this.line.session.link)).trouble;
  }

  has(wanted: (report: Report) => boolean): boolean {
    return this.lines.some((line) => line.reports.some(wanted));
  }

  odd(oddity: string): boolean {
    return this.has((report) => report.type === 'odd' && report.oddity === oddity);
  }
}

/** Everything. */
export class World {
  readonly hosts: BlindHost[];
  readonly devices: Device[] = [];
  nowMs = BEGIN_MS;
  readonly #live: boolean;

  private constructor(hosts: BlindHost[], live: boolean) {
    this.hosts = hosts;
    this.#live = live;
  }

  /** Hosts of these settings, and so many devices, linked to all of them. */
  static async create(hosts: Partial<HostSettings>[], devices: number, live = true): Promise<World> {
    const world = new World(
      hosts.map((settings, at) => new BlindHost(settings, at + 1)),
      live,
    );
    for (let made = 0; made < devices; made += 1) await world.addDevice();
    return world;
  }

  /** One host as it should be. */
  static simple(devices: number): Promise<World> {
    return World.create([{}], devices);
  }

  device(at: number): Device {
    const device = this.devices[at];
    if (device === undefined) throw new Error('no such device');
    return device;
  }

  host(at = 0): BlindHost {
    const host = this.hosts[at];
    if (host === undefined) throw new Error('no such host');
    return host;
  }

  /** One more device, linked to all hosts, and started. */
  async addDevice(): Promise<Device> {
    const random = dice(1_000 + this.devices.length);
    let device: Device | undefined;
    const now = () => device?.clockMs ?? this.nowMs;
    const database = await Database.open(memoryStorage(), { now, random });
    device = new Device(this, random, database);
    this.devices.push(device);
    for (let host = 0; host < this.hosts.length; host += 1) {
      const url = `http://host-${host}.test`;
      await this.#startLine(device, await database.addLink({ label: LABEL, url, index: 0 }), host);
    }
    return device;
  }

  async #startLine(device: Device, link: LinkId, host: number): Promise<void> {
    const { origin } = this.host(host).settings;
    const breathe = () => Promise.resolve();
    const settings = { origin, live: this.#live, fillWaitMsMax: FILL_WAIT_MS_MAX, breathe };
    const session = new HostSession(link, sealer, settings);
    const nothing = {
      call: undefined,
      listening: false,
      wakeMs: undefined,
      fault: undefined,
      token: undefined,
    };
    const line: Line = { session, host, reports: [], ...nothing };
    device.lines.push(line);
    await this.tell(device, line, { type: 'start' });
  }

  /** Ends a device's process and starts it again: sessions are lost, the database stays. */
  async restartDevice(device: Device): Promise<void> {
    for (const { session, host } of device.lines.splice(0)) await this.#startLine(device, session.link, host);
  }

  /** Hands an event to a session and takes its actions. */
  async tell(device: Device, line: Line, event: Event): Promise<void> {
    const { actions, error } = await line.session.handle(
      event,
      device.database,
      device.clockMs,
      device.random,
    );
    if (!device.mayFail) expect(error).toBeUndefined();
    line.wakeMs = undefined;
    let [opened, news] = [false, false];
    for (const action of actions) {
      switch (action.type) {
        case 'call':
          expect(action.token).toBe(action.path === USER_PATH);
          expect(line.call, 'two calls at a time').toBeUndefined();
          line.call = action;
          break;
        case 'open_notices':
          expect(action.query.startsWith('t=')).toBe(true);
          opened = true;
          break;
        case 'close_notices':
          line.listening = false;
          break;
        case 'wake_at':
          line.wakeMs = action.atMs;
          break;
        case 'report':
          line.reports.push(action.report);
          news ||= action.report.type === 'received';
      }
    }
    if (opened) {
      line.listening = true;
      await this.tell(device, line, { type: 'notices_opened' });
    }
    if (!news) return;
    // What one link brought may have to go to the others: the engine tells them.
    for (const other of device.lines) {
      if (other !== line) await this.tell(device, other, { type: 'local_write' });
    }
  }

  /** Answers one call of a line, if one is under way. Whether there was one. */
  async answer(device: Device, line: Line): Promise<boolean> {
    const { call } = line;
    if (call === undefined) return false;
    line.call = undefined;
    const host = this.host(line.host);
    const answer = host.answer(call.path, line.token, call.body, this.nowMs);
    const result = resultOf(line.fault?.(call.path, answer) ?? answer, call.answerBytesMax);
    await this.tell(device, line, { type: 'response', call: call.call, result });
    await this.#notify(line.host);
    return true;
  }

  /** Answers the call of a line, and holds back what listeners would hear. */
  async answerAndHoldNotices(device: Device, line: Line): Promise<Uint8Array[]> {
    const { call } = line;
    if (call === undefined) throw new Error('no call is under way');
    line.call = undefined;
    const host = this.host(line.host);
    const body = host.answer(call.path, undefined, call.body, this.nowMs);
    const frames = host.takeNotices();
    await this.tell(device, line, { type: 'response', call: call.call, result: { ok: true, body } });
    return frames;
  }

  async #notify(host: number): Promise<void> {
    for (const frame of this.host(host).takeNotices()) {
      for (const [device, line] of this.#lines()) {
        if (line.host === host && line.listening) await this.tell(device, line, { type: 'notice', frame });
      }
    }
  }

  *#lines(): Generator<[Device, Line]> {
    for (const device of this.devices) {
      for (const line of device.lines) yield [device, line];
    }
  }

  /** Closes all sockets of a host, as its end would. */
  async cut(host = 0): Promise<void> {
    for (const [device, line] of [...this.#lines()]) {
      if (line.host !== host || !line.listening) continue;
      line.listening = false;
      await this.tell(device, line, { type: 'notices_closed' });
    }
  }

  /** Answers calls until none is under way; time stands still. How many there were. */
  async settle(): Promise<number> {
    let count = 0;
    for (let some = true; some; ) {
      some = false;
      for (const [device, line] of [...this.#lines()]) {
        if (!(await this.answer(device, line))) continue;
        some = true;
        count += 1;
      }
      if (count > CALLS_MAX) throw new Error('calls without end');
    }
    return count;
  }

  /** Lets so much time pass, waking sessions when they want it. */
  async pass(ms: number): Promise<void> {
    const endMs = this.nowMs + ms;
    await this.settle();
    for (let wakes = 0; ; wakes += 1) {
      const next = this.#nextWake();
      if (next === undefined || next.wakeMs > endMs) break;
      this.nowMs = Math.max(this.nowMs, next.wakeMs);
      await this.tell(next.device, next.line, { type: 'wake' });
      await this.settle();
      if (wakes > CALLS_MAX) throw new Error('wakes without end');
    }
    this.nowMs = endMs;
  }

  #nextWake(): { wakeMs: number; device: Device; line: Line } | undefined {
    const wakes = [...this.#lines()].flatMap(([device, line]) =>
      line.wakeMs === undefined ? [] : [{ wakeMs: line.wakeMs - device.skewMs, device, line }],
    );
    return wakes.sort((one, other) => one.wakeMs - other.wakeMs)[0];
  }

  /** A new entity on a device. */
  async put(device: Device, text: string): Promise<Eid> {
    const { eid } = await device.database.insert({ type: 'note', body: text });
    await this.written(device);
    return eid;
  }

  /** Writes an entity again. */
  async edit(device: Device, eid: Eid, text: string): Promise<void> {
    await device.database.put(eid, { type: 'note', body: text });
    await this.written(device);
  }

  /** Ends an entity. */
  async delete(device: Device, eid: Eid): Promise<void> {
    await device.database.delete(eid);
    await this.written(device);
  }

  /** Tells a device's sessions that something was written. */
  async written(device: Device): Promise<void> {
    for (const line of device.lines) await this.tell(device, line, { type: 'local_write' });
  }

  /** All devices have the same, and nothing waits. */
  async expectConverged(): Promise<void> {
    const first = await this.device(0).state();
    for (const device of this.devices) {
      expect(await device.waiting(), JSON.stringify(device.line.reports.slice(-9))).toBe(0);
      expect(await device.state()).toEqual(first);
    }
  }
}

function resultOf(answer: Uint8Array | Failure, bytesMax: number): CallResult {
  if (!(answer instanceof Uint8Array)) return { ok: false, failure: answer };
  if (answer.length > bytesMax) return { ok: false, failure: { type: 'too_large', bytesMax } };
  return { ok: true, body: answer };
}

// A world of several real connections to one model server, driven by a random schedule. The schedule names no machine,
// so the same one can run over another.

import fc from 'fast-check';
import { vi } from 'vitest';
import { RoomConnection } from '../../src/client/room/connection.ts';
import { ModelServer, ModelSocket } from './room_model.ts';

/** A step of a schedule. `client` is taken modulo the number of clients. */
export type Step =
  | { type: 'act'; client: number; number: number }
  | { type: 'up'; client: number; frames: number }
  | { type: 'down'; client: number; frames: number }
  | { type: 'cut'; client: number }
  | { type: 'wait'; ms: number }
  | { type: 'wipe' };

const client = fc.nat(2);
const frames = fc.integer({ min: 1, max: 8 });
const SHORT_MS = 150;
const LONG_MS = 5000;

const steps = [
  { weight: 16, arbitrary: fc.record({ type: fc.constant('act' as const), client, number: fc.nat(99) }) },
  { weight: 16, arbitrary: fc.record({ type: fc.constant('up' as const), client, frames }) },
  { weight: 16, arbitrary: fc.record({ type: fc.constant('down' as const), client, frames }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('cut' as const), client }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.nat(SHORT_MS) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.nat(LONG_MS) }) },
];
const wipe = { weight: 1, arbitrary: fc.constant({ type: 'wipe' as const }) };

/** Long enough for messages to cross, cuts to heal, and streams to be packed. */
const LENGTHS = { minLength: 40, maxLength: 250, size: 'max' } as const;

/** Steps in which most messages arrive, some connections break, and some time passes. */
export const schedule: fc.Arbitrary<Step[]> = fc.array(fc.oneof(...steps), LENGTHS);

/** The same, and now and then the server loses the room. */
export const scheduleWithWipes: fc.Arbitrary<Step[]> = fc.array(fc.oneof(...steps, wipe), LENGTHS);

const ROOM_URL = `ws://model.invalid/room/${'a'.repeat(22)}/connect`;
const QUIET_ROUNDS_MAX = 1000;

/** Several connections to one room. Time is Vitest's fake time. */
export class RoomWorld {
  readonly server: ModelServer;
  readonly rooms: RoomConnection[] = [];
  #sockets = new Map<number, ModelSocket>();

  constructor(clients: number, server = new ModelServer()) {
    this.server = server;
    for (let number = 0; number < clients; number += 1) this.#join(number);
  }

  /** Takes a step that is not an act. */
  async take(step: Exclude<Step, { type: 'act' }>): Promise<void> {
    switch (step.type) {
      case 'up':
        for (let frame = 0; frame < step.frames; frame += 1) this.#socket(step.client)?.moveUp();
        break;
      case 'down':
        for (let frame = 0; frame < step.frames; frame += 1) this.#socket(step.client)?.moveDown();
        break;
      case 'cut':
        this.#socket(step.client)?.cut();
        break;
      case 'wait':
        await vi.advanceTimersByTimeAsync(step.ms);
        break;
      case 'wipe':
        this.server.wipe();
        break;
    }
    // Promises that this settled are heard before the next step.
    await vi.advanceTimersByTimeAsync(0);
  }

  /** Lets time and messages pass until everything has arrived. */
  async untilQuiet(): Promise<void> {
    for (let round = 0; round < QUIET_ROUNDS_MAX; round += 1) {
      let moved = false;
      for (const socket of this.#sockets.values()) {
        while (socket.moveUp() || socket.moveDown()) moved = true;
      }
      const quiet = !moved && this.rooms.every(({ status }) => status.state === 'live');
      const done = this.rooms.every(({ status }) => status.queued + status.unacknowledged === 0);
      await vi.advanceTimersByTimeAsync(quiet ? 0 : 1000);
      if (quiet && done && ![...this.#sockets.values()].some((socket) => socket.moveUp())) return;
    }
    throw new Error('the world does not come to rest');
  }

  close(): void {
    for (const room of this.rooms) void room.close();
  }

  #socket(number: number): ModelSocket | undefined {
    return this.#sockets.get(number % this.rooms.length);
  }

  #join(number: number): void {
    const sockets = this.#sockets;
    const { server } = this;
    class Socket extends ModelSocket {
      constructor(url: string) {
        super(server, url);
        sockets.set(number, this);
      }
    }
    const room = new RoomConnection(ROOM_URL, {
      webSocket: Socket,
      fetch: () => Promise.reject(new Error('no network')),
      random: () => 0.5,
    });
    this.rooms.push(room);
    room.connect().catch(() => undefined);
  }
}

// Moments of the session and its driver that are easily got wrong: the end in the middle of something, listeners that
// ask for more, clocks that jump, and rooms with many keys.
import { afterEach, describe, expect, test, vi } from 'vitest';
import { DbConnection } from '../../../src/client/room/driftdb/connection.ts';
import { Reducer } from '../../../src/client/room/driftdb/reducer.ts';
import { StateListener } from '../../../src/client/room/driftdb/state.ts';
import { PRESENCE_KEY, Presence } from '../../../src/client/room/presence.ts';
import { SharedReducer } from '../../../src/client/room/reducer.ts';
import { Session } from '../../../src/client/room/session.ts';
import { SharedValue } from '../../../src/client/room/value.ts';
import { RoomError } from '../../../src/protocol/error.ts';
import { jsonCodec } from '../../../src/protocol/room/codec.ts';
import { modelRoom, URL_OF_ROOM } from '../../support/model_connection.ts';
import type { ModelServer } from '../../support/room_model.ts';
import { codeOfOutcome, liveClient } from './model.ts';

const APPEND = { type: 'append' } as const;

describe('wills', () => {
  test('one that is taken back while the connection breaks is gone with it, and says so', () => {
    const { one } = liveClient();
    one.session.will(1, 'k', 'gone', 0);
    one.settle();
    one.calm();
    one.session.will(2, 'k', null, 0);
    one.settle();
    one.cut();
    expect(one.answered).toEqual([1, 2]);
    one.sent = [];
    one.calm();
    expect(one.sent).toEqual([]);
  });

  test('one that is taken back at the very end says so too', () => {
    const { one } = liveClient();
    one.session.will(1, 'k', 'gone', 0);
    one.settle();
    one.calm();
    one.session.will(2, 'k', null, 0);
    one.session.close();
    one.settle();
    expect(one.answered).toEqual([1, 2]);
  });

  test('taking back without a connection needs none', () => {
    const { one } = liveClient();
    one.session.will(1, 'k', 'gone', 0);
    one.settle();
    one.calm();
    one.cut();
    one.session.will(2, 'k', null, 0);
    one.settle();
    expect(one.answered).toEqual([1, 2]);
    one.sent = [];
    one.calm();
    expect(one.sent).toEqual([]);
  });

  test('a refused will does not take the later one of its key with it', () => {
    const { one } = liveClient();
    one.session.will(1, 'k', 'refused', 0);
    one.session.will(2, 'k', 'taken', 0);
    one.session.received(JSON.stringify({ type: 'error', code: 'bad_message', message: 'no', key: 'k' }), 0);
    one.settle();
    one.cut();
    one.sent = [];
    one.calm();
    expect(one.sent[0]).toBe('{"type":"will","key":"k","value":"taken"}');
  });
});

describe('the end of a connection', () => {
  test('a hello and nothing else does not make a catching up void', () => {
    const { room, one } = liveClient();
    one.session.push('k', 'a', APPEND, 0);
    one.settle();
    one.calm();
    one.cut();
    one.wait();
    one.open();
    one.stepIn();
    one.cut();
    room.epochs.push('e2');
    room.epoch = 'e2';
    one.calm();
    expect(one.query).toBe('client=c&since=e1.1');
    expect([one.resets, one.session.status().state]).toEqual([0, 'live']);
  });

  test('started anew, whoever did not ask for the past does not hear it', () => {
    const { room, one } = liveClient();
    one.session.subscribe('k', 1, false, 0);
    for (const value of ['a', 'b']) one.session.push('k', value, APPEND, 0);
    one.settle();
    one.calm();
    one.cut();
    room.entries.push({ key: 'k', value: 'c', seq: 3 }, { key: 'k', value: 'd', seq: 4 });
    room.head = 4;
    one.wait();
    one.open();
    one.stepPage();
    one.stepIn(); // hello
    one.stepIn(); // a page, and then the end
    one.cut();
    room.epoch = 'e2';
    one.calm();
    expect(one.resets).toBe(1);
    expect(one.shown).toEqual(['a', 'b', 'c', 'd']);
  });

  test('a room that was there and is not is asked for again, slowly, and the status says why', () => {
    const { room, one } = liveClient();
    one.probe = { answered: true, error: new RoomError('unknown_room', 'there is no such room') };
    one.cut();
    one.session.push('k', 'kept', APPEND, 0);
    one.wait();
    one.fail();
    const { state, reason, retryAt = 0 } = one.session.status();
    expect([state, reason?.code]).toEqual(['waiting', 'unknown_room']);
    expect(retryAt - one.now).toBeGreaterThanOrEqual(10_000);
    expect(one.outcomes.size).toBe(0);
    room.wipe();
    one.calm();
    expect([one.session.status().state, one.resets, codeOfOutcome(one.outcomes.get(1))]).toEqual([
      'live',
      1,
      'fine',
    ]);
    expect(room.entries.map(({ value }) => value)).toEqual(['kept']);
  });

  test('a codec that took long to load opens one socket, not two', () => {
    const session = new Session({ codec: null, client: 'c', lastId: 0, cursor: null, random: () => 0.5 });
    session.connect(0);
    session.timer(20_000);
    session.timer(60_000);
    expect(session.take().filter(({ type }) => type === 'load')).toHaveLength(2);
    session.codecLoaded(jsonCodec, 60_001);
    session.codecLoaded(jsonCodec, 60_001);
    expect(session.take().filter(({ type }) => type === 'open')).toHaveLength(1);
  });
});

function fill(server: ModelServer, entries: number): void {
  for (let index = 1; index <= entries; index += 1) server.machine.push('k', index, APPEND);
}

describe('listeners', () => {
  test('the cursor that a listener sees is of what it hears, not of what is still to come', () => {
    const { server, room, moveAll } = modelRoom({ cursor: { epoch: null, seq: 0 } });
    fill(server, 5);
    const seen: [number, number | undefined][] = [];
    room.onEntry((_key, { seq }) => seen.push([seq, room.cursor?.seq]));
    room.connect().catch(() => undefined);
    moveAll();
    room.close();
    expect(seen).toEqual([1, 2, 3, 4, 5].map((seq) => [seq, seq]));
    expect(room.cursor).toEqual({ epoch: 'epoch1', seq: 5 });
  });

  test('of two entries with one number, the cursor passes it with the second', () => {
    const { server, room, moveAll } = modelRoom({ cursor: { epoch: null, seq: 0 } });
    server.machine.push('a', 1, APPEND);
    server.machine.push('b', 2, APPEND);
    server.machine.push('a', 'up to 2', { type: 'compact', seq: 2 });
    const seen: unknown[] = [];
    room.onEntry((key, { seq }) => seen.push([key, seq, room.cursor?.seq]));
    room.connect().catch(() => undefined);
    moveAll();
    room.close();
    expect(seen).toEqual([
      ['a', 2, 0],
      ['b', 2, 2],
    ]);
  });

  test('after close a listener hears nothing more, and the cursor stays', () => {
    const { server, room, moveAll } = modelRoom({ cursor: { epoch: null, seq: 0 } });
    fill(server, 5);
    const heard: number[] = [];
    const values: unknown[] = [];
    room.subscribe('k', (event) => values.push(event), { replay: false });
    room.onEntry((_key, { seq }) => {
      heard.push(seq);
      if (seq === 2) room.close();
    });
    room.connect().catch(() => undefined);
    moveAll();
    expect(heard).toEqual([1, 2]);
    expect(values).toHaveLength(2);
    expect(room.cursor?.seq).toBe(2);
  });

  test('twenty thousand keys are subscribed in seconds', () => {
    const { room, moveAll } = modelRoom();
    let heard = 0;
    for (let index = 0; index < 20_000; index += 1) room.subscribe(`k${index}`, () => (heard += 1));
    room.connect().catch(() => undefined);
    moveAll();
    room.close();
    expect(heard).toBe(20_000);
  });
});

describe('clocks', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test('set back by an hour, a silent server is noticed as soon as ever', async () => {
    vi.useFakeTimers({ now: 1_700_000_000_000 });
    let back = 0;
    const { room, sockets, moveAll } = modelRoom({ now: () => Date.now() - back });
    room.connect().catch(() => undefined);
    moveAll();
    expect(room.status.state).toBe('live');
    back = 3_600_000;
    room.push('k', 'into the void');
    await vi.advanceTimersByTimeAsync(31_000);
    expect(sockets.length).toBeGreaterThan(1);
    room.close();
  });

  test('set back while it waits, it waits no longer for that', async () => {
    vi.useFakeTimers({ now: 1_700_000_000_000 });
    let back = 0;
    const { room, sockets, moveAll } = modelRoom({ now: () => Date.now() - back });
    room.connect().catch(() => undefined);
    moveAll();
    sockets[0]?.cut();
    back = 3_600_000;
    room.push('k', 'later');
    await vi.advanceTimersByTimeAsync(1_000);
    expect(sockets).toHaveLength(2);
    room.close();
  });
});

describe('shared things', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test('many actions without a connection do not copy the state for each of those before', () => {
    const { room } = modelRoom();
    let copies = 0;
    let calls = 0;
    const shared = new SharedReducer<number[], number>(room, 'k', {
      initial: [],
      reducer: (state, action) => {
        calls += 1;
        state.push(action);
        return state;
      },
      clone: (state) => {
        copies += 1;
        return [...state];
      },
    });
    shared.subscribe(() => undefined);
    for (let action = 0; action < 500; action += 1) shared.dispatch(action);
    expect(shared.current).toHaveLength(500);
    expect([copies, calls].every((count) => count < 1_500)).toBe(true);
    shared.destroy();
    room.close();
  });

  test('an action that fails in the middle of changing leaves those before and behind it as they are', async () => {
    const { server, room, moveAll } = modelRoom();
    const shared = new SharedReducer<string[], string>(room, 'k', {
      initial: [],
      reducer: (state, action) => {
        state.push(action);
        if (action === 'once' && state.filter((one) => one === action).length > 1) throw new Error('again');
        return state;
      },
      clone: (state) => [...state],
    });
    room.connect().catch(() => undefined);
    moveAll();
    for (const action of ['a', 'once', 'b']) shared.dispatch(action);
    server.machine.push('k', { apply: 'once', i: 'other' }, APPEND);
    for (const socket of server.sockets) {
      socket.tell({ type: 'push', key: 'k', value: { apply: 'once', i: 'other' }, seq: 1 });
      socket.moveDown();
    }
    await Promise.resolve();
    expect(shared.current).toEqual(['once', 'a', 'b']);
    shared.destroy();
    room.close();
  });

  test('a peer that says it will be silent for years keeps no timer spinning, nor does one of ours', () => {
    vi.useFakeTimers();
    const delays: number[] = [];
    const real = setTimeout;
    const spy = vi.spyOn(globalThis, 'setTimeout').mockImplementation(((act: () => void, ms = 0) => {
      delays.push(ms);
      return real(act, ms);
    }) as typeof setTimeout);
    const { server, room, moveAll } = modelRoom();
    const presence = new Presence(room, { initial: 1, maxIntervalMs: Number.POSITIVE_INFINITY });
    room.connect().catch(() => undefined);
    moveAll();
    for (const socket of server.sockets) {
      socket.tell({
        type: 'push',
        key: PRESENCE_KEY,
        value: { client: 'x', value: 1, every: 1e15 },
        seq: server.machine.head + 1,
      });
    }
    moveAll();
    expect([...presence.current.keys()]).toEqual(['x']);
    expect(Math.max(...delays)).toBeLessThan(2 ** 31);
    presence.destroy();
    room.close();
    spy.mockRestore();
  });

  test('a value set when the connection is over for good is taken back and told', async () => {
    const { room, moveAll } = modelRoom();
    const value = new SharedValue<number>(room, 'k', { initial: 0 });
    const refused: string[] = [];
    value.onRefused((error) => refused.push(error.code));
    room.connect().catch(() => undefined);
    moveAll();
    room.close();
    value.set(1);
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect([value.current, refused]).toEqual([0, ['closed']]);
  });

  test('a value set before a connection that never comes is taken back and told', async () => {
    const { room } = modelRoom();
    const value = new SharedValue<number>(room, 'k', { initial: 0 });
    const refused: string[] = [];
    value.onRefused((error) => refused.push(error.code));
    room.connect().catch(() => undefined);
    value.set(1);
    expect(value.current).toBe(1);
    room.close();
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect([value.current, refused]).toEqual([0, ['closed']]);
  });
});

function countingReducer(db: DbConnection) {
  const options = { key: 'count', initialValue: 0, reducer: (state: number, by: number) => state + by, db };
  const reducer = new Reducer<number, number>({ ...options, callback: () => undefined });
  return { compactor: reducer.compactor, subscribe: () => reducer.subscribe() };
}

describe('promises that nobody waits for', () => {
  const unheard: unknown[] = [];
  const listen = (error: unknown): unknown => unheard.push(error);

  async function unheardOf(act: () => unknown): Promise<unknown[]> {
    unheard.length = 0;
    process.on('unhandledRejection', listen);
    act();
    await new Promise((resolve) => setTimeout(resolve, 20));
    process.off('unhandledRejection', listen);
    return unheard;
  }

  test('everything that is asked of a connection may be left alone', async () => {
    const { room } = modelRoom();
    const act = () => {
      void room.connect();
      room.push('k', 1);
      room.push('k', 1, { type: 'relay' });
      room.trim('k', 1);
      for (const asked of [room.will('k', 1), room.get('k'), room.keysPage(), room.entriesPage()]) void asked;
      for (const asked of [room.keys(), room.entries(), room.latency()]) void asked;
      room.close();
    };
    expect(await unheardOf(act)).toEqual([]);
    expect(codeOfOutcome(await room.connect().catch((error: unknown) => error))).toBe('closed');
  });

  test("so may everything that is asked of DriftDB's connection", async () => {
    const { make, moveAll } = modelRoom();
    const act = () => {
      const db = new DbConnection({ websocketConstructor: make });
      db.send({ type: 'push', key: 'k', value: 1, action: { type: 'relay' } });
      db.room.trim('k', 1);
      void db.connect(URL_OF_ROOM);
      moveAll();
      void db.testLatency();
      db.send({ type: 'get', key: 'k' });
      db.send({ type: 'ping' });
      db.disconnect();
      db.send({ type: 'ping' });
      void db.connect('nonsense');
    };
    expect(await unheardOf(act)).toEqual([]);
  });

  test("null is a value for DriftDB's state too, and its fields tell what is known", async () => {
    const { make, moveAll } = modelRoom();
    const db = new DbConnection({ websocketConstructor: make });
    void db.connect(URL_OF_ROOM);
    const heard: unknown[] = [];
    const state = new StateListener<string | null>({ db, key: 'k', callback: (value) => heard.push(value) });
    const { compactor, ...reducer } = countingReducer(db);
    state.subscribe();
    reducer.subscribe();
    moveAll();
    expect([state.debounceMillis, state.lastValue, compactor.lastConfirmedState]).toEqual([20, null, 0]);
    state.setStateOptimistic('a');
    state.setStateOptimistic(null);
    compactor.dispatch(2);
    expect([compactor.state, compactor.lastConfirmedState]).toEqual([2, 0]);
    moveAll();
    expect([compactor.lastConfirmedState, compactor.lastConfirmedSeq]).toEqual([2, 2]);
    expect([heard, state.lastValue, state.state]).toEqual([['a', null], null, null]);
    state.destroy();
    compactor.destroy();
    db.disconnect();
  });

  test('a listener that throws hears the rest, and one that leaves in the middle of the stream does not', () => {
    const { make, moveAll, server } = modelRoom();
    fill(server, 3);
    const db = new DbConnection({ websocketConstructor: make });
    const heard: unknown[][] = [[], []];
    db.subscribe('k', ({ value }) => {
      heard[0]?.push(value);
      throw new Error('not my day');
    });
    const leaving = ({ value }: { value: unknown }) => {
      heard[1]?.push(value);
      db.unsubscribe('k', leaving);
    };
    db.subscribe('k', leaving);
    void db.connect(URL_OF_ROOM);
    moveAll();
    expect(heard).toEqual([[1, 2, 3], [1]]);
    db.disconnect();
  });

  test('disconnecting tells once that there is no connection', async () => {
    const { make, moveAll } = modelRoom();
    const db = new DbConnection({ websocketConstructor: make });
    const told: boolean[] = [];
    db.statusListener.addListener(({ connected }) => told.push(connected));
    void db.connect(URL_OF_ROOM);
    moveAll();
    db.disconnect();
    db.disconnect();
    expect(told).toEqual([true, false]);
  });
});

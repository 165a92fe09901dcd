// Presence: who is here, who changed, who left, and each of it at once.

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RoomConnection } from '../../src/client/room/connection.ts';
import { type Peer, Presence, type PresenceOptions } from '../../src/client/room/presence.ts';
import { Network, newRoom, untilLive } from '../support/network.ts';
import { joining } from '../support/people.ts';
import { Server } from '../support/server.ts';
import { until } from '../support/until.ts';

let server: Server;
const connect = joining();

beforeAll(async () => {
  server = await Server.start();
});
afterAll(() => server.remove());

type Options = Partial<PresenceOptions<string>>;

function here(room: RoomConnection, client: string, options: Options = {}): Presence<string> {
  return new Presence<string>(room, { initial: `${client} is new`, client, ...options });
}

function names(presence: Presence<string>): string {
  return [...presence.current.keys()].sort().join();
}

test('a newcomer is seen at once, and sees at once who is here', async () => {
  const url = await newRoom(server);
  // Nobody says anything on its own for an hour.
  const quiet = { maxIntervalMs: 3_600_000 };
  const ann = here(await connect(url), 'ann', quiet);
  const bob = here(await connect(url), 'bob', quiet);
  const cid = here(await connect(url), 'cid', quiet);
  await until('all see each other', () =>
    [ann, bob, cid].every(
      (one) => names(one) === ['ann', 'bob', 'cid'].filter((n) => n !== one.client).join(),
    ),
  );
  expect(bob.current.get('ann')?.value).toBe('ann is new');
});

test('changes are told, a join, a change and a leave each with a call', async () => {
  const url = await newRoom(server);
  const ann = here(await connect(url), 'ann');
  const seen: string[] = [];
  ann.subscribe((peers: ReadonlyMap<string, Peer<string>>) => seen.push(peers.get('bob')?.value ?? 'gone'));
  const bob = here(await connect(url), 'bob');
  await until('the join is told', () => seen.includes('bob is new'));
  bob.update('bob moves');
  await until('the change is told', () => seen.includes('bob moves'));
  bob.destroy();
  await until('the leave is told', () => seen.at(-1) === 'gone');
});

test('bytes and big integers are told when they change', async () => {
  const url = await newRoom(server);
  const [watching, telling] = [
    await connect(url, new Network(), { encoding: 'cbor' }),
    await connect(url, new Network(), { encoding: 'cbor' }),
  ];
  const watcher = new Presence<unknown>(watching, { initial: null, client: 'ann' });
  const values = (last: number) => ({ bytes: Uint8Array.of(1, last), big: 2n ** 60n + BigInt(last) });
  const bob = new Presence<unknown>(telling, { initial: values(0), client: 'bob', maxIntervalMs: 3_600_000 });
  await until('bob is seen', () => watcher.current.has('bob'));
  bob.update(values(1));
  await until('the change is seen', () => {
    const seen = watcher.current.get('bob')?.value as ReturnType<typeof values>;
    return seen.bytes[1] === 1 && seen.big === 2n ** 60n + 1n;
  });
});

test('of many changes in a short time not all are sent, but the last is', async () => {
  const url = await newRoom(server);
  const watcher = await connect(url);
  const ann = here(watcher, 'ann');
  const bob = here(await connect(url), 'bob');
  await until('they see each other', () => ann.current.has('bob'));
  let relays = 0;
  watcher.onEntry((key) => {
    if (key === '__presence') relays += 1;
  });
  for (let count = 1; count <= 500; count += 1) bob.update(`${count}`);
  await until('the last one came', () => ann.current.get('bob')?.value === '500');
  expect(relays).toBeLessThan(100);
});

test('a client whose connection breaks is gone at once', async () => {
  const url = await newRoom(server);
  const ann = here(await connect(url), 'ann', { maxIntervalMs: 3_600_000 });
  const network = new Network();
  here(await connect(url, network), 'bob', { maxIntervalMs: 3_600_000 });
  await until('ann sees bob', () => ann.current.has('bob'));
  network.offline();
  await until('bob has left', () => !ann.current.has('bob'));
  network.online();
  await until('bob is back', () => ann.current.has('bob'));
});

test('after a cut of its own a client sees who is still here, and drops who has left meanwhile', async () => {
  const url = await newRoom(server);
  const network = new Network();
  const own = await connect(url, network);
  const ann = here(own, 'ann');
  const bob = here(await connect(url), 'bob');
  const cid = here(await connect(url), 'cid');
  await until('ann sees both', () => names(ann) === 'bob,cid');
  network.offline();
  await until('ann knows', () => !own.status.connected);
  cid.destroy();
  bob.update('still here');
  expect(names(ann)).toBe('bob,cid');
  network.online();
  await until('ann sees bob only', () => names(ann) === 'bob');
  expect(ann.current.get('bob')?.value).toBe('still here');
});

test('who falls silent without a word is dropped, and that is told', async () => {
  const url = await newRoom(server);
  const ann = here(await connect(url), 'ann');
  const ghost = await connect(url);
  const shown: string[] = [];
  ann.subscribe(() => shown.push(names(ann)));
  ghost.push('__presence', { client: 'ghost', value: 'boo', every: 30 }, { type: 'relay' });
  await until('it was seen, and dropped', () => shown.length === 2);
  expect(shown).toEqual(['ghost', '']);
});

test('signs of life keep a client that does not change', async () => {
  const url = await newRoom(server);
  const ann = here(await connect(url), 'ann');
  // Long enough that nobody is taken for silent on a machine that stands still for a moment.
  here(await connect(url), 'bob', { maxIntervalMs: 1_000 });
  await until('ann sees bob', () => ann.current.has('bob'));
  let gone = false;
  ann.subscribe((peers) => {
    gone ||= !peers.has('bob');
  });
  const first = ann.current.get('bob')?.lastSeen ?? 0;
  await until('many signs came', () => (ann.current.get('bob')?.lastSeen ?? 0) > first + 3_500);
  expect(gone).toBe(false);
});

test('two of one name: when one leaves, the other stays', async () => {
  const url = await newRoom(server);
  const ann = here(await connect(url), 'ann');
  const tab = here(await connect(url), 'bob');
  here(await connect(url), 'bob', { initial: 'the other tab' });
  await until('ann sees the other tab', () => ann.current.get('bob')?.value === 'the other tab');
  tab.destroy();
  await until('it is back', () => ann.current.get('bob')?.value === 'the other tab');
});

test('presence that is no presence is not shown', async () => {
  const url = await newRoom(server);
  const ann = here(await connect(url), 'ann');
  const room = await connect(url);
  for (const junk of [1, 'x', [], {}, { client: 5, value: 1 }, { value: 2 }]) {
    await room.push('__presence', junk, { type: 'relay' }).done;
    await room.push('__presence/left', junk, { type: 'relay' }).done;
  }
  const proto = { client: '__proto__', value: 'odd', every: 1000 };
  await room.push('__presence', proto, { type: 'relay' }).done;
  await until('the last came', () => ann.current.size > 0);
  expect(names(ann)).toBe('__proto__');
});

test('a crowd is bounded', async () => {
  const url = await newRoom(server);
  const ann = here(await connect(url), 'ann');
  const room = await connect(url);
  const crowd = Array.from({ length: 1100 }, (_, number) => `client ${number}`);
  for (const client of crowd) room.push('__presence', { client, value: 1, every: 60_000 }, { type: 'relay' });
  await until('all came', () => ann.current.size === 1000);
  await room.push('__presence', { client: 'one more', value: 1, every: 60_000 }, { type: 'relay' }).done;
  await room.push('__presence', { client: 'client 0', value: 2, every: 60_000 }, { type: 'relay' }).done;
  await until('a known one still changes', () => Object.is(ann.current.get('client 0')?.value, 2));
  expect(ann.current.size).toBe(1000);
});

test('a destroyed presence hears and says nothing more', async () => {
  const url = await newRoom(server);
  const room = await connect(url);
  const ann = here(await connect(url), 'ann');
  const bob = here(room, 'bob');
  await until('bob sees ann', () => bob.current.has('ann'));
  let calls = 0;
  bob.subscribe(() => {
    calls += 1;
  });
  bob.destroy();
  await until('ann knows', () => !ann.current.has('bob'));
  ann.update('alone');
  bob.update('nobody hears this');
  await untilLive(room);
  await room.latency();
  expect(calls).toBe(0);
  expect(names(ann)).toBe('');
});

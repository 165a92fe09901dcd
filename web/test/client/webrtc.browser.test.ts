// Data channels between real RTCPeerConnections, signalled through a real room.

import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { commands } from 'vitest/browser';
import { PeerConnections, type PeerConnectionsOptions, RoomConnection } from '../../src/index.ts';
import { until } from '../support/until.ts';

let server: string;
let ends: (() => void)[] = [];

beforeAll(async () => {
  server = await commands.startServer();
});
afterAll(() => commands.removeServer(server));
afterEach(() => {
  for (const end of ends) end();
  ends = [];
});

async function newRoom(): Promise<string> {
  const answer = await fetch(`${server}/new`, { method: 'POST' });
  const { socket_url: url } = (await answer.json()) as { socket_url: string };
  return url;
}

interface Client {
  room: RoomConnection;
  peers: PeerConnections;
  heard: { peer: string; value: unknown }[];
}

async function join(url: string, options: PeerConnectionsOptions = {}): Promise<Client> {
  const room = new RoomConnection(url);
  await room.connect();
  const peers = new PeerConnections(room, options);
  const heard: Client['heard'] = [];
  peers.onMessage((peer, value) => heard.push({ peer, value }));
  ends.push(() => {
    peers.destroy();
    room.close();
  });
  return { room, peers, heard };
}

async function meshed(clients: readonly Client[]): Promise<void> {
  await until('all are connected to all', () =>
    clients.every(({ peers }) =>
      clients.every((other) => other.peers === peers || peers.current.get(other.peers.client) === 'open'),
    ),
  );
}

test('three clients talk to each other directly, in JSON and in bytes', async () => {
  const url = await newRoom();
  const [one, two, three] = [await join(url), await join(url), await join(url)];
  await meshed([one, two, three]);
  expect(one.peers.send({ hello: 'all' })).toBe(2);
  await until('both heard', () => two.heard.length === 1 && three.heard.length === 1);
  expect(two.heard[0]).toEqual({ peer: one.peers.client, value: { hello: 'all' } });
  expect(two.peers.send(new Uint8Array([1, 2, 3]), one.peers.client)).toBe(1);
  await until('one heard', () => one.heard.length === 1);
  expect(one.heard[0]?.value).toEqual(new Uint8Array([1, 2, 3]));
  expect(three.heard).toHaveLength(1);
});

test('who leaves is gone, and nothing is left in the room', async () => {
  const url = await newRoom();
  const [one, two] = [await join(url), await join(url)];
  await meshed([one, two]);
  two.peers.destroy();
  await until('it is gone', () => one.peers.current.size === 0);
  expect(one.peers.send('anyone?')).toBe(0);
  const late = await join(url);
  await meshed([one, late]);
  expect(await one.room.keys()).toEqual([]);
});

test('who comes back after a reload is a new peer, and is connected to', async () => {
  const url = await newRoom();
  const one = await join(url);
  for (let round = 0; round < 3; round += 1) {
    const other = await join(url);
    await meshed([one, other]);
    // As a closed tab: no goodbye of ours.
    other.room.close();
    await until('it is gone', () => one.peers.current.size === 0);
  }
});

test('channels stay open while the server is away', async () => {
  const url = await newRoom();
  const [one, two] = [await join(url), await join(url)];
  await meshed([one, two]);
  await commands.killServer(server);
  await until('both know', () => !one.room.status.connected && !two.room.status.connected);
  expect(one.peers.send('still here')).toBe(1);
  await until('it is heard', () => two.heard.length === 1);
  await commands.restartServer(server);
  await until('both are back', () => [one, two].every(({ room }) => room.status.state === 'live'));
  expect(two.peers.send('and again')).toBe(1);
  await until('it is heard', () => one.heard.length === 1);
});

test('a connection that breaks is made again', async () => {
  const url = await newRoom();
  const made: RTCPeerConnection[] = [];
  const Original = globalThis.RTCPeerConnection;
  vi.stubGlobal(
    'RTCPeerConnection',
    class extends Original {
      constructor(configuration?: RTCConfiguration) {
        super(configuration);
        made.push(this);
      }
    },
  );
  try {
    const [one, two] = [await join(url), await join(url)];
    await meshed([one, two]);
    for (const place of [0, 1]) {
      const before = made.length;
      made[before - 2 + place]?.close();
      await until('both made a new one', () => made.length >= before + 2);
      await meshed([one, two]);
      const count = two.heard.length;
      expect(one.peers.send(place)).toBe(1);
      await until('it is heard', () => two.heard.length === count + 1);
    }
  } finally {
    vi.unstubAllGlobals();
  }
});

test('signals that are none, or are for others, do no harm', async () => {
  const url = await newRoom();
  const [one, two] = [await join(url), await join(url)];
  await meshed([one, two]);
  const { client: to } = one.peers;
  const { client: from } = two.peers;
  const junk = [
    1,
    { to },
    { to, from: 'nobody', try: 1, description: { type: 'offer', sdp: '' } },
    { to, from, try: 1, description: { type: 'offer', sdp: 'nonsense' } },
    { to, from, try: 'x', description: 5 },
    { to, from, try: 1, candidate: { candidate: 'nonsense', sdpMid: '0' } },
    { to: from, from: to, try: 1, description: { type: 'answer', sdp: 'nonsense' } },
  ];
  for (const value of junk) two.room.push('__peers/signal', value, { type: 'relay' });
  await two.room.latency();
  await one.room.latency();
  await meshed([one, two]);
  expect(one.peers.send('fine')).toBe(1);
  await until('it is heard', () => two.heard.length === 1);
});

test('what is too large, or no JSON, is refused; lossy channels work too', async () => {
  const url = await newRoom();
  const [one, two] = [await join(url, { lossy: true }), await join(url, { lossy: true })];
  await meshed([one, two]);
  expect(() => one.peers.send('x'.repeat(70_000))).toThrow(/64 KiB/);
  expect(() => one.peers.send(undefined)).toThrow(/JSON/);
  await until('one message came through', () => {
    one.peers.send('again');
    return two.heard.length > 0;
  });
});

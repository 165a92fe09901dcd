// Data channels between all clients of a room, signalled through relays: nothing about them is stored, so nothing is left
// behind and no old offer comes back. Of two clients the one with the greater name always offers, so offers never cross;
// each try has a number, so that what belongs to an earlier one is dropped. Who is here is told by a presence of its own.

import { RoomError } from '../../protocol/error.ts';
import { Listeners } from './listeners.ts';
import { fieldsOf } from './pending.ts';
import { type Peer, Presence } from './presence.ts';
import { Shared } from './shared.ts';
import type { SharedRoom } from './shared_room.ts';
import type { KeyEvent, Unsubscribe } from './types.ts';

/** The key that peers meet on, unless the option says otherwise. Signals go to `{key}/signal`. */
export const PEERS_KEY = '__peers';
/** More peers than this are not connected to: in a full mesh each one more costs everybody. */
export const PEERS_MAX = 32;
/** The longest message, in bytes of its encoding. All browsers take as much. */
export const PEER_MESSAGE_BYTES_MAX = 65_536;
/** A channel on which more than this waits to be sent is left out. */
export const PEER_BUFFERED_BYTES_MAX = 1_048_576;
/** A connection that is not open after this is tried anew; each time twice as long. */
export const PEER_CONNECT_MS = 10_000;
const CONNECT_DOUBLINGS_MAX = 3;

/** How peers connect. */
export interface PeerConnectionsOptions {
  key?: string;
  /** STUN and TURN servers. Default: none, which reaches peers of the same network. */
  iceServers?: RTCIceServer[];
  /** True: messages may be lost and come out of order, sooner. */
  lossy?: boolean;
}

/** How a connection to one peer is doing. */
export type PeerState = 'connecting' | 'open';

interface Link {
  try: number;
  connection: RTCPeerConnection;
  channel: RTCDataChannel;
  state: PeerState;
  timer: ReturnType<typeof setTimeout>;
}

/** A full mesh of data channels with the other clients of a room that have one too. For browsers only. */
export class PeerConnections extends Shared<ReadonlyMap<string, PeerState>> {
  #room: SharedRoom;
  #key: string;
  #configuration: RTCConfiguration;
  #channelInit: RTCDataChannelInit;
  #presence: Presence<null>;
  #links = new Map<string, Link>();
  #tries = new Map<string, number>();
  /** Who is here. An offer may come before that is known of its sender. */
  #met: ReadonlySet<string> = new Set();
  #listeners = new Listeners<[peer: string, value: unknown]>();

  /** Throws `unsupported` where there is no WebRTC. */
  constructor(room: SharedRoom, options: PeerConnectionsOptions = {}) {
    super();
    if (typeof RTCPeerConnection === 'undefined')
      throw new RoomError('unsupported', 'there is no WebRTC here');
    this.#room = room;
    this.#key = options.key ?? PEERS_KEY;
    this.#configuration = { iceServers: options.iceServers ?? [] };
    const lossy = options.lossy ? { ordered: false, maxRetransmits: 0 } : {};
    this.#channelInit = { negotiated: true, id: 0, ...lossy };
    this.until(room.subscribe(this.#signalKey, (event) => this.#hear(event), { replay: false }));
    this.#presence = new Presence<null>(room, { initial: null, key: this.#key });
    this.#presence.subscribe((peers) => this.#meet(peers));
  }

  /** This client's name among the peers. */
  get client(): string {
    return this.#presence.client;
  }

  /**
   * Sends to one peer, or to all whose channel is open; to how many it went. Bytes go as bytes, all else as JSON.
   * A channel with too much waiting is left out. Throws `bad_value` for more than 64 KiB.
   */
  send(value: unknown, peer?: string): number {
    const message = value instanceof Uint8Array ? new Uint8Array(value) : JSON.stringify(value);
    if (message === undefined || sizeOf(message) > PEER_MESSAGE_BYTES_MAX) {
      throw new RoomError('bad_value', 'peers take JSON or bytes, at most 64 KiB');
    }
    let sent = 0;
    for (const [name, { channel }] of this.#links) {
      const wanted = peer === undefined || peer === name;
      if (!wanted || channel.readyState !== 'open' || channel.bufferedAmount > PEER_BUFFERED_BYTES_MAX)
        continue;
      if (typeof message === 'string') channel.send(message);
      else channel.send(message);
      sent += 1;
    }
    return sent;
  }

  /** Hears each message, with its sender's name. */
  onMessage(listener: (peer: string, value: unknown) => void): Unsubscribe {
    return this.#listeners.add(listener);
  }

  protected override compute(): ReadonlyMap<string, PeerState> {
    return new Map(Array.from(this.#links, ([peer, link]) => [peer, link.state]));
  }

  protected override release(): void {
    this.#presence.destroy();
    for (const peer of [...this.#links.keys()]) this.#close(peer);
    this.#listeners.clear();
  }

  get #signalKey(): string {
    return `${this.#key}/signal`;
  }

  #meet(peers: ReadonlyMap<string, Peer<null>>): void {
    const gone = [...this.#met].filter((peer) => !peers.has(peer));
    this.#met = new Set(peers.keys());
    for (const peer of gone) this.#leave(peer);
    for (const peer of peers.keys()) if (this.#offers(peer) && !this.#links.has(peer)) this.#offer(peer);
  }

  #offers(peer: string): boolean {
    return this.client > peer;
  }

  #leave(peer: string): void {
    this.#close(peer);
    this.#tries.delete(peer);
    this.heard();
  }

  #close(peer: string): void {
    const link = this.#links.get(peer);
    this.#links.delete(peer);
    clearTimeout(link?.timer);
    link?.channel.close();
    link?.connection.close();
  }

  #offer(peer: string): void {
    const link = this.#open(peer, (this.#tries.get(peer) ?? 0) + 1);
    if (link !== undefined) void this.#describe(peer, link);
  }

  #open(peer: string, number: number): Link | undefined {
    this.#close(peer);
    if (this.#links.size >= PEERS_MAX) return undefined;
    this.#tries.set(peer, number);
    const connection = new RTCPeerConnection(this.#configuration);
    const channel = connection.createDataChannel('seabag', this.#channelInit);
    const patience = PEER_CONNECT_MS * 2 ** Math.min(number - 1, CONNECT_DOUBLINGS_MAX);
    const timer = setTimeout(() => this.#again(peer, link), patience);
    const link: Link = { try: number, connection, channel, state: 'connecting', timer };
    this.#links.set(peer, link);
    connection.onicecandidate = ({ candidate }) => {
      if (candidate !== null) this.#signal(peer, link, { candidate: candidate.toJSON() });
    };
    connection.onconnectionstatechange = () => {
      if (connection.connectionState === 'failed') this.#again(peer, link);
    };
    channel.binaryType = 'arraybuffer';
    channel.onopen = () => {
      clearTimeout(link.timer);
      link.state = 'open';
      this.heard();
    };
    channel.onclose = () => this.#again(peer, link);
    channel.onmessage = ({ data }) => this.#receive(peer, data);
    this.heard();
    return link;
  }

  /** The connection ended, or never began. The one who offers tries anew; the other one asks for it. */
  #again(peer: string, link: Link): void {
    if (this.ended || this.#links.get(peer) !== link) return;
    if (!this.#met.has(peer)) {
      this.#leave(peer);
    } else if (this.#offers(peer)) {
      this.#offer(peer);
    } else {
      this.#signal(peer, link, { again: true });
      this.#close(peer);
      this.heard();
    }
  }

  async #describe(peer: string, link: Link, offer?: RTCSessionDescriptionInit): Promise<void> {
    try {
      if (offer !== undefined) await link.connection.setRemoteDescription(offer);
      await link.connection.setLocalDescription();
      const description = link.connection.localDescription;
      if (description !== null) this.#signal(peer, link, { description: description.toJSON() });
    } catch {
      // Closed meanwhile, or nonsense from the other side: the next try begins anew.
    }
  }

  #signal(peer: string, link: Link, content: Record<string, unknown>): void {
    if (this.#links.get(peer) !== link) return;
    const signal = { to: peer, from: this.client, try: link.try, ...content };
    this.#room.push(this.#signalKey, signal, { type: 'relay' }).done.catch(() => undefined);
  }

  #hear(event: KeyEvent): void {
    const fields = event.type === 'push' ? fieldsOf(event.value) : undefined;
    if (fields === undefined || fields.to !== this.client) return;
    const { from: peer, try: number } = fields;
    if (typeof peer !== 'string' || typeof number !== 'number' || !Number.isSafeInteger(number)) return;
    const description = fieldsOf(fields.description);
    if (description?.type === 'offer' && typeof description.sdp === 'string' && !this.#offers(peer)) {
      this.#answer(peer, number, description.sdp);
      return;
    }
    const link = this.#links.get(peer);
    if (link === undefined || link.try !== number) return;
    if (description?.type === 'answer' && typeof description.sdp === 'string') {
      link.connection.setRemoteDescription({ type: 'answer', sdp: description.sdp }).catch(() => undefined);
    }
    const candidate = fieldsOf(fields.candidate);
    if (candidate !== undefined) link.connection.addIceCandidate(candidate).catch(() => undefined);
    if (fields.again === true && this.#offers(peer)) this.#again(peer, link);
  }

  #answer(peer: string, number: number, sdp: string): void {
    if (number <= (this.#tries.get(peer) ?? 0)) return;
    const link = this.#open(peer, number);
    if (link !== undefined) void this.#describe(peer, link, { type: 'offer', sdp });
  }

  #receive(peer: string, data: unknown): void {
    let value: unknown;
    try {
      value = data instanceof ArrayBuffer ? new Uint8Array(data) : JSON.parse(String(data));
    } catch {
      return;
    }
    this.#listeners.call(peer, value);
  }
}

function sizeOf(message: string | Uint8Array): number {
  return typeof message === 'string' ? new TextEncoder().encode(message).length : message.length;
}

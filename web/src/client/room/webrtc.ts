// Data channels between all clients of a room, signalled through relays: nothing about them is stored, so nothing is
// left behind and no old offer comes back. Knows who is here by a presence of its own.

import { asRoomError, fieldsOf } from './pending.ts';
import { type Peer, Presence } from './presence.ts';
import type { Room } from './room.ts';
import { Shared } from './shared.ts';
import type { KeyEvent, Unsubscribe } from './types.ts';

/** The key that peers meet on, unless the option says otherwise. Signals go to `{key}/signal`. */
export const PEERS_KEY = '__peers';

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

/** A full mesh of data channels with the other clients of a room that have one too. */
export class PeerConnections extends Shared<ReadonlyMap<string, PeerState>> {
  readonly presence: Presence<null>;

  constructor(room: Room, options: PeerConnectionsOptions = {}) {
    super();
    this.presence = new Presence<null>(room, { initial: null, key: options.key ?? PEERS_KEY });
  }

  /** This client's name among the peers. */
  get client(): string {
    return this.presence.client;
  }

  /** Sends to one peer, or to all whose channel is open; to how many it went. Bytes go as bytes, all else as JSON. */
  send(_value: unknown, _peer?: string): number {
    throw new Error('not yet');
  }

  /** Hears each message. */
  onMessage(_listener: (peer: string, value: unknown) => void): Unsubscribe {
    throw new Error('not yet');
  }

  protected override compute(): ReadonlyMap<string, PeerState> {
    return new Map();
  }

  protected override release(): void {
    this.presence.destroy();
  }
}

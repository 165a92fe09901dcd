// `useWebRtcPresence`: presence that goes from browser to browser, for what changes often. The rules are PeerConnections'.

import { useEffect } from 'react';
import type { WrappedPresenceMessage } from '../client/room/driftdb/presence.ts';
import { equal } from '../client/room/equal.ts';
import type { SharedRoom } from '../client/room/shared_room.ts';
import { PeerConnections, type PeerConnectionsOptions } from '../client/room/webrtc.ts';
import { useConnection } from './context.ts';
import type { Plan } from './held.ts';
import { useHeld } from './use_held.ts';

const NOBODY: Record<string, never> = {};

/**
 * Shows `value` (JSON) to the others in the room over data channels, at most once in `throttleMs`, and returns what they
 * show by their names. Throws, for an error boundary, where there is no WebRTC.
 */
export function useWebRtcPresence<T>(
  value: T,
  throttleMs = 0,
  options: PeerConnectionsOptions = {},
): Record<string, WrappedPresenceMessage<T>> {
  const db = useConnection('useWebRtcPresence');
  const [others, held] = useHeld(
    db.room,
    ['peers', options],
    (room): Plan<PeerPresence<T>, Others<T>> => ({
      make: () => new PeerPresence<T>(room, value, options),
      read: (shared) => shared.current,
      initial: NOBODY,
    }),
  );
  useEffect(() => held.found?.update(value, throttleMs), [held, value, throttleMs]);
  return others;
}

type Others<T> = Record<string, WrappedPresenceMessage<T>>;

/** What the peers show. */
class PeerPresence<T> {
  current: Others<T> = NOBODY;
  readonly #peers: PeerConnections;
  readonly #listeners = new Set<() => void>();
  /** Peers that know our value. */
  #told = new Set<string>();
  #value: T;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(room: SharedRoom, value: T, options: PeerConnectionsOptions) {
    this.#value = value;
    this.#peers = new PeerConnections(room, options);
    this.#peers.onMessage((peer, message) => this.#show(peer, message as T));
    this.#peers.subscribe(() => this.#meet());
  }

  /** Shows the others something else, after `throttleMs` at the latest. */
  update(value: T, throttleMs: number): void {
    if (equal(value, this.#value)) return;
    this.#value = value;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#peers.send(this.#value);
    }, throttleMs);
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  destroy(): void {
    clearTimeout(this.#timer);
    this.#peers.destroy();
  }

  #meet(): void {
    const peers = this.#peers.current;
    const open = [...peers].filter(([, state]) => state === 'open').map(([peer]) => peer);
    for (const peer of open) if (!this.#told.has(peer)) this.#peers.send(this.#value, peer);
    this.#told = new Set(open);
    const here = Object.entries(this.current).filter(([peer]) => peers.has(peer));
    if (here.length < Object.keys(this.current).length) this.#tell(Object.fromEntries(here));
  }

  #show(peer: string, value: T): void {
    this.#tell({ ...this.current, [peer]: { value, lastSeen: Date.now() } });
  }

  #tell(others: Others<T>): void {
    this.current = others;
    for (const listener of [...this.#listeners]) listener();
  }
}

// What a provider keeps outside of React: one connection, made when the provider is there, closed when it has gone.
// It finds or makes the room, and remembers what went wrong. It renders nothing.

import { currentRoom, showRoom } from '../client/room/address.ts';
import { RoomsApi } from '../client/room/api.ts';
import { DbConnection } from '../client/room/driftdb/connection.ts';
import { serverUrl } from '../client/room/driftdb/server_url.ts';
import { RoomError } from '../protocol/error.ts';
import { newRoom } from './creation.ts';

/** What a session is for. Another one of any of these needs another session. */
export interface SessionPlan {
  /** The server's address. */
  readonly api: string;
  /** The room; null: make one, and show it in the page's address. */
  readonly room: string | null;
  /** Whether that was said to the provider, not by the page's address. */
  readonly given: boolean;
  /** Whether values may hold bytes, dates and typed arrays. */
  readonly binary: boolean;
  /** What a guarded server asks of those who make rooms. */
  readonly token: string | undefined;
}

/** As DriftDB has it, and why there is no connection, if that is known. */
export type RoomConnectionStatus =
  | { connected: true; debugUrl: string; error?: undefined }
  | {
      connected: false;
      /** Why. With `retrying`, it is tried again by itself. */
      error?: RoomError;
      retrying?: boolean;
    };

const NOT_YET: RoomConnectionStatus = { connected: false };

/** One provider's connection. */
export class RoomSession {
  readonly db = new DbConnection();
  readonly #plan: SessionPlan;
  readonly #listeners = new Set<() => void>();
  #room: string | null;
  #status: RoomConnectionStatus = NOT_YET;
  #users = 0;
  #end: (() => void) | undefined;

  constructor(plan: SessionPlan) {
    this.#plan = plan;
    this.#room = plan.room;
  }

  /**
   * Whether it is for this plan. One that made its room is also for the plan that names the room, and an address that
   * names none any more changes nothing.
   */
  serves({ api, room, binary, token }: SessionPlan): boolean {
    const mine = this.#plan;
    const same = api === mine.api && binary === mine.binary && token === mine.token;
    return same && (room === null ? !mine.given : room === mine.room || room === this.#room);
  }

  /** The room's id, once there is one. */
  readonly room = (): string | null => this.#room;

  /** The same object until it changes. */
  readonly status = (): RoomConnectionStatus => this.#status;

  /** Hears of changes of room and status. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Connects for as long as somebody holds it. Ends what it returns. */
  hold(): () => void {
    this.#users += 1;
    this.#end ??= this.#begin();
    return () => {
      this.#users -= 1;
      // Later: StrictMode lets go and takes hold again in one go, and should find the same connection.
      queueMicrotask(() => {
        if (this.#users > 0) return;
        this.#end?.();
        this.#end = undefined;
      });
    };
  }

  #begin(): () => void {
    const stop = new AbortController();
    const unsubscribe = this.db.room.onStatus(() => this.#look());
    void this.#connect(stop.signal);
    return () => {
      stop.abort();
      unsubscribe();
      this.db.disconnect();
      this.#tell(NOT_YET);
    };
  }

  async #connect(signal: AbortSignal): Promise<void> {
    try {
      // A page from a server was first rendered as if it had no address.
      this.#room ??= currentRoom();
      const room = this.#room ?? (await this.#make(signal));
      if (signal.aborted) return;
      const url = new RoomsApi(serverUrl(this.#plan.api)).url(room);
      await this.db.connect(url, this.#plan.binary);
    } catch (error) {
      if (!signal.aborted) this.#tell({ connected: false, error: asRoomError(error) });
    }
  }

  async #make(signal: AbortSignal): Promise<string> {
    const { api, token } = this.#plan;
    const onTrouble = (error: RoomError) => this.#tell({ connected: false, error, retrying: true });
    const room = await newRoom(serverUrl(api), token, signal, onTrouble);
    if (signal.aborted) return room;
    this.#room = room;
    showRoom(room);
    this.#tell(NOT_YET);
    return room;
  }

  /** The connection's status changes with every message; here only what a user sees of it counts. */
  #look(): void {
    const { db } = this;
    if (db.status.connected) {
      if (!this.#status.connected) this.#tell(db.status);
      return;
    }
    const { state, reason } = db.connection?.status ?? {};
    const retrying = state !== 'closed';
    const { connected, error, retrying: before } = { retrying: undefined, ...this.#status };
    if (!connected && error?.code === reason?.code && (reason === undefined || before === retrying)) return;
    this.#tell(reason === undefined ? NOT_YET : { connected: false, error: asError(reason), retrying });
  }

  #tell(status: RoomConnectionStatus): void {
    this.#status = status;
    for (const listener of [...this.#listeners]) listener();
  }
}

function asError({ code, message }: { code: string; message: string }): RoomError {
  return new RoomError(code, message);
}

function asRoomError(error: unknown): RoomError {
  return error instanceof RoomError ? error : new RoomError('internal', String(error));
}

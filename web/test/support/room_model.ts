// A room's server in a page of code, speaking the native dialect over sockets whose frames move only when a test says
// so: for random schedules of deliveries and cuts. Real servers judge the rest.

import type { WebSocketLike } from '../../src/client/room/types.ts';
import type { PushAction } from '../../src/protocol/room/action.ts';

/** One entry of a stream. */
export interface ModelEntry {
  seq: number;
  value: unknown;
}

/** What a push came to. */
export interface PushOutcome {
  seq: number;
  size: number;
  stale?: boolean;
  error?: string;
}

/** The order and the streams of one room: the part that another machine may stand in for. */
export interface RoomMachine {
  readonly head: number;
  push(key: string, value: unknown, action: PushAction): PushOutcome;
  stream(key: string): readonly ModelEntry[];
  keys(): readonly string[];
}

interface Stream {
  entries: ModelEntry[];
  floor: number;
}

/** docs/rooms.md, "Actions" and "The contract of compact". */
export class ModelMachine implements RoomMachine {
  head = 0;
  #streams = new Map<string, Stream>();
  #forgottenFloor = 0;

  push(key: string, value: unknown, action: PushAction): PushOutcome {
    const stream = this.#streams.get(key) ?? { entries: [], floor: this.#forgottenFloor };
    if (action.type === 'compact') return this.#compact(key, stream, value, action.seq);
    this.head += 1;
    const seq = this.head;
    if (action.type === 'replace') {
      stream.entries = [];
      stream.floor = seq - 1;
    }
    if (action.type !== 'relay') {
      stream.entries.push({ seq, value });
      this.#streams.set(key, stream);
    }
    return { seq, size: stream.entries.length };
  }

  stream(key: string): readonly ModelEntry[] {
    return this.#streams.get(key)?.entries ?? [];
  }

  keys(): readonly string[] {
    return [...this.#streams.keys()].sort();
  }

  #compact(key: string, stream: Stream, value: unknown, seq: number): PushOutcome {
    const size = stream.entries.length;
    if (seq > this.head) return { seq, size, error: 'compact_ahead' };
    if (seq <= stream.floor) return { seq, size, stale: true };
    const kept = stream.entries.filter((entry) => entry.seq > seq);
    stream.entries = value === undefined ? kept : [{ seq, value }, ...kept];
    stream.floor = seq;
    this.#streams.set(key, stream);
    if (stream.entries.length === 0) {
      this.#streams.delete(key);
      this.#forgottenFloor = Math.max(this.#forgottenFloor, seq);
    }
    return { seq, size: stream.entries.length };
  }
}

/** A push that changed something, as the machine took it. */
export interface Accepted {
  key: string;
  value: unknown;
  action: PushAction;
  outcome: PushOutcome;
}

/** The server of one room. */
export class ModelServer {
  machine: RoomMachine = new ModelMachine();
  /** Everything that was pushed in this history, in order. */
  accepted: Accepted[] = [];
  /** The connections that stand, on the server's side. */
  sockets = new Set<ModelSocket>();
  #epochs = 1;
  #written = new Map<string, { id: number; seq: number }>();
  #makeMachine: () => RoomMachine;

  constructor(makeMachine: () => RoomMachine = () => new ModelMachine()) {
    this.#makeMachine = makeMachine;
    this.machine = makeMachine();
  }

  get epoch(): string {
    return `epoch${this.#epochs}`;
  }

  /** The room is lost, and there again, empty. */
  wipe(): void {
    for (const socket of [...this.sockets]) socket.cut();
    this.#epochs += 1;
    this.machine = this.#makeMachine();
    this.accepted = [];
    this.#written.clear();
  }

  joined(socket: ModelSocket): void {
    this.sockets.add(socket);
    const { head } = this.machine;
    const lastId = this.#written.get(socket.client)?.id ?? null;
    const limits = { message_bytes: 1_000_000, key_bytes: 1000, pushes_per_second: 0 };
    const rest = { last_id: lastId, read_only: false, closed: false, limits };
    socket.tell({ type: 'hello', epoch: this.epoch, seq: head, ...rest });
    if (socket.since === undefined) return;
    const [epoch, seq] = socket.since === '0' ? [this.epoch, 0] : cursorOf(socket.since);
    const good = epoch === this.epoch && seq <= head;
    if (!good) socket.tell({ type: 'reset', reason: 'unknown_epoch', epoch: this.epoch, seq: head });
    socket.tell({ type: 'entries', data: this.#entriesAbove(good ? seq : 0) });
    socket.tell({ type: 'live', seq: head });
  }

  take(socket: ModelSocket, text: string): void {
    const message = JSON.parse(text) as ClientFrame;
    switch (message.type) {
      case 'push':
        this.#push(socket, message);
        break;
      case 'get':
        if (message.key === undefined) {
          socket.tell({ type: 'entries', data: this.#entriesAbove(message.seq ?? 0), next: null });
        } else {
          socket.tell({ type: 'init', key: message.key, data: this.machine.stream(message.key) });
        }
        break;
      case 'keys':
        socket.tell({ type: 'keys', data: this.machine.keys().map((key) => this.#summary(key)), next: null });
        break;
      case 'ping':
        socket.tell({ type: 'pong', nonce: message.nonce ?? null });
        break;
    }
  }

  #push(socket: ModelSocket, { key = '', value, action, id = 0 }: ClientFrame): void {
    const last = this.#written.get(socket.client);
    if (action === undefined) return;
    if (last !== undefined && id <= last.id) {
      const seq = last.id === id ? last.seq : null;
      socket.tell({ type: 'ack', id, seq, size: this.machine.stream(key).length, repeat: true });
      return;
    }
    const outcome = this.machine.push(key, value, action);
    if (action.type !== 'relay') this.#written.set(socket.client, { id, seq: outcome.seq });
    if (outcome.error !== undefined) {
      socket.tell({ type: 'error', code: outcome.error, message: outcome.error, id, key });
      return;
    }
    this.accepted.push({ key, value, action, outcome });
    socket.tell({ type: 'ack', id, ...outcome });
    if (action.type === 'compact') return;
    for (const reader of this.sockets) reader.tell({ type: 'push', key, value, seq: outcome.seq });
  }

  #entriesAbove(seq: number): { key: string; value: unknown; seq: number }[] {
    const all = this.machine
      .keys()
      .flatMap((key) => this.machine.stream(key).map((entry) => ({ key, ...entry })));
    return all.filter((entry) => entry.seq > seq).sort((a, b) => a.seq - b.seq);
  }

  #summary(key: string): Record<string, unknown> {
    const entries = this.machine.stream(key);
    const [first] = entries;
    return { key, size: entries.length, bytes: 0, first: first?.seq ?? 0, last: entries.at(-1)?.seq ?? 0 };
  }
}

interface ClientFrame {
  type: string;
  key?: string;
  value?: unknown;
  action?: PushAction;
  id?: number;
  seq?: number;
  nonce?: number | null;
}

/** A socket to the model: what was sent waits in either direction until it is moved or lost. */
export class ModelSocket implements WebSocketLike {
  binaryType = 'blob';
  bufferedAmount = 0;
  onopen: ((event: never) => unknown) | null = null;
  onmessage: ((event: never) => unknown) | null = null;
  onclose: ((event: never) => unknown) | null = null;
  onerror: ((event: never) => unknown) | null = null;
  readonly client: string;
  readonly since: string | undefined;
  #server: ModelServer;
  #toServer: string[] = [];
  #toClient: string[] = [];
  #state: 'opening' | 'open' | 'closed' = 'opening';

  constructor(server: ModelServer, url: string) {
    const { searchParams } = new URL(url);
    this.client = searchParams.get('client') ?? '';
    this.since = searchParams.get('since') ?? undefined;
    this.#server = server;
  }

  get ended(): boolean {
    return this.#state === 'closed';
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    if (this.#state === 'open') this.#toServer.push(String(data));
  }

  close(): void {
    this.#lose();
  }

  /** The server says something. */
  tell(message: unknown): void {
    this.#toClient.push(JSON.stringify(message));
  }

  /** Opens it, or moves one frame to the server. Whether there was one. */
  moveUp(): boolean {
    if (this.#state === 'opening') {
      this.#state = 'open';
      this.#server.joined(this);
      this.onopen?.({ type: 'open' } as never);
      return true;
    }
    const frame = this.#state === 'open' ? this.#toServer.shift() : undefined;
    if (frame !== undefined) this.#server.take(this, frame);
    return frame !== undefined;
  }

  /** Moves one frame to the client. Whether there was one. */
  moveDown(): boolean {
    const frame = this.#state === 'open' ? this.#toClient.shift() : undefined;
    if (frame !== undefined) this.onmessage?.({ data: frame } as never);
    return frame !== undefined;
  }

  /** The connection breaks, and what was under way is lost. */
  cut(): void {
    if (this.#state !== 'open') return;
    this.#lose();
    this.onclose?.({ code: 1006, reason: '' } as never);
  }

  #lose(): void {
    this.#state = 'closed';
    this.#server.sockets.delete(this);
    this.#toServer = [];
    this.#toClient = [];
  }
}

function cursorOf(text: string): [string, number] {
  const [epoch = '', seq = ''] = text.split('.');
  return [epoch, Number(seq)];
}

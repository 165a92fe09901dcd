// DriftDB's message shapes, by its names. Types only.

/** The name of a stream. */
export type Key = string;

/** A number in the room's order. */
export type SequenceNumber = number;

/** What a push does. */
export type Action = { type: 'append' | 'replace' | 'relay' } | { type: 'compact'; seq: SequenceNumber };

/** A value and its number. */
export interface SequenceValue {
  value: unknown;
  seq: SequenceNumber;
}

/** What comes from the room. */
export type MessageFromDb =
  | { type: 'push'; key: Key; value: unknown; seq: SequenceNumber }
  | { type: 'init'; data: Array<SequenceValue>; key: Key }
  | { type: 'error'; message: string }
  | { type: 'stream_size'; key: Key; size: number }
  | { type: 'pong'; nonce?: number };

/** What goes to the room. */
export type MessageToDb =
  | { type: 'push'; action: Action; value: unknown; key: Key }
  | { type: 'get'; key: Key; seq?: SequenceNumber }
  | { type: 'ping'; nonce?: number };

/** Whether there is a connection; if so, where to look into the room. */
export type ConnectionStatus = { connected: false } | { connected: true; debugUrl: string };

/** How to subscribe. */
export interface SubscribeOptions {
  /** False: only what comes from now on. Default: the retained stream first. */
  replay?: boolean;
}

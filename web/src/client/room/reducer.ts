// A shared state machine: every client applies the same actions in the room's order. Own actions show at once; when
// another client's action comes first in the order, they are taken back, and applied again behind it. Whoever makes the
// stream long packs it into one snapshot. Wire: {apply, i} and {reset}, as DriftDB's Reducer. Other values are skipped.

import { fieldsOf, type Pending, requireValue } from './pending.ts';
import { Shared } from './shared.ts';
import type { SharedRoom } from './shared_room.ts';
import type { KeyEvent } from './types.ts';

/** A stream longer than this is packed, unless the option says otherwise. DriftDB's default. */
export const REDUCER_THRESHOLD = 30;
/** Packing waits a random part of this, so that of several clients mostly one does it. */
export const COMPACT_DELAY_MS = 250;

/** How a shared state machine works. */
export interface SharedReducerOptions<State, Action> {
  /**
   * State and action to the next state. The same in, the same out, on every client. It must not change the state that it
   * is given, unless `clone` is there. If it throws on an action of the room, that action is skipped, on every client alike.
   */
  reducer: (state: State, action: Action) => State;
  /** The state before the first action. The same on every client. */
  initial: State;
  /** The stream's length above which it is packed; `Infinity`: never by this client. */
  threshold?: number;
  /** The state as a value that a room can hold. Without it: the state itself. */
  pack?: (state: State) => unknown;
  /** Back from that value. May throw: the snapshot is then skipped. */
  unpack?: (packed: unknown) => State;
  /** For reducers that change the state in place: makes a copy that may be changed. */
  clone?: ((state: State) => State) | undefined;
  /** False: own actions show only when the room has them. */
  optimistic?: boolean;
  /** Between 0 and 1, for the delay of packing. */
  random?: () => number;
}

/** A state that all clients of a room change by actions. */
export class SharedReducer<State, Action> extends Shared<State> {
  #room: SharedRoom;
  #key: string;
  #options: SharedReducerOptions<State, Action>;
  /** The actions up to `#seq` in the room's order, applied. What a snapshot holds. */
  #confirmed: State;
  #seq = 0;
  /** A snapshot could not be unpacked: what is confirmed is not worth packing. */
  #damaged = false;
  #pending: Pending<Action>;
  /** The stream's length when last told. */
  #size = 0;
  #compacting: ReturnType<typeof setTimeout> | true | undefined;
  /** Something was heard over the present connection: what is confirmed is of the room's present history. */
  #fresh = false;
  /** Something was heard in a catching up that has not ended: it may hold own actions that still count as under way. */
  #behind = false;

  constructor(room: SharedRoom, key: string, options: SharedReducerOptions<State, Action>) {
    super();
    this.#room = room;
    this.#key = key;
    this.#options = options;
    this.#confirmed = this.#copy(options.initial);
    this.#pending = this.pending(room);
    this.until(
      room.subscribe(key, (event) => this.#hear(event)),
      room.onStatus(({ state }) => {
        if (state !== 'live') this.#fresh = false;
        else if (this.#behind) {
          this.#behind = false;
          this.heard();
        }
      }),
    );
  }

  /**
   * Applies an action here at once, and sends it to the room. Throws what the reducer throws, and `bad_value` for
   * `undefined`; nothing is sent then. An action that the room refuses is taken back (`onRefused`).
   */
  dispatch(action: Action): void {
    if (this.ended) return;
    requireValue(action, 'the action');
    const state = this.#options.reducer(this.#copy(this.current), action);
    const mark = this.#pending.mark();
    const sent = this.#room.push(this.#key, { apply: action, i: mark }, { type: 'append' });
    this.#pending.add(action, mark, sent, (size) => this.#grown(size));
    if (this.#options.optimistic !== false) this.changed({ state });
  }

  /** The state that the room's order gives, without own actions still under way. Do not change it. */
  get confirmed(): State {
    return this.#confirmed;
  }

  /** The number of the last message that `confirmed` holds; 0 before the first. */
  get confirmedSeq(): number {
    return this.#seq;
  }

  protected override compute(): State {
    let state = this.#copy(this.#confirmed);
    if (this.#options.optimistic === false) return state;
    const { reducer, clone } = this.#options;
    const applied: Action[] = [];
    for (const action of this.#pending.items()) {
      try {
        state = reducer(state, action);
        applied.push(action);
      } catch {
        // It may have changed a part: go back. Copying before each action would cost more than all of them.
        if (clone !== undefined) state = applied.reduce(reducer, clone(this.#confirmed));
      }
    }
    return state;
  }

  protected override release(): void {
    if (this.#compacting !== true) clearTimeout(this.#compacting);
  }

  #hear(event: KeyEvent): void {
    this.#fresh = true;
    // Shown is what was before the cut, until all that came since is there.
    this.#behind ||= this.#room.status.state !== 'live';
    if (event.type === 'push') {
      this.#take(event.seq, event.value);
    } else {
      this.#confirmed = this.#copy(this.#options.initial);
      this.#seq = 0;
      this.#damaged = false;
      this.#pending.rebuilt();
      for (const entry of event.entries) this.#take(entry.seq, entry.value);
    }
    if (!this.#behind) this.heard();
  }

  #take(seq: number, written: unknown): void {
    if (seq <= this.#seq) return;
    this.#seq = seq;
    const fields = fieldsOf(written);
    if (fields === undefined) return;
    if (fields.reset !== undefined) {
      this.#reset(fields.reset);
    } else if (fields.apply !== undefined) {
      this.#pending.echoed(fields.i);
      this.#confirmed = this.#apply(this.#confirmed, fields.apply as Action);
    }
  }

  #reset(packed: unknown): void {
    try {
      this.#confirmed = this.#options.unpack === undefined ? (packed as State) : this.#options.unpack(packed);
      this.#damaged = false;
    } catch {
      this.#damaged = true;
    }
  }

  #apply(state: State, action: Action): State {
    try {
      return this.#options.reducer(this.#copy(state), action);
    } catch {
      return state;
    }
  }

  #copy(state: State): State {
    return this.#options.clone === undefined ? state : this.#options.clone(state);
  }

  /** Our action made the stream so long. */
  #grown(size: number | null): void {
    this.#size = size ?? this.#size;
    if (!this.#tooLong() || this.#compacting !== undefined) return;
    const delay = (this.#options.random ?? Math.random)() * COMPACT_DELAY_MS;
    this.#compacting = setTimeout(() => this.#compact(), delay);
  }

  #tooLong(): boolean {
    return this.#size > (this.#options.threshold ?? REDUCER_THRESHOLD);
  }

  /** The snapshot holds exactly the actions up to its number: that is what a compact must keep to. */
  #compact(): void {
    this.#compacting = undefined;
    const { state, readOnly } = this.#room.status;
    const sure = this.#fresh && !this.#damaged && this.#seq !== 0;
    if (!sure || !this.#tooLong() || state !== 'live' || readOnly) return;
    const packed = this.#options.pack === undefined ? this.#confirmed : this.#options.pack(this.#confirmed);
    if (packed === undefined) return;
    this.#compacting = true;
    const seq = this.#seq;
    const sent = this.#room.push(this.#key, { reset: packed }, { type: 'compact', seq });
    const done = () => {
      this.#compacting = undefined;
    };
    sent.done.then((acknowledgement) => {
      done();
      this.#size = acknowledgement.size ?? 0;
      // What came meanwhile may be too long again.
      if (this.#seq > seq) this.#grown(null);
    }, done);
  }
}

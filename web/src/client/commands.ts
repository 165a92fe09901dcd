// What this tab asked of the one that syncs, until it is done: asked again when another one takes over.

import { SeabagError } from '../protocol/error.ts';
import type { Command, TabMessage } from './tabs.ts';

/** The most commands that may wait. */
const COMMANDS_MAX = 64;

interface Waiting {
  readonly command: Command;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Commands under way. */
export class Commands {
  readonly #waiting = new Map<string, Waiting>();
  readonly #post: (message: TabMessage) => void;
  #closed = false;

  /** Asked over this. */
  constructor(post: (message: TabMessage) => void) {
    this.#post = post;
  }

  /** Asks for something. Resolves when it is done; `busy` with too many of them, `closed` after {@link close}. */
  ask(command: Command): Promise<void> {
    if (this.#closed) return Promise.reject(closed());
    if (this.#waiting.size >= COMMANDS_MAX) {
      return Promise.reject(new SeabagError('busy', 'too many commands wait for the tab that syncs'));
    }
    return new Promise((resolve, reject) => {
      const id = crypto.randomUUID?.() ?? `${Date.now()}:${Math.random()}`;
      this.#waiting.set(id, { command, resolve, reject });
      this.#post({ type: 'command', id, command });
    });
  }

  /** Another tab syncs now. */
  askAgain(): void {
    for (const [id, { command }] of this.#waiting) this.#post({ type: 'command', id, command });
  }

  /** One of them was done, here or there. */
  done(id: string, error?: { code: string; message: string }): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve();
    else waiting?.reject(new SeabagError(error.code, error.message));
  }

  /** Those that wait, for a tab that syncs by itself from now on. They are not under way any more. */
  take(): Waiting[] {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    return waiting;
  }

  /** Nobody waits any longer. */
  close(): void {
    this.#closed = true;
    for (const { reject } of this.take()) reject(closed());
  }
}

function closed(): SeabagError {
  return new SeabagError('closed', 'the database was closed');
}

// The real rules as a program: crates/testing/examples/oracle.rs, asked line by line. Only for Node.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const built = fileURLToPath(new URL('../../../target/debug/examples/oracle', import.meta.url));
/** Where the program is: the variable `SEABAG_ORACLE`, or where cargo puts it. */
export const oraclePath = process.env.SEABAG_ORACLE ?? built;

/** What to do when it is not there: nothing is skipped silently. */
export const oracleMissing = existsSync(oraclePath)
  ? null
  : `there is no oracle at ${oraclePath}: cargo build -p seabag-testing --example oracle, or set SEABAG_ORACLE`;

/** A running oracle. */
export class Oracle {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #answers: AsyncIterator<string>;

  /** Starts one; fails with what to do if it was not built. */
  constructor() {
    if (oracleMissing !== null) throw new Error(oracleMissing);
    this.#process = spawn(oraclePath, []);
    this.#answers = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  /** What it answers to a line of JSON. One question at a time. */
  async ask(question: unknown): Promise<unknown> {
    this.#process.stdin.write(`${JSON.stringify(question)}\n`);
    const line = await this.#answers.next();
    if (line.done === true) throw new Error('the oracle has ended');
    return JSON.parse(line.value);
  }

  /** Ends it. */
  close(): void {
    this.#process.kill();
  }
}

// Runs the real server as a process for a test: `SEABAG_BINARY`, or the debug build of this repository.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './until.ts';

const repository = fileURLToPath(new URL('../../../', import.meta.url));
const SHOWN_CHARACTERS = 4000;
const STOP_MS = 15_000;
/** Starting a program is no claim of any test: a machine with much else to do may take its time. */
const READY_MS_MAX = 90_000;

/** The program under test. */
export const binary = path.resolve(process.env.SEABAG_BINARY ?? path.join(repository, 'target/debug/seabag'));

/** A server with a data folder of its own, that can be killed and started again on the same port. */
export class Server {
  readonly folder: string;
  #arguments: readonly string[];
  #listen = '127.0.0.1:0';
  #child: ChildProcess | undefined;
  #exited: Promise<string> = Promise.resolve('not started');
  #ended: string | undefined;
  #stderr = '';
  #starts = 0;

  private constructor(folder: string, extra: readonly string[]) {
    this.folder = folder;
    this.#arguments = extra;
  }

  /** Starts one on a free port with an empty data folder. */
  static async start(extra: readonly string[] = []): Promise<Server> {
    if (!existsSync(binary)) throw new Error(`no server at ${binary}: cargo build, or set SEABAG_BINARY`);
    const server = new Server(await mkdtemp(path.join(tmpdir(), 'seabag-web-')), extra);
    try {
      await server.restart();
    } catch (error) {
      await server.remove();
      throw error;
    }
    return server;
  }

  /** Its origin. */
  get url(): string {
    return `http://${this.#listen}`;
  }

  /** Its process, while it runs. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** The end of what it wrote to standard error. */
  get complaints(): string {
    return this.#stderr.slice(-SHOWN_CHARACTERS);
  }

  /** After `kill` or `stop`: the same port and the same data, unless `wipe` empties the data first. */
  async restart({ wipe = false } = {}): Promise<void> {
    const data = path.join(this.folder, 'data');
    if (wipe) await rm(data, { recursive: true, force: true });
    const ready = path.join(this.folder, `ready-${this.#starts++}.json`);
    const child = spawn(
      binary,
      ['serve', '--listen', this.#listen, '--data', data, '--ready-file', ready, ...this.#arguments],
      { stdio: ['ignore', 'ignore', 'pipe'], cwd: this.folder },
    );
    this.#child = child;
    this.#ended = undefined;
    this.#exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => resolve(String(signal ?? code)));
      child.once('error', (error) => resolve(error.message));
    });
    void this.#exited.then((how) => {
      if (this.#child === child) this.#ended = how;
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr += chunk.toString();
    });
    const answer = await until(
      'the server is ready',
      async () => {
        if (this.#ended !== undefined)
          throw new Error(`the server ended: ${this.#ended}\n${this.complaints}`);
        const text = await readFile(ready, 'utf8').catch(() => '');
        return text === '' ? undefined : (JSON.parse(text) as { address?: string; listen?: string });
      },
      READY_MS_MAX,
    );
    this.#listen = answer.address ?? answer.listen ?? this.#listen;
  }

  /** As when the power fails. */
  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.#exited;
  }

  /** In order. */
  async stop(): Promise<void> {
    this.#child?.kill('SIGTERM');
    const late = setTimeout(() => this.#child?.kill('SIGKILL'), STOP_MS);
    await this.#exited;
    clearTimeout(late);
  }

  /** Stops it and removes its data. */
  async remove(): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

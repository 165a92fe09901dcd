// A device that runs the program: its own home, the same seed. Each call is one run of it, bounded in time.

import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Seed } from '../../../src/crypto/seed.ts';
import { binary } from '../../support/server.ts';

const RUN_MS_MAX = 30_000;

/** An entity as `ent ls --json` has it. */
export interface ListedEnt {
  id: string;
  type: string;
  parent?: string;
  group?: string;
  created: number;
  updated: number;
  counter: number;
  body: unknown;
}

/** The device. */
export class RustDevice {
  readonly #home: string;

  private constructor(home: string) {
    this.#home = home;
  }

  /** One that knows the seed by its words, and is linked to these hosts if there are any. */
  static async create(seed: Seed, ...urls: string[]): Promise<RustDevice> {
    const device = new RustDevice(await mkdtemp(path.join(tmpdir(), 'seabag-rust-')));
    await device.run(['keys', 'new', '--from-words'], `${seed.words()}\n`);
    for (const url of urls) await device.run(['ent', 'link', url]);
    return device;
  }

  /** Runs the program. What it wrote; throws with what it complained about. */
  async run(words: readonly string[], input = ''): Promise<string> {
    const child = spawn(binary, words, {
      env: { PATH: process.env.PATH, SEABAG_HOME: this.#home },
      cwd: this.#home,
      timeout: RUN_MS_MAX,
      killSignal: 'SIGKILL',
    });
    const [out, complaints]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => complaints.push(chunk));
    child.stdin.end(input);
    const code = await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    if (code !== 0) throw new Error(`seabag ${words.join(' ')}: ${code}\n${Buffer.concat(complaints)}`);
    return Buffer.concat(out).toString();
  }

  /** Writes an entity whose body is this JSON, through a pipe. Its id. */
  async put(words: readonly string[], body: unknown): Promise<string> {
    return (await this.run(['ent', 'put', ...words, '-'], JSON.stringify(body))).trim();
  }

  /** All entities of a type. */
  async list(type: string): Promise<ListedEnt[]> {
    const lines = (await this.run(['ent', 'ls', type, '--json'])).split('\n').filter((line) => line !== '');
    return lines.map((line): ListedEnt => JSON.parse(line));
  }

  async sync(): Promise<void> {
    await this.run(['ent', 'sync']);
  }

  /** An export file's bytes. */
  async export(): Promise<Uint8Array<ArrayBuffer>> {
    await this.run(['ent', 'export', 'out.dpl', '--force']);
    return Uint8Array.from(await readFile(path.join(this.#home, 'out.dpl')));
  }

  async import(file: Blob): Promise<string> {
    await writeFile(path.join(this.#home, 'in.dpl'), new Uint8Array(await file.arrayBuffer()));
    return await this.run(['ent', 'import', 'in.dpl']);
  }

  async remove(): Promise<void> {
    await rm(this.#home, { recursive: true, force: true });
  }
}

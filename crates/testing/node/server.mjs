// Runs the real server for a test: `SEABAG_BINARY`, or the debug build of this repository.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { closeAll, complaints, until } from './clients.mjs';

const repository = fileURLToPath(new URL('../../../', import.meta.url));
const binary = path.resolve(process.env.SEABAG_BINARY ?? path.join(repository, 'target/debug/seabag'));
const STDERR_SHOWN = 4000;
// Below the ports that systems give to whoever asks for any: a server that is stopped finds its own free again.
const PORT_FIRST = 20_000;
const PORTS = 12_000;
const STARTS_MAX = 20;
// These only bound a hang.
const STOP_MS = 60_000;
const TEST_MS = 300_000;

export class Server {
  /** Starts a server on a free port with an empty data folder. */
  static async start(args = []) {
    assert.ok(existsSync(binary), `no server at ${binary}: build it, or set SEABAG_BINARY`);
    const server = new Server();
    server.folder = await mkdtemp(path.join(tmpdir(), 'seabag-node-'));
    server.args = args;
    server.stderr = '';
    server.starts = 0;
    for (;;) {
      server.listen = `127.0.0.1:${PORT_FIRST + Math.floor(Math.random() * PORTS)}`;
      try {
        await server.run();
        return server;
      } catch (error) {
        // Only who listens knows whether a port was free.
        if (!server.stderr.includes('cannot listen on') || server.starts >= STARTS_MAX) throw error;
      }
    }
  }

  get url() {
    return `http://${this.listen}`;
  }

  async run() {
    const ready = path.join(this.folder, `ready-${this.starts++}.json`);
    const data = path.join(this.folder, 'data');
    const args = ['serve', '--listen', this.listen, '--data', data, '--ready-file', ready, ...this.args];
    const child = spawn(binary, args, { stdio: ['ignore', 'ignore', 'pipe'], cwd: this.folder });
    this.child = child;
    this.exited = new Promise((resolve) => {
      child.once('close', (code, signal) => resolve(signal ?? code));
      child.once('error', (error) => resolve(error.message));
    });
    this.exited.then((how) => { if (this.child === child) this.ended = how; });
    this.ended = null;
    child.stderr.on('data', (chunk) => { this.stderr += chunk; });
    const answer = await until('the server is ready', async () => {
      if (this.ended !== null) throw new Error(`the server ended: ${this.ended}\n${this.tail()}`);
      return JSON.parse(await readFile(ready, 'utf8').catch(() => 'null') || 'null');
    });
    this.listen = answer.address ?? answer.listen;
  }

  /** As when the power fails. */
  async kill() {
    this.child.kill('SIGKILL');
    await this.exited;
  }

  /** After `kill` or `stop`: the same port, the same data. */
  async restart() {
    await this.run();
  }

  async stop() {
    const { child } = this;
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    const how = await this.exited;
    clearTimeout(late);
    return how;
  }

  async remove() {
    await rm(this.folder, { recursive: true, force: true });
  }

  tail() {
    return this.stderr.slice(-STDERR_SHOWN);
  }
}

/**
 * A test with a server of its own, which must be alive and well at the end. The published client complains to the
 * console of messages that it does not know: unless `complains`, there must be none.
 */
export function serverTest(name, run, { complains = false, args = [] } = {}) {
  test(name, { timeout: TEST_MS }, async (t) => {
    const server = await Server.start(args);
    complaints.length = 0;
    try {
      await run(server, t);
      assert.equal(server.ended, null, 'the server ended');
      if (!complains) assert.deepEqual(complaints, []);
    } catch (error) {
      process.stderr.write(`--- stderr of the server in "${name}"\n${server.tail()}\n---\n`);
      throw error;
    } finally {
      closeAll();
      if (server.ended === null) await server.stop();
      await server.remove();
    }
    assert.ok(!server.stderr.includes('panicked'), server.tail());
  });
}

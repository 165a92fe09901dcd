// What tests of pages stand on: a real server and a real browser, and whatever a test opens is closed behind it.

import type { Browser, BrowserContext, BrowserContextOptions } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { Server } from './server.ts';
import { startChromium, type Visit, visit } from './visit.ts';

/** The server and the browser of a test file. */
export class Stage {
  readonly #contexts = new Set<BrowserContext>();
  #browser: Browser | undefined;
  #server: Server | undefined;

  get browser(): Browser {
    if (this.#browser === undefined) throw new Error('there is a browser only while tests run');
    return this.#browser;
  }

  get server(): Server {
    if (this.#server === undefined) throw new Error('there is a server only while tests run');
    return this.#server;
  }

  /** Opens a page of the server, or of what stands before it, as somebody new; closed when the test ends. */
  async visit(path: string, options: BrowserContextOptions = {}, origin = this.server.url): Promise<Visit> {
    const opened = await visit(this.browser, origin + path, options);
    this.closes(opened.context);
    return opened;
  }

  /** A context that is closed when the test ends. */
  closes(context: BrowserContext): void {
    this.#contexts.add(context);
  }

  /** Starts the server, in place of the one before. */
  async serve(...words: string[]): Promise<void> {
    await this.endServer();
    this.#server = await Server.start(words);
  }

  async startBrowser(): Promise<void> {
    this.#browser = await startChromium();
  }

  async closeContexts(): Promise<void> {
    for (const context of this.#contexts) await context.close();
    this.#contexts.clear();
  }

  async endBrowser(): Promise<void> {
    await this.#browser?.close();
    this.#browser = undefined;
  }

  async endServer(): Promise<void> {
    await this.#server?.remove();
    this.#server = undefined;
  }
}

/** To be called once in a test file: the stage of all its tests. With `fresh` each test has a server of its own. */
export function onStage({ fresh = false } = {}): Stage {
  const stage = new Stage();
  beforeAll(() => stage.startBrowser());
  afterAll(() => stage.endBrowser());
  if (fresh) {
    beforeEach(() => stage.serve());
    afterEach(() => stage.endServer());
  } else {
    beforeAll(() => stage.serve());
    afterAll(() => stage.endServer());
  }
  // The last to be named is the first to run: nothing is open any more when the server ends.
  afterEach(() => stage.closeContexts());
  return stage;
}

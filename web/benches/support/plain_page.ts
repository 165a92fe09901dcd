// A page as its user has it: a window of its own in which no tool listens along. Playwright has the browser tell it of
// every message of every socket, which costs as much as drawing does; here is only what is asked for.

import type { Browser, CDPSession } from 'playwright-core';
import { freshFile, hasFreshPages } from '../../test/support/fresh_pages.ts';
import { until } from '../../test/support/until.ts';
import { DESK } from '../../test/support/visit.ts';

/** What the browser answers, or tells, over the debugging protocol. */
interface Told {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly requestId?: string; readonly request?: { readonly url?: string } };
  readonly result?: { readonly result?: { readonly value?: unknown } };
  readonly error?: { readonly message: string };
}

/** One page, of somebody new. */
export class PlainPage {
  readonly #browser: CDPSession;
  readonly #context: string;
  readonly #session: string;
  readonly #asked = new Map<number, { resolve: (told: Told) => void; reject: (error: Error) => void }>();
  #lastId = 0;

  private constructor(browser: CDPSession, context: string, session: string) {
    this.#browser = browser;
    this.#context = context;
    this.#session = session;
    browser.on('Target.receivedMessageFromTarget', ({ sessionId, message }) => {
      if (sessionId === session) this.#hear(JSON.parse(message));
    });
  }

  /** Opens a window with an address. */
  static async open(browser: Browser, url: string): Promise<PlainPage> {
    const cdp = await browser.newBrowserCDPSession();
    // A context that Playwright did not make is none of its business.
    const { browserContextId } = await cdp.send('Target.createBrowserContext');
    if (hasFreshPages) {
      await cdp.send('Browser.grantPermissions', {
        browserContextId,
        permissions: ['localNetwork', 'loopbackNetwork'],
      });
    }
    const { targetId } = await cdp.send('Target.createTarget', {
      url: 'about:blank',
      browserContextId,
      newWindow: true,
    });
    const { sessionId } = await cdp.send('Target.attachToTarget', { targetId, flatten: false });
    const page = new PlainPage(cdp, browserContextId, sessionId);
    await page.#go(url);
    return page;
  }

  /** The value of an expression in the page. */
  async evaluate(expression: string): Promise<unknown> {
    const told = await this.#send('Runtime.evaluate', { expression, returnByValue: true });
    return told.result?.result?.value;
  }

  /** Moves the mouse, or presses or lifts its button. */
  async mouse(type: 'mouseMoved' | 'mousePressed' | 'mouseReleased', x: number, y: number, down: boolean) {
    const buttons = { button: down || type === 'mouseReleased' ? 'left' : 'none', buttons: down ? 1 : 0 };
    await this.#send('Input.dispatchMouseEvent', { type, x, y, clickCount: 1, ...buttons });
  }

  async close(): Promise<void> {
    await this.#browser.send('Target.disposeBrowserContext', { browserContextId: this.#context });
    await this.#browser.detach();
  }

  async #go(url: string): Promise<void> {
    await this.#send('Emulation.setDeviceMetricsOverride', { ...DESK, deviceScaleFactor: 1, mobile: false });
    if (hasFreshPages) await this.#send('Fetch.enable', { patterns: [{ urlPattern: '*' }] });
    await this.#send('Page.navigate', { url });
    await until('the page is loaded', async () =>
      Boolean(
        await this.evaluate("document.readyState === 'complete' && document.querySelector('h1') !== null"),
      ),
    );
    if (hasFreshPages) await this.#send('Fetch.disable', {});
  }

  #send(method: string, params: object): Promise<Told> {
    this.#lastId += 1;
    const id = this.#lastId;
    const message = JSON.stringify({ id, method, params });
    const answer = new Promise<Told>((resolve, reject) => this.#asked.set(id, { resolve, reject }));
    this.#browser.send('Target.sendMessageToTarget', { sessionId: this.#session, message }).catch((error) => {
      this.#asked.get(id)?.reject(error);
    });
    return answer;
  }

  #hear(told: Told): void {
    if (told.method === 'Fetch.requestPaused') {
      // What is asked for behind the page, its icon for one, may come too late to be served.
      this.#serve(told.params?.requestId, told.params?.request?.url).catch(() => {});
    }
    const asked = told.id === undefined ? undefined : this.#asked.get(told.id);
    if (told.id === undefined || asked === undefined) return;
    this.#asked.delete(told.id);
    if (told.error === undefined) asked.resolve(told);
    else asked.reject(new Error(told.error.message));
  }

  async #serve(requestId = '', url = ''): Promise<void> {
    const file = await freshFile(url);
    if (file === undefined) {
      await this.#send('Fetch.continueRequest', { requestId });
      return;
    }
    const responseHeaders = Object.entries(file.headers).map(([name, value]) => ({ name, value }));
    const body = file.body.toString('base64');
    await this.#send('Fetch.fulfillRequest', { requestId, responseCode: 200, responseHeaders, body });
  }
}

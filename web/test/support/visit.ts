// A real Chromium for tests of the pages: it opens them as a user would, and writes down all that goes wrong meanwhile.

import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from 'playwright-core';
import { chromiumArguments, chromiumPath } from './chromium.ts';
import { serveFreshPages } from './fresh_pages.ts';

/** A phone, held upright. */
export const PHONE = { width: 360, height: 740 };
/** A small laptop. */
export const DESK = { width: 1280, height: 800 };

const PATIENCE_MS = 20_000;

/** A page that is open, and what has gone wrong in it. */
export interface Visit {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors on the console, exceptions, violated policies, requests to other origins. Empty when all is well. */
  readonly complaints: string[];
}

/** Starts Chromium, with further flags. Whoever starts it closes it. */
export function startChromium(further: readonly string[] = []): Promise<Browser> {
  return chromium.launch({ executablePath: chromiumPath, args: [...chromiumArguments, ...further] });
}

/** Opens a page as somebody new: with a context, and so a storage, of its own. */
export async function visit(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Visit> {
  const context = await browser.newContext({ viewport: DESK, ...options });
  await serveFreshPages(context);
  return visitAgain(context, url);
}

/** Opens another tab of somebody who is there already. */
export async function visitAgain(context: BrowserContext, url: string): Promise<Visit> {
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const complaints = watch(page, new URL(url).origin);
  await page.goto(url);
  await page.locator('main h1').first().waitFor({ state: 'attached' });
  return { page, context, complaints };
}

function watch(page: Page, origin: string): string[] {
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => {
    const url = new URL(request.url());
    const own = url.origin === origin || ['data:', 'blob:'].includes(url.protocol);
    if (!own) complaints.push(`a request to ${url.origin}`);
  });
  page.on('websocket', (socket) => {
    const url = new URL(socket.url());
    if (url.host !== new URL(origin).host) complaints.push(`a socket to ${url.host}`);
  });
  return complaints;
}

// Serves pages from a fresh build instead of those inside the binary, while they are being written: `SEABAG_FRESH_PAGES` names
// the folder of `npx vite build --outDir FOLDER`. Everything else still comes from the real server.

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { BrowserContext } from 'playwright-core';

const folder = process.env.SEABAG_FRESH_PAGES;
const MEDIA: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};
/** The server's own, so that a page is held to it in both ways. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; " +
  "manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
  "require-trusted-types-for 'script'; trusted-types seabag";

/** A file of the fresh build. */
export interface FreshFile {
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/** Whether there is a fresh build to serve. */
export const hasFreshPages = folder !== undefined;

/** What the fresh build has for an address; undefined for what the server answers. */
export async function freshFile(url: string): Promise<FreshFile | undefined> {
  if (folder === undefined) return undefined;
  const asked = new URL(url).pathname;
  const file = asked === '/' ? '/index.html' : path.extname(asked) === '' ? `${asked}.html` : asked;
  const body = await readFile(path.join(folder, file)).catch(() => undefined);
  const type = MEDIA[path.extname(file)] ?? 'application/octet-stream';
  return body && { body, headers: { 'content-type': type, 'content-security-policy': POLICY } };
}

/** Does nothing unless `SEABAG_FRESH_PAGES` is set. */
export async function serveFreshPages(context: BrowserContext): Promise<void> {
  if (!hasFreshPages) return;
  // To Chromium such pages come from nowhere, and from there this machine is out of bounds.
  await context.grantPermissions(['local-network-access']);
  await context.route('**', async (route) => {
    const file = await freshFile(route.request().url());
    if (file === undefined) return route.continue();
    return route.fulfill({ body: file.body, headers: { ...file.headers } });
  });
}

// What a test inside the browser asks of the machine: a real server, killed and started again.

import { Server } from './server.ts';

const servers = new Map<string, Server>();

function server(url: string): Server {
  const found = servers.get(url);
  if (found === undefined) throw new Error('no such server');
  return found;
}

/** Called as `commands.NAME(...)` from `vitest/browser`; the first argument is Vitest's own. */
export const commands = {
  async startServer(_context: unknown, extra: string[] = []): Promise<string> {
    const started = await Server.start(extra);
    servers.set(started.url, started);
    return started.url;
  },
  async killServer(_context: unknown, url: string): Promise<void> {
    await server(url).kill();
  },
  async restartServer(_context: unknown, url: string, wipe = false): Promise<void> {
    await server(url).restart({ wipe });
  },
  async removeServer(_context: unknown, url: string): Promise<void> {
    await server(url).remove();
    servers.delete(url);
  },
};

declare module 'vitest/browser' {
  interface BrowserCommands {
    startServer: (extra?: string[]) => Promise<string>;
    killServer: (url: string) => Promise<void>;
    restartServer: (url: string, wipe?: boolean) => Promise<void>;
    removeServer: (url: string) => Promise<void>;
  }
}

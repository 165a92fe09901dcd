// Registers the offline worker where the browser allows one (https, or this machine).

interface ScriptPolicy {
  createScriptURL(url: string): string;
}

interface PolicyFactory {
  createPolicy(name: string, rules: { createScriptURL: (url: string) => string }): ScriptPolicy;
}

const WORKER = '/sw.js';

/** Pages open without the server from the second visit on. Where that is not to be had, nothing else suffers. */
export function workOffline(): void {
  // A page of `npx vite` is never to be kept.
  if (import.meta.env.DEV || !('serviceWorker' in navigator)) return;
  navigator.serviceWorker.register(trusted(WORKER)).catch(() => undefined);
}

/** The server's policy lets only this one address become a worker's script. */
function trusted(address: string): string {
  const factory = (globalThis as { trustedTypes?: PolicyFactory }).trustedTypes;
  const rules = {
    createScriptURL(url: string): string {
      if (url !== WORKER) throw new TypeError('no other script');
      return url;
    },
  };
  return factory === undefined ? address : factory.createPolicy('seabag', rules).createScriptURL(address);
}

// A server that is named by a path alone is on the page's own origin, as `fetch` has it.

/** The whole address of a server. Where there is no page, and for what is no address, it is as it was. */
export function serverUrl(api: string): string {
  const base = typeof document === 'undefined' ? undefined : document.baseURI;
  return base !== undefined && URL.canParse(api, base) ? new URL(api, base).href : api;
}

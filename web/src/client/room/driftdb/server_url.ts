// A server that is named by a path alone is on the page's own origin, as `fetch` has it.

/** The whole address of a server. Where there is no page it is as it was. Throws for what is no address. */
export function serverUrl(api: string): string {
  return typeof document === 'undefined' ? api : new URL(api, document.baseURI).href;
}

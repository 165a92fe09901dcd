// The URL's fragment, where room ids and secrets live: browsers never send it to a server. `#room=…&name=…`.

/** One value of the fragment, if it is there. */
export function readFragment(name: string): string | undefined {
  return parameters().get(name) ?? undefined;
}

/** Sets one value, or takes it out. Makes no entry in the history unless `push` says so. */
export function writeFragment(name: string, value: string | undefined, { push = false } = {}): void {
  const changed = parameters();
  if (value === undefined) changed.delete(name);
  else changed.set(name, value);
  const text = changed.toString();
  const url = `${location.pathname}${location.search}${text === '' ? '' : `#${text}`}`;
  if (push) history.pushState(null, '', url);
  else history.replaceState(null, '', url);
}

/** Takes a value out of the address bar and the history as it is read: for secrets that arrive by a link. */
export function takeFragment(name: string): string | undefined {
  const value = readFragment(name);
  if (value !== undefined) writeFragment(name, undefined);
  return value;
}

/** Calls back once when the user changes the fragment, or goes back or forward. */
export function onFragment(listener: () => void): () => void {
  let told: string | undefined;
  const popped = () => {
    told = location.href;
    listener();
  };
  // A browser tells of most changes by both events, this one later.
  const changed = ({ newURL }: HashChangeEvent) => {
    const again = newURL === told;
    told = undefined;
    if (!again) listener();
  };
  addEventListener('popstate', popped);
  addEventListener('hashchange', changed);
  return () => {
    removeEventListener('popstate', popped);
    removeEventListener('hashchange', changed);
  };
}

/** The address of one of this server's pages with a fragment. */
export function pageUrl(path: string, values: Readonly<Record<string, string>> = {}): string {
  const text = new URLSearchParams(values).toString();
  return `${location.origin}${path}${text === '' ? '' : `#${text}`}`;
}

function parameters(): URLSearchParams {
  return new URLSearchParams(location.hash.slice(1));
}

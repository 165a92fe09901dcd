// Where a host is: the root of an `http` or `https` origin. Its calls have fixed paths there, so an address with a path
// of its own would be another host than the one that was meant.

import { SeabagError } from '../../protocol/error.ts';

/** Why an address is none; each is the `code` of the error. */
export type AddressCode =
  /** Not a URL at all. */
  | 'no_url'
  /** A scheme other than `http` and `https`. */
  | 'scheme'
  /** A name or password in it. */
  | 'credentials'
  /** A path, a query or a fragment. */
  | 'not_root';

const TEXTS: Record<AddressCode, string> = {
  no_url: "the host's address begins with http:// or https://, such as https://host.example.org",
  scheme: "a host's address begins with https:// or http://",
  credentials: "a host's address holds no name and no password: the seed is what signs in",
  not_root: 'a host lives at the root of its origin: its address has no path, no query and no fragment',
};

function refuse(code: AddressCode): never {
  throw new SeabagError(code, TEXTS[code]);
}

/** The address of a host, as it was found to be right. */
export class HostAddress {
  readonly #url: URL;

  private constructor(url: URL) {
    this.#url = url;
  }

  /** Reads an address; a slash at its end may be there or not. Fails with an {@link AddressCode}. */
  static parse(text: string): HostAddress {
    let url: URL;
    try {
      url = new URL(text.trim());
    } catch {
      return refuse('no_url');
    }
    if (url.protocol !== 'http:' && url.protocol !== 'https:') refuse('scheme');
    if (url.hostname === '') refuse('no_url');
    if (url.username !== '' || url.password !== '') refuse('credentials');
    // A bare "?" or "#" leaves no trace in `search` and `hash`, but in the text.
    if (url.pathname !== '/' || /[?#]/.test(url.href)) refuse('not_root');
    return new HostAddress(url);
  }

  /**
   * The origin, without a slash at its end and without a port that goes without saying: what signed calls name, and
   * what links are stored under.
   */
  get origin(): string {
    return this.#url.origin;
  }

  /** The address of one call. */
  call(path: string): string {
    return this.origin + path;
  }

  /** The address of the notices, with the query that signs in: not for logs. */
  notices(query: string): string {
    // "http" becomes "ws", and with it "https" becomes "wss".
    return `ws${this.origin.slice('http'.length)}/?${query}`;
  }

  /**
   * Whether anyone between here and the host can read along: it is neither encrypted nor this machine. The bags stay
   * sealed, but who reads along can sign in for as long as a signed time is good.
   */
  get isExposed(): boolean {
    const host = this.#url.hostname;
    const own = host === 'localhost' || host.endsWith('.localhost') || /^127(\.\d+){3}$|^\[::1\]$/.test(host);
    return this.#url.protocol === 'http:' && !own;
  }
}

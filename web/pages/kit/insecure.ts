// What somebody should know before a secret is typed into a page that came unprotected. It forbids nothing: at home,
// a phone often has no other way.

import { element } from './element.ts';

/** A warning, or undefined where the page came over https or from this machine. */
export function insecureNote(): HTMLElement | undefined {
  if (isSecureContext) return undefined;
  return element('p', { class: 'warning' }, [
    'This page came over plain HTTP. Whoever is on the way can change it, and then reads the words that are typed or shown here: use it in a network that you trust, or by an https address.',
  ]);
}

/** Whether this browser can open the page again while the server is away. */
export function opensOffline(): boolean {
  return 'serviceWorker' in navigator;
}

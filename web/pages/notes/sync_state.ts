// How syncing stands, in the words of somebody who only wants to know whether the notes are safe: one line in the header,
// and a dialog that says it host by host.

import type { EntDB, LinkStatus, SyncStatus } from '../../src/entdb.ts';
import { announce, announceError } from '../kit/announce.ts';
import { confirmDialog, openDialog } from '../kit/dialog.ts';
import { button, element, fill, labelled } from '../kit/element.ts';
import { plural } from '../kit/plural.ts';

/** In local storage: syncing with this server was stopped, and stays so. */
const UNLINKED = 'seabag.notes.unlinked';

/** One line. */
export function summary(status: SyncStatus, online: boolean): string {
  const waiting = status.waiting > 0 ? `, ${plural(status.waiting, 'change')} to go` : '';
  switch (status.state) {
    case 'local':
      return 'On this device only';
    case 'in_sync':
      return status.waiting > 0 ? `Syncing${waiting}` : 'In sync';
    case 'syncing':
      return online ? `Syncing${waiting}` : `Offline${waiting}`;
    case 'stuck':
      return `${online ? stuckWord(status) : 'Offline'}${waiting}`;
  }
}

/** A server that answers and refuses is not away: waiting for it would be in vain. */
function stuckWord(status: SyncStatus): string {
  const answers = status.links.some(({ stuck }) => stuck !== undefined && stuck.code !== 'network');
  return answers ? 'Not in sync' : 'Server away';
}

/** The button in the header that always says how it stands. */
export function syncButton(db: EntDB): HTMLElement {
  const opens = button('', () => syncDialog(db), { class: 'quiet' });
  const shown = element('span', { role: 'status', class: 'sync' }, [opens]);
  const show = () => {
    const line = summary(db.status, navigator.onLine);
    if (opens.textContent !== line) opens.textContent = line;
    shown.dataset.state = db.status.state;
    shown.dataset.waiting = String(db.status.waiting);
  };
  db.onStatus(show);
  addEventListener('online', show);
  addEventListener('offline', show);
  show();
  return shown;
}

/** Whether the page may link this server by itself: unless the user has said that it should not. */
export function mayLinkHere(): boolean {
  return localStorage.getItem(UNLINKED) === null;
}

/** Forgets what the user has said about it. */
export function forgetLinkChoice(): void {
  localStorage.removeItem(UNLINKED);
}

/** Links this server, unless it is linked. A guarded one asks for its token. */
export async function linkHere(db: EntDB, token?: string): Promise<void> {
  forgetLinkChoice();
  const links = await db.links();
  if (token === undefined && links.some((link) => link.url === location.origin)) return;
  await db.link(location.origin, token === undefined ? {} : { token });
}

function syncDialog(db: EntDB): void {
  const sum = element('div', { 'aria-live': 'polite' });
  const place = element('div', {});
  const here = button('Sync with this server', () => {
    linkHere(db).catch((error: unknown) => announceError('Not linked', error));
  });
  const cards = new Map<LinkStatus['id'], LinkCard>();
  const show = () => {
    const { links } = db.status;
    fillAnew(sum, [total(db.status)]);
    here.hidden = links.some((link) => link.url === location.origin);
    for (const [id, card] of cards) {
      if (links.some((link) => link.id === id)) continue;
      card.element.remove();
      cards.delete(id);
    }
    for (const link of links) {
      const card = cards.get(link.id) ?? linkCard(db, link);
      if (!cards.has(link.id)) place.append(card.element);
      cards.set(link.id, card);
      card.show(link);
    }
  };
  const unsubscribe = db.onStatus(show);
  show();
  const dialog = openDialog('Syncing', [
    sum,
    place,
    element('div', { class: 'row' }, [
      button('Try now', () => {
        db.sync().catch((error: unknown) => announceError('Not synced', error));
      }),
      here,
    ]),
    tokenForm(db),
  ]);
  void dialog.closed.then(unsubscribe);
}

function total(status: SyncStatus): HTMLElement {
  const aside =
    status.setAside > 0 ? ` From a newer version of this program, and kept for it: ${status.setAside}.` : '';
  const other = status.role === 'follower' ? ' Another tab of this browser does the syncing.' : '';
  return element('p', {}, [
    `Saved on this device: ${plural(status.savedHere, 'note or other entity', 'notes and other entities')}.${aside}${other}`,
  ]);
}

interface LinkCard {
  readonly element: HTMLElement;
  /** Its buttons stay: one of them may have the focus, or be pressed just now. */
  show(link: LinkStatus): void;
}

/** Replaces what stands in a node, unless it says the same. */
function fillAnew(place: HTMLElement, children: readonly HTMLElement[]): void {
  const text = (nodes: Iterable<Element>) => JSON.stringify(Array.from(nodes, (node) => node.textContent));
  if (text(place.children) !== text(children)) fill(place, children);
}

function linkCard(db: EntDB, first: LinkStatus): LinkCard {
  const lines = element('div', { 'aria-live': 'polite' });
  const card = element('section', { class: 'card', 'aria-label': first.url }, [
    element('h3', {}, [first.url]),
    lines,
    element('div', { class: 'row' }, [
      button('Check everything', () => {
        db.audit(first.id).then(
          () => announce('Reading all that the server has.'),
          (error: unknown) => announceError('Not checked', error),
        );
      }),
      button('Stop syncing here', () => void unlink(db, first), { class: 'quiet' }),
    ]),
  ]);
  return { element: card, show: (link) => fillAnew(lines, linkLines(link)) };
}

function linkLines(link: LinkStatus): HTMLElement[] {
  const { stuck, activity } = link;
  const lines = [
    link.phase === 'in_sync' && link.waiting === 0 ? 'In sync: the server has everything.' : undefined,
    link.phase === 'working' ? 'Syncing…' : undefined,
    link.phase === 'ended' ? 'The account is gone from this server.' : undefined,
    link.waiting > 0 ? `To be uploaded: ${plural(link.waiting, 'change')}.` : undefined,
    link.compared ? undefined : 'Not yet compared with what is here.',
    link.unreadable > 0 ? `Its bags that do not open with your key: ${link.unreadable}.` : undefined,
    activity?.exposed === true
      ? 'The connection is not encrypted: notes are sealed, but who watches sees when you sync.'
      : undefined,
  ].filter((line) => line !== undefined);
  const told = lines.map((line) => element('p', {}, [line]));
  if (stuck !== undefined) told.push(element('p', { class: 'warning' }, [trouble(stuck)]));
  return told;
}

async function unlink(db: EntDB, link: LinkStatus): Promise<void> {
  const agreed = await confirmDialog(
    'Stop syncing with this server?',
    'Notes stay on this device, and what the server has stays there. Your other devices go on.',
    'Stop syncing',
  );
  if (!agreed) return;
  try {
    await db.unlink(link.id);
    if (link.url === location.origin) localStorage.setItem(UNLINKED, 'yes');
  } catch (error) {
    announceError('Still linked', error);
  }
}

function trouble(stuck: NonNullable<LinkStatus['stuck']>): string {
  const since = stuck.sinceMs === null ? '' : ` since ${new Date(stuck.sinceMs).toLocaleString()}`;
  const retry =
    stuck.retryMs === null ? '' : ` Tried again at ${new Date(stuck.retryMs).toLocaleTimeString()}.`;
  return `Not in sync${since}: ${stuck.text}.${retry}`;
}

/** Only for servers that let nobody register without their token. */
function tokenForm(db: EntDB): HTMLElement {
  const token = element('input', { type: 'password', autocomplete: 'off', required: true });
  const form = element('form', {}, [
    labelled('Token', token, 'Only if whoever keeps this server gave you one.'),
    element('button', { type: 'submit' }, ['Use it']),
  ]);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    linkHere(db, token.value.trim())
      .then(() => db.sync())
      .catch((error: unknown) => announceError('Not synced', error));
  });
  return element('details', {}, [element('summary', {}, ['The server asks for a token']), form]);
}

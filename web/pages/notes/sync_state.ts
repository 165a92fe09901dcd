// How syncing stands, in the words of somebody who only wants to know whether the notes are safe: one line in the header,
// and a dialog that says it host by host.

import type { EntDB, LinkStatus, SyncStatus } from '../../src/entdb.ts';
import { announce, announceError } from '../kit/announce.ts';
import { confirmDialog, openDialog } from '../kit/dialog.ts';
import { button, element, fill, labelled } from '../kit/element.ts';

/** One line. */
export function summary(status: SyncStatus, online: boolean): string {
  const waiting = status.waiting > 0 ? `, ${changes(status.waiting)} to go` : '';
  switch (status.state) {
    case 'local':
      return 'On this device only';
    case 'in_sync':
      return status.waiting > 0 ? `Syncing${waiting}` : 'In sync';
    case 'syncing':
      return online ? `Syncing${waiting}` : `Offline${waiting}`;
    case 'stuck':
      return `${online ? 'Server away' : 'Offline'}${waiting}`;
  }
}

/** The button in the header that always says how it stands. */
export function syncButton(db: EntDB): HTMLElement {
  const text = element('span', { role: 'status' });
  const show = () => {
    const line = summary(db.status, navigator.onLine);
    if (text.textContent !== line) text.textContent = line;
    shown.dataset.state = db.status.state;
    shown.dataset.waiting = String(db.status.waiting);
  };
  const shown = button(text, () => syncDialog(db), { class: 'quiet sync' });
  db.onStatus(show);
  addEventListener('online', show);
  addEventListener('offline', show);
  show();
  return shown;
}

/** Links this server, unless it is linked. A guarded one asks for its token. */
export async function linkHere(db: EntDB, token?: string): Promise<void> {
  const links = await db.links();
  if (token === undefined && links.some((link) => link.url === location.origin)) return;
  await db.link(location.origin, token === undefined ? {} : { token });
}

function syncDialog(db: EntDB): void {
  const place = element('div', { 'aria-live': 'polite' });
  const show = () => fill(place, [total(db.status), ...db.status.links.map((link) => linkCard(db, link))]);
  const unsubscribe = db.onStatus(show);
  show();
  const dialog = openDialog('Syncing', [
    place,
    element('div', { class: 'row' }, [
      button('Try now', () => {
        db.sync().catch((error: unknown) => announceError('Not synced', error));
      }),
      db.status.links.length === 0 &&
        button('Sync with this server', () => {
          linkHere(db).catch((error: unknown) => announceError('Not linked', error));
        }),
    ]),
    tokenForm(db),
  ]);
  void dialog.closed.then(unsubscribe);
}

function total(status: SyncStatus): HTMLElement {
  const aside =
    status.setAside > 0
      ? ` ${status.setAside} come from a newer version of this program and are kept for it.`
      : '';
  const other = status.role === 'follower' ? ' Another tab of this browser does the syncing.' : '';
  return element('p', {}, [
    `${status.savedHere} notes and other entities are saved on this device.${aside}${other}`,
  ]);
}

function linkCard(db: EntDB, link: LinkStatus): HTMLElement {
  const { stuck, activity } = link;
  const lines = [
    link.phase === 'in_sync' && link.waiting === 0 ? 'In sync: the server has everything.' : undefined,
    link.phase === 'working' ? 'Syncing…' : undefined,
    link.phase === 'ended' ? 'The account is gone from this server.' : undefined,
    link.waiting > 0 ? `${changes(link.waiting)} wait here to be uploaded.` : undefined,
    link.compared ? undefined : 'Not yet compared with what is here.',
    link.unreadable > 0 ? `${link.unreadable} of its bags do not open with your key.` : undefined,
    activity?.exposed === true
      ? 'The connection is not encrypted: notes are sealed, but who watches sees when you sync.'
      : undefined,
  ].filter((line) => line !== undefined);
  return element('section', { class: 'card', 'aria-label': link.url }, [
    element('h3', {}, [link.url]),
    ...lines.map((line) => element('p', {}, [line])),
    stuck !== undefined && element('p', { class: 'warning' }, [trouble(stuck)]),
    element('div', { class: 'row' }, [
      button('Check everything', () => {
        db.audit(link.id).then(
          () => announce('Reading all that the server has.'),
          (error: unknown) => announceError('Not checked', error),
        );
      }),
      button('Stop syncing here', () => void unlink(db, link), { class: 'quiet' }),
    ]),
  ]);
}

async function unlink(db: EntDB, link: LinkStatus): Promise<void> {
  const agreed = await confirmDialog(
    'Stop syncing with this server?',
    'Notes stay on this device, and what the server has stays there. Your other devices go on.',
    'Stop syncing',
  );
  if (agreed) await db.unlink(link.id).catch((error: unknown) => announceError('Still linked', error));
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
    linkHere(db, token.value.trim()).catch((error: unknown) => announceError('Not linked', error));
  });
  return element('details', {}, [element('summary', {}, ['The server asks for a token']), form]);
}

function changes(count: number): string {
  return count === 1 ? '1 change' : `${count} changes`;
}

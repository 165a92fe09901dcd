// How it stands, as data: what is saved here, what waits for which host, and what is stuck and why. It decides nothing.

import type { DatabaseStatus, LinkId, LinkStatus as LinkRow, Trouble } from '../entdb/database.ts';
import type { Oddity, Report, TroubleCode } from './host/report.ts';

/** How far a link's session is. */
export type Phase =
  /** There is something to do. */
  | { type: 'working' }
  /** Both sides have the same, but for what the host has no room for. */
  | { type: 'in_sync' }
  /** It does not work for now. `retryMs`: when it is tried again, milliseconds since 1970; null: not by itself. */
  | { type: 'stuck'; code: TroubleCode; text: string; retryMs: number | null }
  /** It ended: the link or the account is gone. */
  | { type: 'ended' };

/** What a link's session did since it began, in the tab that syncs. It can be sent from tab to tab. */
export interface LinkActivity {
  /** How far it is. */
  readonly phase: Phase;
  /** Messages that came and were new here. */
  readonly received: number;
  /** Messages that the host stored. */
  readonly pushed: number;
  /** Bags that the host let go of. */
  readonly pruned: number;
  /** How often everything was read again. */
  readonly resets: number;
  /** Bags that were set aside. */
  readonly unreadable: number;
  /** The host's clock minus this device's, milliseconds, once it mattered. */
  readonly clockOffsetMs?: number;
  /** The host's bound and its use, bytes, when it had no room. */
  readonly quota?: { readonly quota: number; readonly usage: number };
  /** Another link with the same label and index, and so the same key: who sees both hosts can tell. */
  readonly sharesKeyWith?: LinkId;
  /** Whether the connection to the host is not encrypted, and leaves this machine. */
  readonly exposed: boolean;
  /** What the host did that an honest one does not, and how often. */
  readonly oddities: { readonly [oddity in Oddity]?: number };
}

/** Why a link is stuck, and since when. */
export interface StuckStatus {
  /** What it is about. */
  readonly code: string;
  /** For people. */
  readonly text: string;
  /** Since when, milliseconds since 1970, kept over reloads; null: since this session began. */
  readonly sinceMs: number | null;
  /** When it is tried again, milliseconds since 1970; null: not by itself. */
  readonly retryMs: number | null;
}

/** How one link is. */
export interface LinkStatus {
  /** Its name here. */
  readonly id: LinkId;
  /** The host's origin. */
  readonly url: string;
  /** The label that the account's key is derived with. */
  readonly label: string;
  /** The index of the same. */
  readonly index: number;
  /** How far its session is. `unknown`: the tab that syncs has not told yet. */
  readonly phase: 'working' | 'in_sync' | 'stuck' | 'ended' | 'unknown';
  /** Whether both sides were compared once: before that nobody knows how much the host lacks. */
  readonly compared: boolean;
  /** Messages that wait to be uploaded, as far as is known. */
  readonly waiting: number;
  /** Bags of the host that could not be opened. At most 1,000 are noted. */
  readonly unreadable: number;
  /** Why it is stuck, if it is. A link may be in sync but for what its host has no room for. */
  readonly stuck?: StuckStatus;
  /** What its session did, once that is known. */
  readonly activity?: LinkActivity;
}

/** Which part this tab has in syncing. */
export type Role =
  /** It syncs, and the other tabs follow. */
  | 'leader'
  /** Another tab syncs. */
  | 'follower'
  /** It syncs, and there are no others that could know: memory storage, or no Web Locks. */
  | 'alone';

/** Everything at once. Each status is a new object; it never changes afterwards. */
export interface SyncStatus {
  /** Which part this tab has in syncing. */
  readonly role: Role;
  /** Entities that are saved on this device. */
  readonly savedHere: number;
  /** Messages kept aside because this version cannot read them. */
  readonly setAside: number;
  /** Messages that are not yet at every host: the greatest count of any link. 0 without links. */
  readonly waiting: number;
  /**
   * All links in one word. `local`: there are none. `syncing`: one at least is working. `stuck`: none is, and one at
   * least is stuck, or lacks what its host has no room for. `in_sync`: all are.
   */
  readonly state: 'local' | 'syncing' | 'stuck' | 'in_sync';
  /** The links, oldest first. */
  readonly links: readonly LinkStatus[];
}

/** How it stands, from what the database and the sessions know. */
export function statusOf(
  role: Role,
  database: DatabaseStatus,
  activity: ReadonlyMap<LinkId, LinkActivity>,
): SyncStatus {
  const links = database.links.map((row) => linkStatusOf(row, activity.get(row.link.id)));
  const waiting = links.reduce((most, link) => Math.max(most, link.waiting), 0);
  const { ents: savedHere, setAside } = database;
  return { role, savedHere, setAside, waiting, state: stateOf(links), links };
}

function linkStatusOf(row: LinkRow, activity: LinkActivity | undefined): LinkStatus {
  const { id, settings, stage, trouble } = row.link;
  const { waiting, unreadable } = row;
  const stuck = stuckOf(trouble, activity);
  const told: LinkStatus['phase'] = activity?.phase.type ?? (trouble === null ? 'unknown' : 'stuck');
  // What was just written here, of which the session has not heard yet.
  const phase = told === 'in_sync' && waiting > 0 && stuck === undefined ? 'working' : told;
  const known = { id, ...settings, phase, compared: stage === 'done', waiting, unreadable };
  return { ...known, ...(stuck && { stuck }), ...(activity && { activity }) };
}

function stuckOf(trouble: Trouble | null, activity: LinkActivity | undefined): StuckStatus | undefined {
  if (trouble !== null) {
    const { code, text, sinceMs, retryMs = null } = trouble;
    return { code, text, sinceMs, retryMs };
  }
  // What could not be written down, or is no matter of the host's.
  if (activity?.phase.type !== 'stuck') return undefined;
  const { code, text, retryMs } = activity.phase;
  return { code, text, sinceMs: null, retryMs };
}

function stateOf(links: readonly LinkStatus[]): SyncStatus['state'] {
  if (links.length === 0) return 'local';
  if (links.some(({ phase }) => phase === 'working' || phase === 'unknown')) return 'syncing';
  return links.some(({ phase, stuck }) => phase === 'stuck' || stuck !== undefined) ? 'stuck' : 'in_sync';
}

/** What is known of a session that has just begun. */
export const ACTIVITY_AT_FIRST: LinkActivity = {
  phase: { type: 'working' },
  received: 0,
  pushed: 0,
  pruned: 0,
  resets: 0,
  unreadable: 0,
  exposed: false,
  oddities: {},
};

/** What is known after a session said this. */
export function noted(activity: LinkActivity, report: Report): LinkActivity {
  switch (report.type) {
    case 'received':
      return { ...activity, received: activity.received + report.messages };
    case 'pushed':
      return { ...activity, pushed: activity.pushed + report.messages };
    case 'pruned':
    case 'mended':
      return { ...activity, pruned: activity.pruned + report.bags };
    case 'reset':
      return { ...activity, resets: activity.resets + 1 };
    case 'unreadable':
      return { ...activity, unreadable: activity.unreadable + 1 };
    case 'clock_skew':
      return { ...activity, clockOffsetMs: report.offsetMs };
    case 'quota_reached':
      return { ...activity, quota: { quota: report.quota, usage: report.usage } };
    case 'odd': {
      const count = (activity.oddities[report.oddity] ?? 0) + 1;
      return { ...activity, oddities: { ...activity.oddities, [report.oddity]: count } };
    }
    case 'trouble': {
      const { code, text, retryMs } = report;
      return { ...activity, phase: { type: 'stuck', code, text, retryMs } };
    }
    case 'shared_key':
      return { ...activity, sharesKeyWith: report.other };
    case 'exposed':
      return { ...activity, exposed: true };
    case 'in_sync':
      return { ...activity, phase: { type: 'in_sync' } };
    case 'account_deleted':
      return { ...activity, phase: { type: 'ended' } };
    case 'registered':
    case 'filled':
      return activity;
  }
}

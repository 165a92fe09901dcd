// What a session has to tell: for people and tests. Nothing in it is secret, and nothing is done about it here.

import type { LinkId } from '../../entdb/database.ts';

/** Why everything is read again. */
export type ResetReason =
  /** The host says that the cursor belongs to another history. */
  | 'other_history'
  /** The host does not know the account any more. */
  | 'account_gone'
  /** A host without epochs gives out numbers that it gave out before, or lacks the last bag that was read. */
  | 'numbers_go_back';

/** What a host did that an honest one does not. */
export type Oddity =
  /** A bag whose signature is not the account's: tampered with, or another account's. */
  | 'foreign_bag'
  /** A bag or body that does not open, or is not the one that its head names. */
  | 'unopenable'
  /** Numbers that repeat, go back, or lie outside what was asked for. */
  | 'numbers_out_of_order'
  /** A page that ends before it begins, or promises more and brings nothing. */
  | 'page_without_progress'
  /** A body that nobody asked for. */
  | 'unasked_body'
  /** A body that is there by the list of heads, and not when it is asked for. */
  | 'body_withheld'
  /** An answer to a push or a prune that names places that were not in the request, or one twice. */
  | 'forged_item'
  /** A bag of ours refused for a signature that is right. */
  | 'refused_signature'
  /** A notice that cannot be read. */
  | 'broken_notice';

/** What a trouble is about. */
export type TroubleCode =
  /** The host was not reached, or did not answer. */
  | 'network'
  /** It answered as no host does. */
  | 'http'
  /** Its answer makes no sense. */
  | 'answer'
  /** The clocks differ by more than can be bridged. */
  | 'clock'
  /** It refuses. */
  | 'refused'
  /** It has no room. */
  | 'quota'
  /** The link's address is none. */
  | 'address'
  /** Something failed on this device. */
  | 'local';

/** Something that happened. */
export type Report =
  /** The account is registered. */
  | { type: 'registered' }
  /** All of the host's history is read again, and what it lacks is uploaded. */
  | { type: 'reset'; reason: ResetReason }
  /** So many messages that were new here came. */
  | { type: 'received'; messages: number }
  /** So many messages are durable at the host. */
  | { type: 'pushed'; messages: number }
  /** The host let go of so many superseded bags. */
  | { type: 'pruned'; bags: number }
  /** So many damaged bags were dropped from the host, and will be uploaded anew. */
  | { type: 'mended'; bags: number }
  /** So many messages that the host lacked wait for upload. */
  | { type: 'filled'; messages: number }
  /** The host's time minus this device's, milliseconds; it is added to ours for this host. */
  | { type: 'clock_skew'; offsetMs: number }
  /** The host has no room for some messages; they wait here. Bytes; a quota of 0: the host did not tell. */
  | { type: 'quota_reached'; quota: number; usage: number }
  /** A bag was set aside because of what is wrong with it; nothing here was changed by it. */
  | { type: 'unreadable'; seq: number; reason: string }
  /** The host did something that an honest one does not. Nothing here was changed by it. */
  | { type: 'odd'; oddity: Oddity; seq: number | null }
  /** It does not work for now; there is a retry at this time, milliseconds since 1970. */
  | { type: 'trouble'; code: TroubleCode; text: string; retryMs: number }
  /** All that the host has is here, and all that is here is there, but for what `quota_reached` says. */
  | { type: 'in_sync' }
  /** The account was removed from the host. */
  | { type: 'account_deleted' }
  /**
   * Another link has the same label and index, and so the same key: whoever sees both hosts sees that the accounts are
   * one person's, and what signs in at one is good at the other for a minute.
   */
  | { type: 'shared_key'; other: LinkId }
  /** The connection to this host is not encrypted: bags stay sealed, but who reads along can sign in for a minute. */
  | { type: 'exposed' };

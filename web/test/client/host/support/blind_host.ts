// A host in memory for scripted sessions: it turns request bytes into answer bytes, and checks as strictly as the real
// one. It can be wiped, restarted and set back to a backup, and can play a host of the old kind, which lacks the further
// calls, keeps every repeat and never lets go of anything. What the real server does is tested with the real server.

import { createPublicKey, verify } from 'node:crypto';
import {
  callBytes,
  checkTime,
  readSignedCall,
  readSignedTimestamp,
  timestampBytes,
} from '../../../../src/protocol/host/auth.ts';
import { type Bag, type BagSeq, storedBytesOf } from '../../../../src/protocol/host/bag.ts';
import { concatBytes, equalBytes, Reader, Writer } from '../../../../src/protocol/host/bytes.ts';
import { type Cursor, readCursor, writeEpochAnswer } from '../../../../src/protocol/host/epoch.ts';
import { INLINE_BYTES_MAX, writeNoticeItem } from '../../../../src/protocol/host/notice.ts';
import * as path from '../../../../src/protocol/host/path.ts';
import { writePageHead, writePeekItem } from '../../../../src/protocol/host/peek.ts';
import { type PrunePair, readPrunePairs, writePruneItem } from '../../../../src/protocol/host/prune.ts';
import { readNumbers, writePullItem } from '../../../../src/protocol/host/pull.ts';
import { readBags, writePushItem } from '../../../../src/protocol/host/push.ts';
import type { EpochId } from '../../../../src/protocol/host/record.ts';
import { writeResponseHead } from '../../../../src/protocol/host/response.ts';
import { Status, StatusError } from '../../../../src/protocol/host/status.ts';
import { encodeHex } from '../../../../src/protocol/host/text.ts';

/** How a host is set up; may be changed while it runs. */
export interface HostSettings {
  origin: string;
  oldKind: boolean;
  /** Most bytes an account may keep; 0: unlimited. */
  bytesMax: number;
  pageItemsMax: number;
  /** What a registration must show, if anything. */
  token: string | undefined;
}

interface Kept {
  last: BagSeq;
  lineage: { epoch: EpochId; end: BagSeq | null }[];
  bags: Map<BagSeq, Bag>;
  registration: Uint8Array;
}

const OLD_PATHS: readonly string[] = [path.USER_PATH, path.PUSH_PATH, path.PEEK_PATH, path.PULL_PATH];
const NEW_PATHS: readonly string[] = [
  path.PEEK_PAGE_PATH,
  path.PRUNE_PATH,
  path.EPOCH_PATH,
  path.DELETE_ACCOUNT_PATH,
];
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');

function check(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const key = createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: 'der', type: 'spki' });
  return verify(null, message, key, signature);
}

function identityOf({ sealed, body }: Bag): string {
  return `${encodeHex(sealed.derivation)} ${sealed.head.length} ${body.length}`;
}

/** Bytes of its own: what was read is a view of the whole request. */
function copyOf({ sealed: { signature, derivation, head }, body }: Bag): Bag {
  const sealed = { signature: signature.slice(), derivation: derivation.slice(), head: head.slice() };
  return { sealed, body: body.slice() };
}

function copyOfAll(accounts: ReadonlyMap<string, Kept>): Map<string, Kept> {
  const copy = ({ last, lineage, bags, registration }: Kept): Kept => ({
    last,
    lineage: lineage.map((known) => ({ ...known })),
    bags: new Map([...bags].map(([seq, bag]) => [seq, copyOf(bag)])),
    registration,
  });
  return new Map([...accounts].map(([name, kept]) => [name, copy(kept)]));
}

function numberBytes(high: number, low: number): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(8));
  bytes.setUint32(0, high);
  bytes.setUint32(4, low);
  return new Uint8Array(bytes.buffer);
}

/** The host. The seed tells its epochs from those of other hosts. */
export class BlindHost {
  readonly settings: HostSettings;
  #accounts = new Map<string, Kept>();
  readonly #seed: number;
  #runs = 1;
  #registrations = 0;
  #notices: Uint8Array[] = [];
  readonly #calls = new Map<string, number>();

  constructor(settings: Partial<HostSettings>, seed: number) {
    const usual = { origin: 'http://host.test', oldKind: false, bytesMax: 0, pageItemsMax: 1_000 };
    this.settings = { ...usual, token: undefined, ...settings };
    this.#seed = seed;
  }

  /** Ends the process and starts it again; what it keeps stays. */
  restart(): void {
    this.#runs += 1;
    this.#notices = [];
  }

  /** Loses everything, accounts included. */
  wipe(): void {
    this.#accounts.clear();
    this.restart();
  }

  /** What a backup taken now holds. */
  backup(): Map<string, Kept> {
    return copyOfAll(this.#accounts);
  }

  /** Goes back to a backup. */
  restore(backup: Map<string, Kept>): void {
    this.#accounts = copyOfAll(backup);
    this.restart();
  }

  /** The frames that listeners are sent, since this was last asked. All devices of a world have one account. */
  takeNotices(): Uint8Array[] {
    return this.#notices.splice(0);
  }

  calls(at: string): number {
    return this.#calls.get(at) ?? 0;
  }

  /** The bags of an account, by number. */
  bags(account: Uint8Array): Map<BagSeq, Bag> {
    return this.#accounts.get(encodeHex(account))?.bags ?? new Map();
  }

  hasAccount(account: Uint8Array): boolean {
    return this.#accounts.has(encodeHex(account));
  }

  /** Answers one request, by the host's clock. */
  answer(at: string, token: string | undefined, body: Uint8Array, nowMs: number): Uint8Array {
    this.#calls.set(at, this.calls(at) + 1);
    const out = new Writer();
    let status: Status = Status.Success;
    try {
      this.#dispatch(at, token, body, nowMs, out);
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      status = error.status;
    }
    const kept = this.#accounts.get(encodeHex(body.subarray(0, 32)));
    const bounded = status === Status.Success && kept !== undefined && this.settings.bytesMax > 0;
    const usage = bounded ? usageOf(kept) : 0;
    const stored = { quota: bounded ? this.settings.bytesMax : 0, usage };
    const head = new Writer();
    const subscription = { termMs: 0, elapsedMs: 0, stored, moved: { quota: 0, usage: 0 } };
    writeResponseHead(head, { status, receivedMs: nowMs, sentMs: nowMs, subscription });
    return status === Status.Success ? concatBytes(head.finish(), out.finish()) : head.finish();
  }

  #dispatch(at: string, token: string | undefined, body: Uint8Array, nowMs: number, out: Writer): void {
    if (body.length === 0) throw new StatusError(Status.MissingBody);
    const known = OLD_PATHS.includes(at) || (!this.settings.oldKind && NEW_PATHS.includes(at));
    if (!known) throw new StatusError(Status.NotFound);
    const reader = new Reader(body);
    if (at === path.PRUNE_PATH || at === path.DELETE_ACCOUNT_PATH) this.#signedCall(at, reader, nowMs, out);
    else this.#signedTime(at, token, reader, nowMs, out);
  }

  #signedTime(at: string, token: string | undefined, reader: Reader, nowMs: number, out: Writer): void {
    const auth = readSignedTimestamp(reader);
    checkTime(auth.timeMs, nowMs);
    if (!check(auth.publicKey, timestampBytes(auth.timeMs), auth.signature)) {
      throw new StatusError(Status.InvalidSignature);
    }
    if (at === path.USER_PATH) this.#register(auth.publicKey, token);
    else if (at === path.PUSH_PATH) this.#push(this.#kept(auth.publicKey), auth.publicKey, reader, out);
    else this.#read(at, this.#kept(auth.publicKey), reader, out);
  }

  #read(at: string, kept: Kept, reader: Reader, out: Writer): void {
    if (at === path.PEEK_PATH) peek(kept, reader, out);
    else if (at === path.PEEK_PAGE_PATH) page(kept, reader, this.settings.pageItemsMax, out);
    else if (at === path.PULL_PATH) pull(kept, reader, out);
    else epoch(kept, reader, out);
  }

  #kept(publicKey: Uint8Array): Kept {
    const kept = this.#accounts.get(encodeHex(publicKey));
    if (kept === undefined) throw new StatusError(Status.UserNotRegistered);
    return kept;
  }

  #register(publicKey: Uint8Array, token: string | undefined): void {
    const account = encodeHex(publicKey);
    if (this.#accounts.has(account)) return;
    if (this.settings.token !== undefined && this.settings.token !== token) {
      throw new StatusError(Status.UserNotRegistered);
    }
    this.#registrations += 1;
    const registration = numberBytes(this.#registrations, this.#seed);
    const lineage = [{ epoch: this.#epochOf(registration), end: null }];
    this.#accounts.set(account, { last: 0, lineage, bags: new Map(), registration });
  }

  #epochOf(registration: Uint8Array): EpochId {
    return concatBytes(registration, numberBytes(this.#runs, this.#seed));
  }

  /** The first change of a run opens an epoch. */
  #changes(kept: Kept): void {
    const epoch = this.#epochOf(kept.registration);
    const open = kept.lineage.at(-1);
    if (open === undefined || equalBytes(open.epoch, epoch)) return;
    open.end = kept.last;
    kept.lineage.push({ epoch, end: null });
  }

  #push(kept: Kept, publicKey: Uint8Array, reader: Reader, out: Writer): void {
    const bags = readBags(reader);
    const known = new Map([...kept.bags].reverse().map(([seq, bag]) => [identityOf(bag), seq]));
    const frame = new Writer();
    let stored = 0;
    for (const [index, view] of bags.entries()) {
      const bag = copyOf(view);
      const repeat = this.settings.oldKind ? undefined : known.get(identityOf(bag));
      if (!check(publicKey, bag.sealed.head, bag.sealed.signature)) {
        writePushItem(out, { index, status: Status.InvalidSignature, seq: null });
      } else if (repeat !== undefined) {
        writePushItem(out, { index, status: Status.Success, seq: repeat });
      } else if (this.settings.bytesMax > 0 && usageOf(kept) + storedBytesOf(bag) > this.settings.bytesMax) {
        writePushItem(out, { index, status: Status.StorageError, seq: null });
      } else {
        if (stored === 0) this.#changes(kept);
        stored += 1;
        kept.last += 1;
        kept.bags.set(kept.last, bag);
        known.set(identityOf(bag), kept.last);
        writePushItem(out, { index, status: Status.Success, seq: kept.last });
        const inline = bags.length === 1 && bag.body.length <= INLINE_BYTES_MAX;
        const body = inline ? bag.body : new Uint8Array();
        writeNoticeItem(frame, { seq: kept.last, sealed: bag.sealed, body });
      }
    }
    if (stored > 0 || this.settings.oldKind) this.#notices.push(frame.finish());
  }

  #signedCall(at: string, reader: Reader, nowMs: number, out: Writer): void {
    const call = readSignedCall(reader);
    checkTime(call.timeMs, nowMs);
    const signed = callBytes(at, call.origin, call.epoch, call.timeMs, reader.rest());
    if (!check(call.publicKey, signed, call.signature)) throw new StatusError(Status.InvalidSignature);
    const kept = this.#kept(call.publicKey);
    const open = kept.lineage.at(-1)?.epoch ?? new Uint8Array();
    if (call.origin !== this.settings.origin || !equalBytes(call.epoch, open)) {
      throw new StatusError(Status.InvalidRequest);
    }
    if (at === path.DELETE_ACCOUNT_PATH) {
      reader.end();
      this.#accounts.delete(encodeHex(call.publicKey));
      return;
    }
    const pairs = readPrunePairs(reader);
    const named = new Set(pairs.map((pair) => pair.bag));
    for (const [index, pair] of pairs.entries()) {
      writePruneItem(out, { index, status: this.#prune(kept, pair, named) });
    }
  }

  #prune(kept: Kept, { bag, supersededBy }: PrunePair, named: ReadonlySet<BagSeq>): Status {
    if (supersededBy !== null && named.has(supersededBy)) return Status.InvalidParam;
    const held = kept.bags.get(bag);
    if (held === undefined) return Status.Success;
    if (held.body.length === 0) return Status.InvalidRequest;
    if (supersededBy !== null && !kept.bags.has(supersededBy)) return Status.NotFound;
    this.#changes(kept);
    kept.bags.delete(bag);
    return Status.Success;
  }
}

function usageOf(kept: Kept): number {
  return [...kept.bags.values()].reduce((sum, bag) => sum + storedBytesOf(bag), 0);
}

function behind(kept: Kept, after: BagSeq): [BagSeq, Bag][] {
  return [...kept.bags].filter(([seq]) => seq > after).sort(([one], [other]) => one - other);
}

function peek(kept: Kept, reader: Reader, out: Writer): void {
  const after = reader.varint();
  reader.end();
  for (const [seq, { sealed }] of behind(kept, after)) writePeekItem(out, { seq, sealed });
}

function page(kept: Kept, reader: Reader, most: number, out: Writer): void {
  const [after, asked] = [reader.varint(), reader.varint()];
  reader.end();
  const all = behind(kept, after);
  const items = all.slice(0, asked === 0 ? most : Math.min(asked, most));
  const end = items.at(-1);
  const through = all.length > items.length && end !== undefined ? end[0] : Math.max(kept.last, after);
  writePageHead(out, { epoch: kept.lineage.at(-1)?.epoch ?? new Uint8Array(16), last: kept.last, through });
  for (const [seq, { sealed }] of items) writePeekItem(out, { seq, sealed });
}

function pull(kept: Kept, reader: Reader, out: Writer): void {
  for (const seq of readNumbers(reader)) {
    const bag = kept.bags.get(seq);
    if (bag !== undefined) writePullItem(out, { seq, body: bag.body });
  }
}

function epoch(kept: Kept, reader: Reader, out: Writer): void {
  const cursor = reader.isEmpty ? null : readCursor(reader);
  reader.end();
  const open = kept.lineage.at(-1)?.epoch ?? new Uint8Array(16);
  writeEpochAnswer(out, { epoch: open, last: kept.last, valid: cursor === null || isValid(kept, cursor) });
}

function isValid(kept: Kept, cursor: Cursor): boolean {
  const found = kept.lineage.find((known) => equalBytes(known.epoch, cursor.epoch));
  return found !== undefined && cursor.seq <= (found.end ?? kept.last);
}

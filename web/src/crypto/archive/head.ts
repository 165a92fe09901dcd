// What an export file begins with, and which keypair signs it. A file names its own keypair, and a reader takes only the
// one that its caller expects: so no file makes a program use a host's keypair, or the empty label, whose keypairs are
// bag keys as well, unasked.

import { SeabagError } from '../../protocol/error.ts';
import { SIGNATURE_BYTES } from '../../protocol/host/bag.ts';
import { Reader, utf8, type Writer } from '../../protocol/host/bytes.ts';
import { HASH_BYTES } from '../../protocol/host/message.ts';
import { Status, StatusError } from '../../protocol/host/status.ts';

/** Most bytes of a file's label. Nobody agreed to it; upstream writes no other label than "export". */
export const LABEL_BYTES_MAX = 256;
/** More bytes than any file's head has, beside its label. */
export const HEAD_REST_BYTES_MAX = 128;

/** Which keypair signs a file. */
export interface ArchiveKey {
  /** Its label: 1 to 256 bytes of UTF-8. */
  label: string;
  /** Its index. */
  index: number;
}

/** The keypair of a file unless one is named, as upstream writes always. */
export const EXPORT_KEY: ArchiveKey = { label: 'export', index: 0 };

/** The file names a keypair that the caller did not ask for; code `other_key`. A person may allow that very one. */
export class OtherKeyError extends SeabagError {
  /** What the file names; a stranger may have chosen it. */
  readonly key: ArchiveKey;

  constructor(key: ArchiveKey) {
    // As JSON, which shows control characters as what they are.
    super(
      'other_key',
      `the export file is signed with the key ${JSON.stringify(key.label)}, index ${key.index}`,
    );
    this.name = 'OtherKeyError';
    this.key = key;
  }
}

/** What a file begins with. */
export interface FileHead {
  /** Which keypair signed it. */
  key: ArchiveKey;
  /** How many items there are, if the file is to be believed. */
  count: number;
  /** BLAKE3 of the index. */
  indexHash: Uint8Array;
  /** Ed25519 of that hash. */
  signature: Uint8Array;
}

/** `InvalidParam` for an empty label, and for one of more than 256 bytes. */
export function checkArchiveKey({ label }: ArchiveKey): void {
  const length = utf8(label).length;
  if (length === 0 || length > LABEL_BYTES_MAX) throw new StatusError(Status.InvalidParam);
}

/** Reads one from the front of what may be a part of the file, of this length in all. */
export function readFileHead(reader: Reader, fileLength: number): FileHead {
  const labelLength = new Reader(reader.rest()).varint();
  if (labelLength > LABEL_BYTES_MAX && labelLength <= fileLength) throw new StatusError(Status.InvalidParam);
  const label = reader.varString();
  const index = reader.varint();
  const count = reader.varint();
  const indexHash = reader.take(HASH_BYTES);
  return { key: { label, index }, count, indexHash, signature: reader.take(SIGNATURE_BYTES) };
}

/** Its bytes. */
export function writeFileHead(out: Writer, head: FileHead): void {
  out.varString(head.key.label).varint(head.key.index).varint(head.count);
  out.bytes(head.indexHash).bytes(head.signature);
}

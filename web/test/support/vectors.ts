// The shared vectors of the repository's vectors/host, in Node and in the browser alike, and how tests read their fields.

import { Reader } from '../../src/protocol/host/bytes.ts';
import { StatusError, statusFromCode, statusName } from '../../src/protocol/host/status.ts';
import { decodeHex } from '../../src/protocol/host/text.ts';

/** A value of JSON. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
/** An object of JSON. */
export type Case = { [key: string]: Json };

const files = import.meta.glob<Json>('../../../vectors/host/*.json', { eager: true, import: 'default' });

/** The names of all groups. */
export const groupNames: string[] = Object.keys(files)
  .map((path) => path.replace(/^.*\//, '').replace('.json', ''))
  .sort();

/** One group of the vectors. */
export function group(name: string): Case {
  const found = Object.entries(files).find(([path]) => path.endsWith(`/${name}.json`));
  return object(found?.[1], name);
}

/** The cases of a list: never none, so that a list that was renamed is noticed. */
export function list(from: Case, name: string): Case[] {
  const found = from[name];
  if (!Array.isArray(found) || found.length === 0) throw new Error(`${name} is no list, or empty`);
  return found.map((item) => object(item, name));
}

/** A value that is an object. */
export function object(value: Json | undefined, name = 'it'): Case {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${name} is no object`);
  return value;
}

/** A field that is text. */
export function text(from: Case, field: string): string {
  const found = from[field];
  if (typeof found !== 'string') throw new Error(`${field} is no text in ${JSON.stringify(from)}`);
  return found;
}

/** A field that is a number. */
export function number(from: Case, field: string): number {
  const found = from[field];
  if (typeof found !== 'number') throw new Error(`${field} is no number in ${JSON.stringify(from)}`);
  return found;
}

/** A field that is bytes in hexadecimal digits. */
export function bytes(from: Case, field: string): Uint8Array<ArrayBuffer> {
  return decodeHex(text(from, field));
}

/** The same, or null where it is null or missing. */
export function optionalBytes(from: Case, field: string): Uint8Array<ArrayBuffer> | null {
  return typeof from[field] === 'string' ? bytes(from, field) : null;
}

/** Byte i is i mod 251. */
export function pattern(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, at) => at % 251);
}

/** The body of a case, which is written out or told by a rule. */
export function bodyOf(from: Case): Uint8Array<ArrayBuffer> | null {
  return typeof from.body_pattern === 'string' ? pattern(number(from, 'len')) : optionalBytes(from, 'body');
}

/** What this implementation answers: the recommended status where there is one. */
export function expectedStatus(from: Case): string {
  return namedStatus(from.recommended ?? from.status);
}

/** The name of a status, whose code has to belong to it. */
export function namedStatus(status: Json | undefined): string {
  const found = statusFromCode(number(object(status, 'status'), 'code'));
  if (found === undefined || statusName(found) !== text(object(status), 'name'))
    throw new Error('no such status');
  return statusName(found);
}

/** What the work gives, and `Success` or the name of the status that it throws. Any other error is thrown on. */
export function attempt<T>(work: () => T): { status: string; value: T | undefined } {
  try {
    return { status: 'Success', value: work() };
  } catch (error) {
    return { status: statusOf(error), value: undefined };
  }
}

/** The same of work that takes its time. */
export async function attemptLater<T>(
  work: () => Promise<T>,
): Promise<{ status: string; value: T | undefined }> {
  try {
    return { status: 'Success', value: await work() };
  } catch (error) {
    return { status: statusOf(error), value: undefined };
  }
}

/** Reads bytes of which nothing may be left. */
export function readWhole<T>(from: Uint8Array, read: (reader: Reader) => T): T {
  const reader = new Reader(from);
  const value = read(reader);
  reader.end();
  return value;
}

/** The name of a `StatusError`'s status; any other error is thrown on. */
function statusOf(error: unknown): string {
  if (error instanceof StatusError) return error.code;
  throw error;
}

// What the start page asks of its server: what it is, and a room.

import { readFragment } from '../kit/fragment.ts';

/** What the server says of itself. */
export interface About {
  readonly version: string;
  /** Making a room asks for a token. */
  readonly needsToken: boolean;
}

/** A room that was made here. */
export interface Room {
  readonly id: string;
  /** What its holder may hand to those who only read. None where the room was only found in the address. */
  readonly readOnlyId: string;
}

/** Asks the server what it is; undefined when it is away. */
export async function askAbout(): Promise<About | undefined> {
  const told = await askJson('/about').catch(() => undefined);
  if (told === undefined) return undefined;
  return { version: text(told, 'version'), needsToken: told.creation === 'token' };
}

/** Makes a room. The error's message is for people. */
export async function makeRoom(token: string): Promise<Room> {
  const headers: HeadersInit = token === '' ? {} : { authorization: `Bearer ${token}` };
  return room(await askJson('/new', { method: 'POST', headers }));
}

/** The room that the address names, if there is one and the server has it. */
export async function findRoom(): Promise<Room | undefined> {
  const id = readFragment('room');
  if (id === undefined) return undefined;
  return room(await askJson(`/room/${encodeURIComponent(id)}`));
}

function room(body: Record<string, unknown>): Room {
  return { id: text(body, 'room'), readOnlyId: text(body, 'read_only') };
}

async function askJson(path: string, options: RequestInit = {}): Promise<Record<string, unknown>> {
  const answer = await fetch(path, options).catch(() => {
    throw new Error('the server does not answer');
  });
  const body: unknown = await answer.json().catch(() => undefined);
  const told = typeof body === 'object' && body !== null ? { ...body } : {};
  if (!answer.ok) throw new Error(text(told, 'message') || `the server answered ${answer.status}`);
  return told;
}

function text(body: Record<string, unknown>, field: string): string {
  const value = body[field];
  return typeof value === 'string' ? value : '';
}

// What notes are, apart from how they look: entities of type `note` whose body has a `text`, in groups, and under one
// another. Bodies are read with care: other programs write notes too, and their further fields are kept.

import type { Ent } from '../../src/entdb.ts';

/** The type of the entities. */
export const NOTE_TYPE = 'note';

const TITLE_CHARACTERS_MAX = 80;
const UNTITLED = 'Empty note';

/** A note, as the page shows it. */
export interface Note {
  readonly eid: string;
  readonly text: string;
  /** False where the body has no text of its own: it is shown as it is, and cannot be changed here. */
  readonly editable: boolean;
  readonly parent: string | undefined;
  readonly group: string | undefined;
  readonly createdMs: number;
  readonly updatedMs: number;
}

/** A note and what is under it. */
export interface Branch {
  readonly note: Note;
  readonly children: readonly Branch[];
}

/** A group, and how many notes are in it. */
export interface Group {
  readonly name: string;
  readonly notes: number;
}

/** What the list is narrowed to. */
export interface Filter {
  readonly group: string | undefined;
  /** Words that must all be in the text, whatever their case. */
  readonly search: string;
}

/** The note that an entity is. */
export function readNote(ent: Ent): Note {
  const { eid, parent, group, createdMs, updatedMs, body } = ent;
  const text = textOf(body);
  return {
    eid,
    text: text ?? shown(body),
    editable: text !== undefined,
    parent,
    group,
    createdMs,
    updatedMs,
  };
}

/** The body with another text; what else it has stays. */
export function withText(body: unknown, text: string): Record<string, unknown> {
  return isRecord(body) ? { ...body, text } : { text };
}

/** What a note is called in the list: its first line with something in it. */
export function titleOf(note: Note): string {
  const line = note.text.split('\n').find((candidate) => candidate.trim() !== '');
  if (line === undefined) return UNTITLED;
  const characters = Array.from(line.trim());
  if (characters.length <= TITLE_CHARACTERS_MAX) return characters.join('');
  return `${characters.slice(0, TITLE_CHARACTERS_MAX - 1).join('')}…`;
}

/** The groups of the notes by name. */
export function groupsOf(notes: readonly Note[]): Group[] {
  const counts = new Map<string, number>();
  for (const { group } of notes) {
    if (group !== undefined) counts.set(group, (counts.get(group) ?? 0) + 1);
  }
  const groups = Array.from(counts, ([name, count]) => ({ name, notes: count }));
  return groups.sort((a, b) => a.name.localeCompare(b.name));
}

/** The notes that a filter leaves. */
export function filtered(notes: readonly Note[], { group, search }: Filter): readonly Note[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return notes.filter((note) => {
    if (group !== undefined && note.group !== group) return false;
    const text = note.text.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/**
 * Notes as trees, in the order in which they come. A note whose parent is not among them stands at the top; so does one
 * of each circle, which two devices can make that do not know of each other.
 */
export function treesOf(notes: readonly Note[]): Branch[] {
  const known = new Set(notes.map((note) => note.eid));
  const under = new Map<string | undefined, Note[]>();
  for (const note of notes) {
    const parent = note.parent !== undefined && known.has(note.parent) ? note.parent : undefined;
    const siblings = under.get(parent);
    if (siblings === undefined) under.set(parent, [note]);
    else siblings.push(note);
  }
  const placed = new Set<string>();
  // Not by recursion: how deep notes lie under one another has no bound.
  const tree = (top: Note): Branch => {
    const made = { note: top, children: [] };
    const left: { note: Note; children: Branch[] }[] = [made];
    placed.add(top.eid);
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      for (const child of under.get(next.note.eid) ?? []) {
        if (placed.has(child.eid)) continue;
        placed.add(child.eid);
        const branch = { note: child, children: [] };
        next.children.push(branch);
        left.push(branch);
      }
    }
    return made;
  };
  const trees = (under.get(undefined) ?? []).map(tree);
  for (const note of notes) if (!placed.has(note.eid)) trees.push(tree(note));
  return trees;
}

/** The notes that a note may be put under: not itself, nor what is under it. All of them for a note that is not there. */
export function possibleParents(notes: readonly Note[], eid: string | undefined): Note[] {
  const children = new Map<string, string[]>();
  for (const { eid: child, parent } of notes) {
    if (parent === undefined) continue;
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [child]);
    else siblings.push(child);
  }
  const below = new Set<string>();
  const left = eid === undefined ? [] : [eid];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if (below.has(next)) continue;
    below.add(next);
    left.push(...(children.get(next) ?? []));
  }
  return notes.filter((note) => !below.has(note.eid));
}

function textOf(body: unknown): string | undefined {
  if (typeof body === 'string') return body;
  return isRecord(body) && typeof body.text === 'string' ? body.text : undefined;
}

function shown(body: unknown): string {
  try {
    return JSON.stringify(body, plain, 2) ?? '';
  } catch {
    return 'This note holds something that cannot be shown.';
  }
}

function plain(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

// Notes as lists and trees, also such as only several devices that do not know of each other can make.

import { expect, test } from 'vitest';
import { type Branch, type Note, possibleParents, treesOf } from '../../pages/notes/model.ts';

function note(eid: string, parent?: string): Note {
  return { eid, parent, text: eid, editable: true, group: undefined, createdMs: 0, updatedMs: 0 };
}

function shape(branches: readonly Branch[]): string {
  return branches
    .map(({ note: { eid }, children }) => eid + (children.length > 0 ? `(${shape(children)})` : ''))
    .join(' ');
}

test('notes lie under their parents, in the order in which they come', () => {
  const notes = [note('b', 'a'), note('a'), note('d', 'b'), note('c', 'a'), note('e', 'elsewhere')];
  expect(shape(treesOf(notes))).toBe('a(b(d) c) e');
});

test('each note of a circle is there once', () => {
  expect(shape(treesOf([note('a', 'c'), note('b', 'a'), note('c', 'b'), note('own', 'own')]))).toBe(
    'a(b(c)) own',
  );
});

test('notes may be as deep under one another as they like', () => {
  const notes = Array.from({ length: 20_000 }, (_, place) => note(`${place}`, `${place - 1}`));
  let [branch] = treesOf(notes);
  let depth = 0;
  for (; branch !== undefined; [branch] = branch.children) depth += 1;
  expect(depth).toBe(20_000);
});

test('a note may be put under all but itself and what is under it', () => {
  const notes = [note('a'), note('b', 'a'), note('c', 'b'), note('d'), note('x', 'y'), note('y', 'x')];
  const parents = (eid: string | undefined) =>
    possibleParents(notes, eid)
      .map((found) => found.eid)
      .join('');
  expect(parents('a')).toBe('dxy');
  expect(parents('b')).toBe('adxy');
  expect(parents('x')).toBe('abcd');
  expect(parents(undefined)).toBe('abcdxy');
});

test('where thousands of notes may be put is found in one pass over them', () => {
  let looks = 0;
  const notes = Array.from({ length: 5_000 }, (_, place) => {
    const made = note(`${place}`);
    const parent = place === 0 ? undefined : `${Math.floor(place / 2)}`;
    return Object.defineProperty({ ...made }, 'parent', {
      get: () => {
        looks += 1;
        return parent;
      },
    });
  });
  possibleParents(notes, '4999');
  expect(looks).toBeLessThan(4 * notes.length);
});

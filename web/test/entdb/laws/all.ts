// All laws of the database, run on one kind of storage.

import { afterEach, beforeEach, describe, test } from 'vitest';
import { World } from '../support.ts';
import { aside } from './aside.ts';
import { links } from './links.ts';
import { numbers } from './numbers.ts';
import { queries } from './queries.ts';
import { watching } from './watching.ts';
import { writes } from './writes.ts';

/** Registers a test of each law. */
export function testLaws(kind: 'memory' | 'indexeddb'): void {
  const groups = { writes, aside, links, numbers, queries, watching };
  describe.each(Object.entries(groups))(`${kind}: %s`, (_, laws) => {
    let world: World;
    beforeEach(async () => {
      world = await World.create(kind);
    });
    afterEach(() => world.remove());
    for (const [name, law] of Object.entries(laws)) test(name, () => law(world));
  });
}

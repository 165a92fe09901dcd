// Export and import: all messages to a sealed file and back, batch by batch, so that neither takes more memory than a
// batch. What is wrong with one message of a file stops no other, and is counted and told.

import { ArchiveReader, ArchiveWriter } from '../crypto/archive.ts';
import { breathe } from '../crypto/breathe.ts';
import type { Seed } from '../crypto/seed.ts';
import type { Database } from '../entdb/database.ts';
import type { Message } from '../protocol/host/message.ts';
import { StatusError } from '../protocol/host/status.ts';

/** The most messages of one batch. */
const BATCH_ITEMS_MAX = 1_000;
/** The most bytes of bodies of one batch, unless one is larger by itself. */
const BATCH_BYTES_MAX = 4 * 1024 * 1024;
/** The most problems that are told one by one; all are counted. */
const PROBLEMS_MAX = 100;
/** How many messages are sealed before the page gets a turn. */
const SEALED_AT_ONCE = 32;

/** What an export did. */
export interface Exported {
  /** The file. */
  file: Blob;
  /** Messages in it. */
  messages: number;
  /** Messages that could not be sealed and are not in it: damaged here. */
  leftOut: number;
}

/** What an import did. */
export interface ImportOutcome {
  /** Messages that are the state of their entities now. */
  applied: number;
  /** Messages that this version cannot read, and that are kept for a later one. */
  kept: number;
  /** Messages that were here, or older than what is here. */
  known: number;
  /** Messages that could not be opened, or are none. */
  refused: number;
  /** What was wrong, of the first hundred. */
  problems: string[];
  /** Why the file could not be read to its end; what came before is in the database. */
  brokeOff?: string;
}

/** Writes all messages into a file. The listener hears how many were written so far. Fails as the database does. */
export async function exportAll(
  database: Database,
  seed: Seed,
  onProgress?: (messages: number) => void,
): Promise<Exported> {
  const writer = await ArchiveWriter.create(seed);
  let leftOut = 0;
  let after: string | null = null;
  do {
    const page = await database.messages(after, BATCH_ITEMS_MAX);
    for (const [at, message] of page.messages.entries()) {
      if (at % SEALED_AT_ONCE === SEALED_AT_ONCE - 1) await breathe();
      if (!isPushed(writer, message)) leftOut += 1;
    }
    onProgress?.(writer.count);
    after = page.next;
  } while (after !== null);
  return { messages: writer.count, file: await writer.finish(), leftOut };
}

function isPushed(writer: ArchiveWriter, message: Message): boolean {
  try {
    writer.push(message);
    return true;
  } catch (error) {
    if (error instanceof StatusError) return false;
    throw error;
  }
}

/**
 * Merges a file's messages. What is new waits for every link. The listener hears how far it is, in bytes of the file's
 * index: those dealt with, and all. An error means that nothing was imported, or that the database failed in between; a
 * file that is wrong from some place on is told of in the outcome.
 */
export async function importAll(
  database: Database,
  seed: Seed,
  file: Blob,
  onProgress?: (done: number, all: number) => void,
): Promise<ImportOutcome> {
  const reader = await ArchiveReader.open(file, seed);
  const outcome: ImportOutcome = { applied: 0, kept: 0, known: 0, refused: 0, problems: [] };
  let batch: Message[] = [];
  let bytes = 0;
  const merge = async () => {
    await mergeBatch(database, batch, outcome);
    batch = [];
    bytes = 0;
    onProgress?.(reader.progress.done, reader.progress.all);
  };
  for await (const item of reader) {
    if ('damaged' in item) {
      const { code, message } = item.damaged;
      if (code === 'item') outcome.refused += 1;
      if (code === 'index') outcome.brokeOff = message;
      else tell(outcome, message);
      continue;
    }
    batch.push(item.message);
    bytes += item.message.body?.length ?? 0;
    if (batch.length % SEALED_AT_ONCE === 0) await breathe();
    if (batch.length >= BATCH_ITEMS_MAX || bytes >= BATCH_BYTES_MAX) await merge();
  }
  await merge();
  return outcome;
}

async function mergeBatch(
  database: Database,
  batch: readonly Message[],
  outcome: ImportOutcome,
): Promise<void> {
  if (batch.length === 0) return;
  for (const merged of await database.merge(batch)) {
    switch (merged.type) {
      case 'applied':
        outcome.applied += 1;
        break;
      case 'set-aside':
        outcome.kept += 1;
        break;
      case 'known':
      case 'superseded':
        outcome.known += 1;
        break;
      case 'refused':
        outcome.refused += 1;
        tell(outcome, `a message of the export file is refused: ${merged.status}`);
    }
  }
}

function tell(outcome: ImportOutcome, problem: string): void {
  if (outcome.problems.length < PROBLEMS_MAX) outcome.problems.push(problem);
}

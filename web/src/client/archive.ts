// Export and import: all messages to a sealed file and back, batch by batch. What is wrong with one message of a file
// stops no other, and is counted and told.

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
  /** Messages that are kept besides: set aside. */
  kept: number;
  /** Messages that were here, or older than what is here. */
  known: number;
  /** Messages that could not be opened, or are none. */
  refused: number;
  /** What was wrong, of the first hundred. */
  problems: readonly string[];
  /** Why the file could not be read to its end; what came before is in the database. */
  brokeOff?: string;
}

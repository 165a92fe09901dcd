// What a person types to tell a seed: 24 words, or 64 digits. Words are the matter of words.ts, which holds the list of them
// and is loaded only when there are words to read or to show.

import { SeabagError } from '../protocol/error.ts';
import { decodeHex } from '../protocol/host/text.ts';

/** Bytes of a seed. */
export const SEED_BYTES = 32;
const SEED_DIGITS = 2 * SEED_BYTES;
/** Letters of the longest word. */
const WORD_LETTERS_MAX = 8;
/** What parts words: blanks and line ends as Unicode has them, as the command line takes them. */
const BLANKS = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/u;

/** What is wrong with a phrase; `digit_count` and `digit` are said of digits, the others of words. */
export type PhraseErrorCode = 'empty' | 'word_count' | 'unknown_word' | 'checksum' | 'digit_count' | 'digit';

/**
 * Why text is neither a recovery phrase nor a seed's digits. It tells places and counts, never a word: that may be a
 * part of a secret.
 */
export class PhraseError extends SeabagError {
  /** For programs. */
  declare readonly code: PhraseErrorCode;
  /** Which word or character, counted from 1: of `unknown_word` and `digit`. */
  readonly place: number | undefined;
  /** How many words or characters there are: of `word_count` and `digit_count`. */
  readonly found: number | undefined;

  constructor(code: PhraseErrorCode, message: string, where: { place?: number; found?: number } = {}) {
    super(code, message);
    this.name = 'PhraseError';
    this.place = where.place;
    this.found = where.found;
  }
}

/**
 * A seed's bytes from what a person typed: 24 words, or 64 hexadecimal digits. Case does not matter, nor do blanks and
 * line breaks between words or between groups of digits. Rejects with {@link PhraseError}; with the error of `import()`
 * if the list of words cannot be loaded.
 */
export async function parsePhrase(text: string): Promise<Uint8Array<ArrayBuffer>> {
  const groups = text.split(BLANKS).filter((group) => group !== '');
  if (groups.length === 0) throw new PhraseError('empty', 'there is neither a word nor a digit');
  if (looksLikeDigits(groups)) return parseDigits(groups.join(''));
  const { parseWords } = await import('./words.ts');
  return parseWords(groups);
}

/** The seed as 24 words, one blank between two: whoever sees them can read and write everything. */
export async function phraseOf(seedBytes: Uint8Array): Promise<string> {
  const { formatWords } = await import('./words.ts');
  return formatWords(seedBytes);
}

/**
 * Whether to read digits rather than words. Some words, such as "add", are made of hexadecimal letters only: so several
 * groups are digits if there is a numeral among them, and one group is too if it is longer than any word.
 */
function looksLikeDigits(groups: readonly string[]): boolean {
  const joined = groups.join('');
  const numeral = /[0-9]/.test(joined);
  const allDigits = /^[0-9a-f]*$/i.test(joined);
  if (groups.length > 1) return allDigits && numeral;
  return numeral || (allDigits && joined.length > WORD_LETTERS_MAX);
}

function parseDigits(digits: string): Uint8Array<ArrayBuffer> {
  // By characters as people count them, not by UTF-16 units.
  const wrong = [...digits].findIndex((character) => !/^[0-9a-f]$/i.test(character));
  if (wrong >= 0) {
    const place = wrong + 1;
    throw new PhraseError('digit', `character ${place} is not a hexadecimal digit (0 to 9, a to f)`, {
      place,
    });
  }
  const found = digits.length;
  if (found !== SEED_DIGITS) {
    const message = `a seed has ${SEED_DIGITS} hexadecimal digits, and here are ${found}`;
    throw new PhraseError('digit_count', message, { found });
  }
  return decodeHex(digits);
}

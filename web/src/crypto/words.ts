// The recovery phrase: a seed as 24 English words (BIP-39), which people can write down and whose last word shows a slip
// of the pen. The words stand for the seed itself; BIP-39's own stretching is not applied. Loaded only when it is needed:
// the list of words is large.

import { entropyToMnemonic, mnemonicToEntropy } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { PhraseError } from './phrase.ts';

/** Words of a phrase. */
const PHRASE_WORDS = 24;

/** The seed as words, one blank between two. */
export function formatWords(seedBytes: Uint8Array): string {
  return entropyToMnemonic(seedBytes, wordlist);
}

/** The seed of these words, in any case. Throws {@link PhraseError}. */
export function parseWords(groups: readonly string[]): Uint8Array<ArrayBuffer> {
  const found = groups.length;
  if (found !== PHRASE_WORDS) {
    const message = `a recovery phrase has ${PHRASE_WORDS} words, and here are ${found}`;
    throw new PhraseError('word_count', message, { found });
  }
  const words = groups.map((word) => word.replace(/[A-Z]/g, (letter) => letter.toLowerCase()));
  const unknown = words.findIndex((word) => !wordlist.includes(word));
  if (unknown >= 0) {
    const place = unknown + 1;
    const message = `word ${place} is not in the list of words: look for a slip in its spelling`;
    throw new PhraseError('unknown_word', message, { place });
  }
  try {
    return Uint8Array.from(mnemonicToEntropy(words.join(' '), wordlist));
  } catch {
    // The library's error is dropped on purpose: it may tell a word.
    throw new PhraseError(
      'checksum',
      'the words do not fit together: one of them is not the right one, or not in its place',
    );
  }
}

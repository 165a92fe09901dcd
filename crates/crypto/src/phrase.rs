//! The recovery phrase: a seed as 24 English words (BIP-39), which people can write down and whose last word
//! shows a slip of the pen. The words stand for the seed itself; BIP-39's own stretching is not applied.

use bip39::{Error as WordsError, Language, Mnemonic};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::seed::{SEED_BYTES, Seed, SeedError};

/// Words of a phrase.
pub const PHRASE_WORDS: usize = 24;
/// Letters of the longest word.
const WORD_LETTERS_MAX: usize = 8;

/// Why text is neither a recovery phrase nor a seed's digits. It tells places and counts, never a word: that
/// may be a part of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PhraseError {
    /// Nothing but blanks.
    #[error("there is neither a word nor a digit")]
    Empty,
    /// Not 24 words.
    #[error("a recovery phrase has {PHRASE_WORDS} words, and here are {found}")]
    WordCount {
        /// How many words there are.
        found: usize,
    },
    /// A word that is not in the list, at this place, counted from 1.
    #[error("word {place} is not in the list of words: look for a slip in its spelling")]
    UnknownWord {
        /// Its place, counted from 1.
        place: usize,
    },
    /// All words are in the list, but they do not belong together.
    #[error("the words do not fit together: one of them is not the right one, or not in its place")]
    Checksum,
    /// It looks like digits, but they are not a seed's.
    #[error(transparent)]
    Digits(#[from] SeedError),
}

/// A seed from what a person typed: 24 words, or 64 hexadecimal digits. Case does not matter, nor do blanks and
/// line breaks between words or between groups of digits.
pub fn parse(text: &str) -> Result<Seed, PhraseError> {
    let count = text.split_whitespace().count();
    if count == 0 {
        return Err(PhraseError::Empty);
    }
    if looks_like_digits(text, count) {
        let mut digits = Zeroizing::new(String::with_capacity(text.len()));
        text.split_whitespace().for_each(|group| digits.push_str(group));
        return Ok(Seed::from_hex(&digits)?);
    }
    parse_words(text, count)
}

/// The seed as 24 words, one blank between two: whoever sees them can read and write everything.
pub fn reveal_words(seed: &Seed) -> Zeroizing<String> {
    let words = Mnemonic::from_entropy_in(Language::English, seed.bytes());
    // 32 bytes are a length that the scheme has words for.
    let words = words.expect("a seed has 24 words");
    // Long enough from the beginning: a string that grows leaves a copy behind.
    let mut phrase = Zeroizing::new(String::with_capacity((WORD_LETTERS_MAX + 1) * PHRASE_WORDS));
    for word in words.words() {
        if !phrase.is_empty() {
            phrase.push(' ');
        }
        phrase.push_str(word);
    }
    phrase
}

/// Whether to read digits rather than words. Some words, such as "add", are made of hexadecimal letters only: so
/// several groups are digits if there is a numeral among them, and one group is too if it is longer than any word.
fn looks_like_digits(text: &str, count: usize) -> bool {
    let numeral = text.contains(|character: char| character.is_ascii_digit());
    let all_digits = text.chars().all(|character| character.is_ascii_hexdigit() || character.is_whitespace());
    if count == 1 {
        numeral || (all_digits && text.trim().len() > WORD_LETTERS_MAX)
    } else {
        all_digits && numeral
    }
}

fn parse_words(text: &str, count: usize) -> Result<Seed, PhraseError> {
    if count != PHRASE_WORDS {
        return Err(PhraseError::WordCount { found: count });
    }
    let text = Zeroizing::new(text.to_ascii_lowercase());
    let words = Mnemonic::parse_in_normalized(Language::English, &text).map_err(|error| match error {
        WordsError::UnknownWord(at) => PhraseError::UnknownWord { place: at + 1 },
        WordsError::BadWordCount(found) => PhraseError::WordCount { found },
        _ => PhraseError::Checksum,
    })?;
    let (entropy, _) = words.to_entropy_array();
    let entropy = Zeroizing::new(entropy);
    let bytes = entropy.first_chunk::<SEED_BYTES>().ok_or(PhraseError::WordCount { found: count })?;
    Ok(Seed::from_bytes(bytes))
}

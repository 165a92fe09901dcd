//! Where the seed comes from: a file that only its owner can read, or a variable. Never an argument, which every
//! user of the machine could see. No error of this module repeats what it read.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use seabag_crypto::{HostKeys, Seed, phrase};
use zeroize::Zeroizing;

use crate::exit::usage;
use crate::place;

/// The variable that holds a seed itself.
pub(crate) const SEED_VARIABLE: &str = "SEABAG_SEED";
/// The variable that names the seed's file.
const FILE_VARIABLE: &str = "SEABAG_SEED_FILE";
/// Most bytes that are read in search of a seed. The longest phrase has 216.
const SEED_TEXT_MAX: u64 = 4 * 1024;
/// A label that no account has: the public key of it names a seed without telling of any account.
const FINGERPRINT_LABEL: &str = "seabag fingerprint";

/// How a command finds the seed.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SeedChoice {
    /// The file of the seed. Without it: the variable SEABAG_SEED (64 digits or 24 words), the file that
    /// SEABAG_SEED_FILE names, or the file `seed` in this user's configuration.
    #[arg(long, value_name = "FILE", global = true)]
    seed_file: Option<PathBuf>,
}

/// Where a seed was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SeedPlace {
    /// In the variable [`SEED_VARIABLE`].
    Variable,
    /// In, or to be in, this file.
    File(PathBuf),
}

impl SeedChoice {
    /// Where the seed is to be looked for.
    pub(crate) fn place(&self) -> anyhow::Result<SeedPlace> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        if self.seed_file.is_none() && set(SEED_VARIABLE).is_some() {
            return Ok(SeedPlace::Variable);
        }
        self.file().map(SeedPlace::File)
    }

    /// The seed's file, whatever the variable [`SEED_VARIABLE`] holds.
    pub(crate) fn file(&self) -> anyhow::Result<PathBuf> {
        let named = std::env::var_os(FILE_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
        match self.seed_file.clone().or(named) {
            Some(path) => Ok(path),
            None => Ok(place::configuration()?.join("seed")),
        }
    }

    /// The seed; `None` when there is none yet. An error when there is one that must not or cannot be used.
    pub(crate) fn find(&self) -> anyhow::Result<Option<Seed>> {
        match self.place()? {
            SeedPlace::Variable => {
                let text = Zeroizing::new(std::env::var(SEED_VARIABLE).unwrap_or_default());
                let seed = phrase::parse(&text);
                seed.map(Some).map_err(|error| usage(format!("{SEED_VARIABLE} holds no seed: {error}")))
            }
            SeedPlace::File(path) => read(&path),
        }
    }

    /// The seed, which must be there.
    pub(crate) fn require(&self) -> anyhow::Result<Seed> {
        let missing = || -> anyhow::Result<anyhow::Error> {
            let path = self.file()?;
            Ok(usage(format!(
                "there is no seed in {}: `seabag keys new` makes one, `seabag keys new --from-words` brings one over \
                 from another device",
                path.display()
            )))
        };
        match self.find()? {
            Some(seed) => Ok(seed),
            None => Err(missing()?),
        }
    }
}

/// What tells one seed from another and tells nothing else of it: 16 hexadecimal digits.
pub(crate) fn fingerprint(seed: &Seed) -> String {
    let public = HostKeys::derive(seed, FINGERPRINT_LABEL, 0).public();
    data_encoding::HEXLOWER.encode(public.0.first_chunk::<8>().map_or(&[][..], |start| start))
}

fn read(path: &Path) -> anyhow::Result<Option<Seed>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(
                anyhow::Error::new(error).context(format!("cannot read the seed in {}", path.display()))
            );
        }
    };
    // Of the file that was opened: the one behind the path may be another by now.
    let metadata = file.metadata().with_context(|| format!("cannot look at {}", path.display()))?;
    if !metadata.is_file() {
        return Err(usage(format!("{} is no file", path.display())));
    }
    if place::is_open_to_others(&metadata) {
        return Err(usage(format!(
            "other users can read {}, which holds a seed: chmod 600 {}",
            path.display(),
            quoted(path)
        )));
    }
    let text = read_text(file).with_context(|| format!("cannot read the seed in {}", path.display()))?;
    let seed = phrase::parse(&text);
    seed.map(Some).map_err(|error| usage(format!("{} holds no seed: {error}", path.display())))
}

/// Reads text that holds a secret, into memory that is wiped.
pub(crate) fn read_text(input: impl Read) -> anyhow::Result<Zeroizing<String>> {
    // Room for all of it from the start: a string that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(SEED_TEXT_MAX as usize + 1));
    let read = input.take(SEED_TEXT_MAX).read_to_string(&mut text)?;
    if read as u64 == SEED_TEXT_MAX { Err(anyhow!("it is too long for a seed")) } else { Ok(text) }
}

/// Fails when a seed cannot be written there, before anybody types 24 words in vain. Writing looks again.
pub(crate) fn check_free(path: &Path) -> anyhow::Result<()> {
    if path.symlink_metadata().is_ok() { Err(taken(path)) } else { Ok(()) }
}

fn taken(path: &Path) -> anyhow::Error {
    usage(format!(
        "there is a file {} already, and a seed is never overwritten. `seabag keys show` tells whose it is; \
         `--seed-file FILE` keeps another one elsewhere",
        path.display()
    ))
}

/// Writes a seed into a file that is not there yet, whole or not at all, for its owner alone.
pub(crate) fn write(path: &Path, seed: &Seed) -> anyhow::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    check_free(path)?;
    let failed = || format!("cannot write {}", path.display());
    place::create_private_directory(directory).with_context(failed)?;
    // Such a file belongs to its owner alone from the first moment.
    let mut file = tempfile::NamedTempFile::new_in(directory).with_context(failed)?;
    file.write_all(seed.reveal_hex().as_bytes()).with_context(failed)?;
    file.write_all(b"\n").with_context(failed)?;
    file.as_file().sync_all().with_context(failed)?;
    file.persist_noclobber(path).map_err(|error| match error.error.kind() {
        std::io::ErrorKind::AlreadyExists => taken(path),
        _ => anyhow::Error::new(error.error).context(failed()),
    })?;
    // The name is on disk too before anybody is told to rely on it. Where folders cannot be synced, nothing is lost.
    let _ = File::open(directory).and_then(|directory| directory.sync_all());
    Ok(())
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGITS: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    #[test]
    fn a_seed_is_written_once_and_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep").join("seed");
        assert!(read(&path).unwrap().is_none());
        let seed = Seed::from_hex(DIGITS).unwrap();
        write(&path, &seed).unwrap();
        assert_eq!(*read(&path).unwrap().unwrap().reveal_hex(), *DIGITS);
        let other = Seed::from_bytes(&[7; 32]);
        assert!(write(&path, &other).unwrap_err().to_string().contains("never overwritten"));
        assert_eq!(*read(&path).unwrap().unwrap().reveal_hex(), *DIGITS);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_refused_with_what_to_do() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("my seed");
        write(&path, &Seed::from_hex(DIGITS).unwrap()).unwrap();
        for mode in [0o640, 0o604, 0o620] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains("chmod 600 '") && !error.contains(DIGITS), "{error}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
        assert!(read(&path).unwrap().is_some());
    }

    #[test]
    fn a_damaged_seed_is_refused_without_being_quoted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("seed");
        write(&path, &Seed::from_hex(DIGITS).unwrap()).unwrap();
        for text in [&DIGITS[..63], "", "hello there", &format!("{DIGITS}\nmore"), &"a".repeat(5_000)] {
            std::fs::write(&path, text).unwrap();
            let error = format!("{:#}", read(&path).unwrap_err());
            assert!(error.contains("seed") && !error.contains("0102") && !error.contains("hello"), "{error}");
        }
    }

    #[test]
    fn a_fingerprint_tells_seeds_apart_and_is_no_part_of_them() {
        let (one, two) = (Seed::from_hex(DIGITS).unwrap(), Seed::from_bytes(&[7; 32]));
        assert_eq!(fingerprint(&one), fingerprint(&Seed::from_hex(DIGITS).unwrap()));
        assert_ne!(fingerprint(&one), fingerprint(&two));
        assert_eq!(fingerprint(&one).len(), 16);
    }
}

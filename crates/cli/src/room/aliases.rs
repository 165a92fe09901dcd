//! The file that gives rooms names: `rooms.toml`, readable by its owner alone, since it holds ids.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use seabag_protocol::room::name::RoomAddress;
use serde::{Deserialize, Serialize};

use crate::client::link::Link;
use crate::exit::usage;
use crate::{output, place};

/// Longest alias. An id has at least 22 characters, so no id is ever taken for an alias.
pub(crate) const ALIAS_CHARACTERS_MAX: usize = 20;

/// The file's opening line.
const OPENING: &str = "# Rooms by alias. The ids are secrets: who has one can use the room.\n\n";

/// The file as it is.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    #[serde(default)]
    rooms: BTreeMap<String, Row>,
}

/// One room.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    server: String,
    id: String,
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Row({}, …)", self.server)
    }
}

/// The aliases of this user.
#[derive(Debug)]
pub(crate) struct Aliases {
    directory: PathBuf,
}

impl Aliases {
    /// In the directory that the environment names.
    pub(crate) fn of_this_user() -> anyhow::Result<Self> {
        Ok(Self { directory: place::configuration()? })
    }

    #[cfg(test)]
    fn in_directory(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.join("rooms.toml")
    }

    /// The room of this alias.
    pub(crate) fn find(&self, alias: &str) -> anyhow::Result<Link> {
        check_alias(alias)?;
        let contents = self.read()?;
        match contents.rooms.get(alias) {
            Some(row) => to_link(alias, row),
            None => Err(usage(format!(
                "there is no room {alias} here; `seabag room ls` lists them, `seabag room new --as {alias}` makes one"
            ))),
        }
    }

    /// Every room, by alias.
    pub(crate) fn all(&self) -> anyhow::Result<Vec<(String, Link)>> {
        let contents = self.read()?;
        contents.rooms.iter().map(|(alias, row)| Ok((alias.clone(), to_link(alias, row)?))).collect()
    }

    /// Fails when the alias cannot be given to a new room.
    pub(crate) fn check_free(&self, alias: &str) -> anyhow::Result<()> {
        check_alias(alias)?;
        if self.read()?.rooms.contains_key(alias) {
            return Err(usage(format!(
                "there is a room {alias} already; `seabag room forget {alias}` frees the name"
            )));
        }
        Ok(())
    }

    /// Gives a room a name that is free.
    pub(crate) fn add(&self, alias: &str, link: &Link) -> anyhow::Result<()> {
        let _guard = self.lock()?;
        self.check_free(alias)?;
        let mut contents = self.read()?;
        let row = Row { server: link.server.clone(), id: link.address.reveal().to_owned() };
        contents.rooms.insert(alias.to_owned(), row);
        self.write(&contents)
    }

    /// Forgets a name. Whether there was one.
    pub(crate) fn remove(&self, alias: &str) -> anyhow::Result<bool> {
        let _guard = self.lock()?;
        let mut contents = self.read()?;
        let removed = contents.rooms.remove(alias).is_some();
        if removed {
            self.write(&contents)?;
        }
        Ok(removed)
    }

    fn read(&self) -> anyhow::Result<Contents> {
        let path = self.path();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Contents::default()),
            Err(error) => bail!("cannot read {}: {error}", path.display()),
        };
        warn_if_others_can_read(&path);
        // The parser's own message would quote a line, and with it an id.
        toml::from_str(&text).map_err(|error| {
            let place =
                error.span().map_or(0, |span| text.get(..span.start).unwrap_or(&text).lines().count());
            usage(format!("{} is damaged near line {place}: {}", path.display(), error.message()))
        })
    }

    fn write(&self, contents: &Contents) -> anyhow::Result<()> {
        let text = toml::to_string(contents).context("cannot write the aliases")?;
        place::replace_private_file(&self.path(), format!("{OPENING}{text}").as_bytes())
    }

    fn lock(&self) -> anyhow::Result<File> {
        place::lock(&self.directory, "rooms.lock")
    }
}

/// Refuses what is no alias, and explains when it looks like an id.
pub(crate) fn check_alias(text: &str) -> anyhow::Result<()> {
    if looks_secret(text) {
        return Err(usage(
            "this looks like a room's id or URL. An id is a secret, and other users of this machine can see \
             arguments: give the room a name with `seabag room add NAME` (it reads the id from standard input), or \
             put the id into a file and write @FILE, or into the variable SEABAG_ROOM",
        ));
    }
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    let rest = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if !first || !rest || text.len() > ALIAS_CHARACTERS_MAX {
        return Err(usage(format!(
            "{text:?} is no alias: it has at most {ALIAS_CHARACTERS_MAX} of A-Z a-z 0-9 - _ . and starts with a \
             letter or digit"
        )));
    }
    Ok(())
}

fn looks_secret(text: &str) -> bool {
    text.contains("/room/") || text.contains("://") || RoomAddress::parse(text).is_ok()
}

fn to_link(alias: &str, row: &Row) -> anyhow::Result<Link> {
    Link::parse(&row.id, &row.server).map_err(|error| usage(format!("the room {alias} is damaged: {error}")))
}

fn warn_if_others_can_read(path: &Path) {
    if fs::metadata(path).is_ok_and(|metadata| place::is_open_to_others(&metadata)) {
        output::warning(&format!("other users can read {}: chmod 600 it", path.display()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";

    fn link() -> Link {
        Link::parse(ID, "http://s:1").unwrap()
    }

    #[test]
    fn a_room_is_found_by_its_alias_until_it_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let aliases = Aliases::in_directory(directory.path().join("deep").join("seabag"));
        assert!(aliases.find("build").is_err());
        aliases.add("build", &link()).unwrap();
        assert!(aliases.add("build", &link()).is_err(), "a name is not taken twice");
        assert_eq!(aliases.find("build").unwrap().http(""), format!("http://s:1/room/{ID}"));
        assert_eq!(aliases.all().unwrap().len(), 1);
        assert!(aliases.remove("build").unwrap());
        assert!(!aliases.remove("build").unwrap());
        assert!(aliases.find("build").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let aliases = Aliases::in_directory(directory.path().join("seabag"));
        aliases.add("build", &link()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&aliases.path()), mode(&aliases.directory)), (0o600, 0o700));
    }

    #[test]
    fn an_id_is_never_an_alias_and_is_not_repeated() {
        let url = format!("https://s/room/{ID}");
        for text in [ID, "ro.AAAAAAAAAAAAAAAAAAAAAA", url.as_str()] {
            let error = check_alias(text).unwrap_err().to_string();
            assert!(error.contains("secret") && !error.contains(ID), "{error}");
        }
        for text in ["", "-x", "a b", "ünder", "abcdefghijklmnopqrstu", ".hidden"] {
            assert!(check_alias(text).is_err(), "{text}");
        }
        for text in ["build", "a", "team-1_x.y", "abcdefghijklmnopqrst"] {
            assert!(check_alias(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_damaged_file_is_refused_without_being_quoted() {
        let directory = tempfile::tempdir().unwrap();
        let aliases = Aliases::in_directory(directory.path().to_path_buf());
        fs::write(aliases.path(), format!("[rooms.a]\nid = \"{ID}\" x\n")).unwrap();
        let error = format!("{:#}", aliases.find("a").unwrap_err());
        assert!(error.contains("damaged") && !error.contains(ID), "{error}");
    }
}

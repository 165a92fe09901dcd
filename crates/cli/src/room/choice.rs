//! Which room a command is about: an alias, a file, or a variable. Never an id in an argument.

use std::collections::VecDeque;
use std::path::Path;

use clap::Args;

use super::aliases::Aliases;
use crate::client::SERVER_DEFAULT;
use crate::client::link::Link;
use crate::exit::usage;
use crate::settings::parse_url;

/// How a command names its room.
#[derive(Debug, Default, Args)]
pub(crate) struct RoomChoice {
    /// The room: its alias, or @FILE with a file that holds its id or URL. Or the variable SEABAG_ROOM (an alias,
    /// @FILE, an id or a URL). Without either, the first argument is the alias.
    #[arg(long, short, value_name = "ALIAS|@FILE")]
    room: Option<String>,
    /// The server of a room that is given by its id alone.
    #[arg(long, value_name = "URL", env = "SEABAG_SERVER", default_value = SERVER_DEFAULT, value_parser = parse_url)]
    server: String,
}

/// A room that was chosen.
#[derive(Debug)]
pub(crate) struct Chosen {
    /// What to call it.
    pub(crate) name: String,
    /// Its alias, if it was chosen by one.
    pub(crate) alias: Option<String>,
    /// Where it is.
    pub(crate) link: Link,
}

/// The words of a command line that no flag belongs to, the room's alias taken away.
#[derive(Debug)]
pub(crate) struct Words(VecDeque<String>);

impl Words {
    /// The next one, which must be there: [`RoomChoice::resolve`] has counted them.
    pub(crate) fn required(&mut self, name: &str) -> anyhow::Result<String> {
        self.0.pop_front().ok_or_else(|| usage(format!("{name} is missing")))
    }

    /// The next one, if any.
    pub(crate) fn optional(&mut self) -> Option<String> {
        self.0.pop_front()
    }
}

impl RoomChoice {
    /// Finds the room, and checks how many words are left for the command: `required`, then `optional` ones. The
    /// first word is the room's alias only if nothing else names the room, so words do not know their places.
    pub(crate) fn resolve(
        &self,
        words: impl IntoIterator<Item = Option<String>>,
        required: &[&str],
        optional: &[&str],
    ) -> anyhow::Result<(Chosen, Words)> {
        let variable = std::env::var("SEABAG_ROOM").ok().filter(|text| !text.is_empty());
        let mut words = words.into_iter().flatten().collect::<VecDeque<_>>();
        let (chosen, by_variable) = match (&self.room, variable) {
            (Some(text), _) => (self.by_argument(text)?, false),
            (None, Some(text)) => (self.by_text(&text)?, true),
            (None, None) => match words.pop_front() {
                Some(text) => (self.by_argument(&text)?, false),
                None => return Err(usage("which room? Name it by its alias; `seabag room ls` lists them")),
            },
        };
        let hint =
            if by_variable { " (the variable SEABAG_ROOM names the room, so no argument does)" } else { "" };
        if let Some(missing) = required.get(words.len()) {
            return Err(usage(format!("{missing} is missing{hint}")));
        }
        if let Some(extra) = words.get(required.len() + optional.len()) {
            return Err(usage(format!("{extra:?} is one argument too many{hint}")));
        }
        Ok((chosen, Words(words)))
    }

    fn by_argument(&self, text: &str) -> anyhow::Result<Chosen> {
        if let Some(path) = text.strip_prefix('@') {
            return self.by_file(path);
        }
        let link = Aliases::of_this_user()?.find(text)?;
        Ok(Chosen { name: text.to_owned(), alias: Some(text.to_owned()), link })
    }

    /// A variable is the user's own, so an id may stand there.
    fn by_text(&self, text: &str) -> anyhow::Result<Chosen> {
        match Link::parse(text, &self.server) {
            Ok(link) => Ok(Chosen { name: "SEABAG_ROOM".into(), alias: None, link }),
            Err(_) => self.by_argument(text),
        }
    }

    fn by_file(&self, path: &str) -> anyhow::Result<Chosen> {
        let text = std::fs::read_to_string(Path::new(path))
            .map_err(|error| usage(format!("cannot read the room in {path}: {error}")))?;
        let link = Link::parse(&text, &self.server).map_err(|error| usage(format!("{path}: {error}")))?;
        Ok(Chosen { name: format!("@{path}"), alias: None, link })
    }
}

//! How a session gets at its database: its own, or one that others use too. A shared one is held for one call at a
//! time, never while signatures are checked and bags are opened, so that no link keeps another waiting, or a person.

use std::fmt;

use parking_lot::Mutex;
use seabag_entdb::Database;

/// A database to work with.
pub enum Access<'a> {
    /// Nobody else uses it.
    Own(&'a mut Database),
    /// Others do.
    Shared(&'a Mutex<Database>),
}

impl Access<'_> {
    /// Does something with the database.
    pub fn with<R>(&mut self, work: impl FnOnce(&mut Database) -> R) -> R {
        match self {
            Self::Own(database) => work(database),
            Self::Shared(shared) => work(&mut shared.lock()),
        }
    }
}

impl fmt::Debug for Access<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Own(_) => "Own(..)",
            Self::Shared(_) => "Shared(..)",
        })
    }
}

impl<'a> From<&'a mut Database> for Access<'a> {
    fn from(database: &'a mut Database) -> Self {
        Self::Own(database)
    }
}

impl<'a> From<&'a Mutex<Database>> for Access<'a> {
    fn from(database: &'a Mutex<Database>) -> Self {
        Self::Shared(database)
    }
}

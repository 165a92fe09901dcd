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
    let owner = database.claim(&own)?;
    if owner == own {
        return Ok(());
    }
    Err(usage(format!(
        "{} belongs to the seed with the fingerprint {owner}, and this one's is {own}: use that seed (--seed-file \
         FILE), or another database (--database FILE)",
        path.display()
    )))
}

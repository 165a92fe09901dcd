//! `seabag keys show`: what follows from the seed and may be told. The seed itself only when that is asked for.

use clap::Args;
use data_encoding::HEXLOWER;
use seabag_crypto::HostKeys;
use serde::Serialize;

use super::LABEL_DEFAULT;
use super::seed_file::{SEED_VARIABLE, SeedChoice, SeedPlace, fingerprint};
use crate::exit::{Exit, usage};
use crate::output::{self, Lines};

/// Show the account and the fingerprint that follow from the seed.
#[derive(Debug, Args)]
#[command(after_help = "\
The fingerprint tells one seed from another. The account is the public key under which a host knows you; it is \
another one for each label and index, and nobody can tell that two of them are one person.")]
pub(crate) struct Show {
    /// The account's label.
    #[arg(long, default_value = LABEL_DEFAULT)]
    label: String,
    /// The account's index.
    #[arg(long, value_name = "N", default_value_t = 0)]
    index: u64,
    /// Print the seed itself, as 64 hexadecimal digits, and nothing else.
    #[arg(long, conflicts_with_all = ["label", "index", "json"])]
    secret: bool,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown<'a> {
    seed_in: &'a str,
    fingerprint: &'a str,
    label: &'a str,
    index: u64,
    account: &'a str,
}

/// Shows it.
pub(crate) fn run(command: Show, choice: &SeedChoice) -> anyhow::Result<Exit> {
    if command.label.is_empty() {
        return Err(usage("a label is not empty: no account has an empty one"));
    }
    let seed = choice.require()?;
    let mut lines = Lines::stdout();
    if command.secret {
        lines.write_raw(seed.reveal_hex().as_bytes())?;
        lines.write_raw(b"\n")?;
        lines.flush()?;
        return Ok(Exit::Done);
    }
    let seed_in = match choice.place()? {
        SeedPlace::Variable => format!("variable {SEED_VARIABLE}"),
        SeedPlace::File(path) => path.display().to_string(),
    };
    let keys = HostKeys::derive(&seed, &command.label, command.index);
    let (fingerprint, account) = (fingerprint(&seed), HEXLOWER.encode(&keys.public().0));
    if command.json {
        let index = command.index;
        let label = command.label.as_str();
        return output::print(&Shown {
            seed_in: &seed_in,
            fingerprint: &fingerprint,
            label,
            index,
            account: &account,
        })
        .map(|()| Exit::Done);
    }
    let index = command.index;
    let text = format!(
        "seed         {seed_in}\nfingerprint  {fingerprint}\naccount      {account}\n             label {:?}, index {index}\n",
        command.label
    );
    lines.write_raw(text.as_bytes())?;
    lines.flush()?;
    Ok(Exit::Done)
}

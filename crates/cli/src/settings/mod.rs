//! The settings of `seabag serve`: one table, four sources (flag, variable, file, default), one result.

mod configuration;
mod flags;
mod layer;
mod print;
mod table;
pub(crate) mod units;

pub(crate) use configuration::{Configuration, Token};
pub(crate) use flags::SettingFlags;
pub(crate) use layer::read_secret;
pub(crate) use print::{durability as print_durability, print};
pub(crate) use table::{DurabilityChoice, RegistrationChoice, parse_durability, parse_url};

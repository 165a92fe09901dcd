//! The flags of `seabag serve`, made from the tables, so that a setting is declared once.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use seabag_protocol::limits::Limits;

use super::layer::Layer;
use super::table::{self, Kind, SETTINGS, SettingInfo};

/// What the command line says of settings and limits.
#[derive(Clone, Debug)]
pub(crate) struct SettingFlags {
    /// The settings that were given, as text that was checked.
    pub(crate) layer: Layer,
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        let command = SETTINGS.iter().fold(command, |command, info| command.arg(setting_argument(info)));
        Limits::TABLE.iter().fold(command, |command, info| {
            let kind = table::kind(info.name);
            let default = kind.write_number(info.default).replace('"', "");
            let about = info.about.trim();
            let help = format!("{about} [default: {default}]");
            command.arg(
                argument(info.name, kind)
                    .value_name(kind.placeholder())
                    .help(help)
                    .help_heading("Limits")
                    .hide_short_help(true),
            )
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let names = SETTINGS.iter().map(|info| info.name).chain(Limits::TABLE.iter().map(|info| info.name));
        let mut layer = Layer::new("the command line");
        for name in names {
            if let Some(text) = matches.get_one::<String>(name) {
                layer.insert(name, text.clone());
            }
        }
        Ok(Self { layer })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn setting_argument(info: &SettingInfo) -> Arg {
    let help = match info.default {
        Some(default) if info.kind != Kind::Flag => format!("{} [default: {default}]", info.about),
        _ => info.about.to_owned(),
    };
    argument(info.name, info.kind).value_name(info.placeholder).help(help)
}

fn argument(name: &'static str, kind: Kind) -> Arg {
    let check = move |text: &str| kind.check(text).map(|()| text.to_owned());
    let argument = Arg::new(name).long(table::flag(name)).action(ArgAction::Set).value_parser(check);
    if kind == Kind::Flag {
        // `--memory` means true; `--memory=false` overrides a variable or the file.
        return argument.num_args(0..=1).require_equals(true).default_missing_value("true");
    }
    argument
}

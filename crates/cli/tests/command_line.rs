//! The built program, for all that needs no server: help, configuration, refusals, exit codes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";
/// Nothing listens there: the port is reserved and never given out.
const NOBODY: &str = "http://127.0.0.1:1";

struct Program {
    home: tempfile::TempDir,
}

impl Program {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_seabag"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SEABAG_") {
                command.env_remove(name);
            }
        }
        command.args(words).env("SEABAG_HOME", self.home.path()).current_dir(self.home.path());
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    fn run_with_input(&self, words: &[&str], input: &str) -> Output {
        let mut command = self.command(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that refuses at once does not read it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

const COMMANDS: [&str; 48] = [
    "",
    "serve",
    "health",
    "room",
    "room new",
    "room add",
    "room ls",
    "room forget",
    "room push",
    "room get",
    "room tail",
    "room keys",
    "room compact",
    "room trim",
    "room info",
    "room export",
    "room import",
    "room rm",
    "keys",
    "keys new",
    "keys show",
    "keys words",
    "ent",
    "ent link",
    "ent unlink",
    "ent put",
    "ent get",
    "ent ls",
    "ent rm",
    "ent tree",
    "ent watch",
    "ent sync",
    "ent status",
    "ent history",
    "ent undo",
    "ent keep",
    "ent export",
    "ent import",
    "ent delete-account",
    "admin",
    "admin backup",
    "admin restore",
    "admin check",
    "admin stats",
    "admin rooms",
    "admin delete",
    "bench",
    "bench fanout",
];

fn help(program: &Program, words: &str) -> String {
    let mut words: Vec<&str> = words.split_whitespace().collect();
    words.push("--help");
    let output = program.command(&words).env("COLUMNS", "100").output().unwrap();
    assert_eq!(code(&output), 0, "{words:?}");
    stdout(&output)
}

#[test]
fn every_command_has_help() {
    let program = Program::new();
    for words in COMMANDS {
        let help = help(&program, words);
        assert!(help.contains("Usage:"), "{words}");
        assert!(!help.contains("> <KEY> <VALUE]") && !help.contains("]...\n"), "{words}: {help}");
    }
}

#[test]
fn help_is_broken_into_lines_where_the_terminal_ends_and_nowhere_else() {
    let program = Program::new();
    for words in COMMANDS {
        let help = help(&program, words);
        let lines: Vec<&str> = help.lines().collect();
        for pair in lines.windows(2) {
            let [line, next] = pair else { continue };
            assert!(line.chars().count() <= 100, "{words}: {line:?}");
            // Indented lines are examples and options, a colon begins a list.
            let prose = |line: &str| !line.is_empty() && !line.starts_with(' ');
            if !prose(line) || !prose(next) || line.ends_with(':') {
                continue;
            }
            let word = next.split_whitespace().next().unwrap_or_default();
            let joined = line.chars().count() + 1 + word.chars().count();
            assert!(joined > 100, "{words}: {word:?} has room behind {line:?}");
        }
    }
}

#[test]
fn the_limits_have_a_heading_of_their_own_and_every_one_is_a_flag() {
    let help = stdout(&Program::new().run(&["serve", "--help"]));
    let (_, limits) = help.split_once("\nLimits:\n").unwrap();
    for info in seabag_protocol::limits::Limits::TABLE {
        assert!(limits.contains(&format!("--{} ", info.name.replace('_', "-"))), "{}", info.name);
    }
}

#[test]
fn a_flag_beats_a_variable_beats_the_file() {
    let program = Program::new();
    let file =
        program.file("seabag.toml", "listen = \"127.0.0.1:3\"\nroom_ttl = \"3h\"\n[limits]\nrooms_max = 3\n");
    let output = program
        .command(&["serve", "--config", &file, "--listen", "127.0.0.1:1", "--print-config"])
        .env("SEABAG_LISTEN", "127.0.0.1:2")
        .env("SEABAG_ROOM_TTL", "2h")
        .output()
        .unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let printed = stdout(&output);
    for line in ["listen = \"127.0.0.1:1\"", "room_ttl = \"2h\"", "rooms_max = 3"] {
        assert!(printed.lines().any(|printed| printed == line), "{line} is missing in\n{printed}");
    }
    let again = program.file("again.toml", &printed);
    assert_eq!(stdout(&program.run(&["serve", "--config", &again, "--print-config"])), printed);
}

#[test]
fn a_secret_is_never_printed() {
    let program = Program::new();
    let file = program.file("token", "hunter2\n");
    let output = program
        .command(&["serve", "--creation-token-file", &file, "--print-config"])
        .env("SEABAG_ADMIN_TOKEN", "hunter2")
        .output()
        .unwrap();
    assert_eq!(code(&output), 0);
    assert!(!stdout(&output).contains("hunter2"));
}

#[test]
fn configuration_that_cannot_be_meant_ends_with_exit_code_2() {
    let program = Program::new();
    let unknown = program.file("unknown.toml", "[limits]\nrooms_maximum = 1\n");
    let both = program.file("both.toml", "memory = true\ndata = \"d\"\n");
    let cases: [(&[&str], &str); 8] = [
        (&["serve", "--config", &unknown], "limits.rooms_maximum"),
        (&["serve", "--config", &both], "both data and memory"),
        (&["serve", "--config", "missing.toml"], "missing.toml"),
        (&["serve", "--listen", "nowhere"], "no address"),
        (&["serve", "--message-bytes-max", "1MB"], "no size"),
        (&["serve", "--tls-key", "k"], "tls_certificate"),
        (&["serve", "--nonsense"], "--nonsense"),
        (&["nonsense"], "nonsense"),
    ];
    for (words, expected) in cases {
        let output = program.run(words);
        assert_eq!(code(&output), 2, "{words:?}");
        assert!(stderr(&output).contains(expected), "{words:?}: {}", stderr(&output));
    }
    let output = program.command(&["serve"]).env("SEABAG_DURABILITY", "quick").output().unwrap();
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("SEABAG_DURABILITY"));
}

#[test]
fn a_room_id_is_refused_as_an_argument_and_not_repeated() {
    let program = Program::new();
    let url = format!("https://example.org/room/{ID}");
    let cases: [&[&str]; 5] = [
        &["room", "get", ID, "key"],
        &["room", "tail", &url],
        &["room", "push", "--room", ID, "key", "1"],
        &["room", "new", "--as", ID],
        &["room", "add", ID],
    ];
    for words in cases {
        let output = program.run(words);
        assert_eq!(code(&output), 2, "{words:?}");
        let told = stderr(&output);
        assert!(told.contains("secret") && !told.contains(ID), "{words:?}: {told}");
    }
}

#[test]
fn a_room_is_added_listed_and_forgotten_without_showing_its_id() {
    let program = Program::new();
    let added = program.run_with_input(&["room", "add", "build"], &format!("http://example.org/room/{ID}\n"));
    assert_eq!(code(&added), 0, "{}", stderr(&added));
    assert!(!stderr(&added).contains(ID));
    let listed = stdout(&program.run(&["room", "ls"]));
    assert!(listed.contains("build") && listed.contains("http://example.org") && !listed.contains(ID));
    assert!(stdout(&program.run(&["room", "ls", "--show-ids"])).contains(ID));
    assert!(stdout(&program.run(&["room", "ls", "--json"])).starts_with("{\"alias\":\"build\""));
    assert_eq!(code(&program.run_with_input(&["room", "add", "build"], ID)), 2, "the name is taken");
    assert_eq!(code(&program.run(&["room", "forget", "build"])), 0);
    assert_eq!(code(&program.run(&["room", "forget", "build"])), 2);
    assert_eq!(code(&program.run_with_input(&["room", "add", "other"], "no id")), 2);
}

#[test]
fn a_value_that_is_no_json_comes_with_a_way_out() {
    let program = Program::new();
    let push = |words: &[&str]| {
        let mut all = vec!["room", "push", "key"];
        all.extend(words);
        program.command(&all).env("SEABAG_ROOM", ID).env("SEABAG_SERVER", NOBODY).output().unwrap()
    };
    let output = push(&["hello"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("--text"));
    assert_eq!(code(&push(&["1", "--action", "compact"])), 2, "compact needs a number");
    let output = push(&["build", "log"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("SEABAG_ROOM"), "a room named twice: {}", stderr(&output));
}

#[test]
fn a_server_that_is_away_is_a_failure_and_no_secret_is_shown() {
    let program = Program::new();
    let at_nobody = |words: &[&str]| {
        let mut command = program.command(words);
        command.env("SEABAG_ROOM", ID).env("SEABAG_SERVER", NOBODY).env("SEABAG_ADMIN", NOBODY);
        command.output().unwrap()
    };
    let cases: [&[&str]; 8] = [
        &["health"],
        &["room", "push", "key", "1"],
        &["room", "push", "key", "--lines"],
        &["room", "get", "key"],
        &["room", "tail"],
        &["room", "export"],
        &["room", "new"],
        &["admin", "stats"],
    ];
    for words in cases {
        let output = at_nobody(words);
        assert_eq!(code(&output), 1, "{words:?}: {}", stderr(&output));
        assert!(!stderr(&output).contains(ID), "{words:?}");
        assert!(stdout(&output).is_empty(), "{words:?}");
    }
}

#[test]
fn restore_and_check_refuse_what_is_not_there() {
    let program = Program::new();
    let output = program.run(&["admin", "check", "--data", "nowhere"]);
    assert_eq!(code(&output), 2);
    assert!(!Path::new(program.home.path()).join("nowhere").exists(), "checking makes nothing");
    let backup = program.file("backup", "no backup");
    assert_eq!(code(&program.run(&["admin", "restore", "--data", "restored", &backup])), 1);
    assert_eq!(code(&program.run(&["admin", "restore", "--data", "restored", "missing"])), 1);
}

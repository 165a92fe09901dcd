//! What is under `deploy/` fits the program: the proxy's configuration with a real nginx, the configuration file, and
//! the command lines of the unit and of the image.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod cli_support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cli_support::User;
use seabag_testing::process::ServerProcess;
use seabag_testing::process::program;

/// The proxy's test bounds each of its own steps; this bounds their sum.
const PROXY_DEADLINE: Duration = Duration::from_secs(300);

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(deploy(name)).unwrap()
}

/// What is called with `--help` or the like, and is there.
fn is_installed(program: &str) -> bool {
    let paths = std::env::var("PATH").unwrap_or_default() + ":/usr/local/sbin:/usr/sbin:/sbin";
    std::env::split_paths(&paths).any(|directory| directory.join(program).is_file())
}

/// Runs `seabag serve`'s words with `--print-config` behind them, in a directory of its own. What it prints.
fn configuration(user: &User, words: &[&str]) -> String {
    let words: Vec<&str> = words.iter().copied().chain(["--print-config"]).collect();
    user.run(&words).good().stdout
}

fn assert_line(printed: &str, wanted: &str) {
    assert!(printed.lines().any(|line| line == wanted), "{wanted} is missing in\n{printed}");
}

/// A server's start builds the program.
async fn build() {
    drop(ServerProcess::start().await);
}

#[tokio::test]
async fn nginx_with_our_configuration_passes_everything_on_and_leaks_nothing() {
    build().await;
    for program in ["nginx", "openssl", "curl"] {
        assert!(
            is_installed(program),
            "{program} is missing: scripts/test rust installs what the tests need"
        );
    }
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut child = Command::new(deploy("test-proxy"))
        .arg(program())
        .stdin(Stdio::null())
        .stdout(log.reopen().unwrap())
        .stderr(log.reopen().unwrap())
        .spawn()
        .unwrap();
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if started.elapsed() > PROXY_DEADLINE {
            // It ends what it started when it is asked to.
            let _ = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status();
            let _ = child.wait();
            panic!(
                "deploy/test-proxy did not end in time:\n{}",
                std::fs::read_to_string(log.path()).unwrap()
            );
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let told = std::fs::read_to_string(log.path()).unwrap();
    assert!(status.success(), "{told}");
    assert!(told.lines().filter(|line| line.starts_with("ok ")).count() >= 8, "{told}");
}

#[tokio::test]
async fn the_configuration_file_is_accepted_and_means_what_it_says() {
    build().await;
    let user = User::new();
    let file = deploy("seabag.toml").display().to_string();
    let printed = configuration(&user, &["serve", "--config", &file]);
    for line in
        ["listen = \"127.0.0.1:8080\"", "data = \"/var/lib/seabag\"", "admin_listen = \"127.0.0.1:8081\""]
    {
        assert_line(&printed, line);
    }
}

#[tokio::test]
async fn every_setting_that_the_configuration_file_offers_in_a_comment_exists() {
    build().await;
    let user = User::new();
    let text = read("seabag.toml");
    let (settings, _) = text.split_once("\n[limits]").unwrap();
    let offered: Vec<&str> = settings
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| line.split_once(" = ").is_some_and(|(name, _)| !name.contains(' ')))
        .collect();
    assert!(offered.len() >= 5, "{offered:?}");
    let file = user.file("offered.toml", offered.join("\n"));
    let printed = configuration(&user, &["serve", "--config", &file]);
    assert_line(&printed, "public_url = \"https://seabag.example.org\"");
    assert_line(&printed, "tls_key = \"/etc/seabag/key.pem\"");
}

#[tokio::test]
async fn the_units_command_line_is_accepted() {
    build().await;
    let unit = read("seabag.service");
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let file = deploy("seabag.toml").display().to_string();
    let line = line.replace("/etc/seabag/seabag.toml", &file);
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[0], "/usr/local/bin/seabag");
    let user = User::new();
    let printed = configuration(&user, &words[1..]);
    // The unit makes the directory that the configuration names.
    assert!(unit.lines().any(|line| line == "StateDirectory=seabag"));
    assert_line(&printed, "data = \"/var/lib/seabag\"");
    // What a restart cannot mend is not restarted.
    assert!(unit.lines().any(|line| line == "RestartPreventExitStatus=2"));
    user.run(&["serve", "--config", "missing.toml"]).bad(2, "missing.toml");
}

#[tokio::test]
async fn the_images_command_lines_are_accepted() {
    build().await;
    let file = read("Dockerfile").replace("\\\n", " ");
    let list = |instruction: &str| -> Vec<String> {
        let line = file.lines().map(str::trim).rfind(|line| line.contains(instruction)).unwrap();
        let (_, list) = line.rsplit_once(instruction).unwrap();
        serde_json::from_str(list.trim()).unwrap_or_else(|error| panic!("{error} in {line}"))
    };
    assert_eq!(list("ENTRYPOINT"), ["seabag"]);
    let command = file.lines().find_map(|line| line.strip_prefix("CMD ")).unwrap();
    let command: Vec<String> = serde_json::from_str(command).unwrap();
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    // As in the compose file.
    let compose = read("compose.yaml");
    let admin = compose.lines().find_map(|line| line.trim().strip_prefix("SEABAG_ADMIN_LISTEN: ")).unwrap();
    let printed = configuration(&User::new().with("SEABAG_ADMIN_LISTEN", admin), &words);
    for line in ["listen = \"0.0.0.0:8080\"", "data = \"/data\"", "admin_listen = \"127.0.0.1:8081\""] {
        assert_line(&printed, line);
    }
    let health = file.lines().find(|line| line.starts_with("HEALTHCHECK")).unwrap();
    let (_, health) = health.split_once("CMD ").unwrap();
    let health: Vec<String> = serde_json::from_str(health).unwrap();
    assert_eq!(health[..2], ["seabag", "health"]);
    let words: Vec<&str> =
        health[1..].iter().map(String::as_str).chain(["--timeout", "1", "--help"]).collect();
    User::new().run(&words).good();
}

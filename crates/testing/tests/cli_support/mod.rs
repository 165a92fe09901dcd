//! The program as a user runs it: with a home of its own, against one server. Every run is bounded in time, every
//! process is ended by its own handle, and no run may show a room's id or a seed on standard error.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use seabag_testing::process::{DEADLINE, ServerProcess, program};
use serde_json::Value;
use tempfile::TempDir;

/// How often a condition is looked at again.
const PAUSE: Duration = Duration::from_millis(10);

/// Waits until something is so.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < DEADLINE, "not in time: {what}");
        std::thread::sleep(PAUSE);
    }
}

/// A user.
pub(crate) struct User {
    home: TempDir,
    variables: Vec<(String, String)>,
}

impl User {
    /// Somebody who uses no server yet.
    pub(crate) fn new() -> Self {
        let user = Self { home: TempDir::new().unwrap(), variables: Vec::new() };
        let home = user.home.path().display().to_string();
        user.with("SEABAG_HOME", &home)
    }

    /// Somebody who uses this server.
    pub(crate) fn of(server: &ServerProcess) -> Self {
        let url = format!("http://{}", server.address());
        let admin = format!("http://{}", server.admin_address());
        Self::new().with("SEABAG_SERVER", &url).with("SEABAG_ADMIN", &admin)
    }

    /// Sets a variable.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A path in the user's own directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes a file there. Its path.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// The id behind an alias, as the file of aliases has it.
    pub(crate) fn id(&self, alias: &str) -> String {
        let listed = self.run(&["room", "ls", "--show-ids", "--json"]).good().lines();
        let line = listed.iter().find(|line| line["alias"] == alias).expect("the alias is known");
        line["id"].as_str().unwrap().to_owned()
    }

    fn command(&self, program: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SEABAG_") {
                command.env_remove(name);
            }
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.args(words).current_dir(self.home.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command of the program without input.
    pub(crate) fn run(&self, words: &[&str]) -> Done {
        self.start(words).done()
    }

    /// Runs it with this input.
    pub(crate) fn feed(&self, words: &[&str], input: impl AsRef<[u8]>) -> Done {
        let mut running = self.start(words);
        let mut pipe = running.input.take().unwrap();
        let input = input.as_ref().to_vec();
        // A command that ends early does not read all of it.
        let writer = std::thread::spawn(move || drop(pipe.write_all(&input)));
        let done = running.done();
        writer.join().unwrap();
        done
    }

    /// Runs words of the shell, in which `seabag` is the program.
    pub(crate) fn shell(&self, words: &str) -> Done {
        let shadow = format!("seabag() {{ '{}' \"$@\"; }}; {words}", program().display());
        Running::new(self.command(Path::new("/bin/bash"), &["-c", &shadow]), self.secrets()).done()
    }

    /// Starts a command and lets it run.
    pub(crate) fn start(&self, words: &[&str]) -> Running {
        Running::new(self.command(&program(), words), self.secrets())
    }

    /// Starts a command whose standard error goes elsewhere.
    pub(crate) fn start_telling(&self, words: &[&str], stderr: impl Into<Stdio>) -> Running {
        let mut command = self.command(&program(), words);
        command.stderr(stderr);
        Running::new(command, self.secrets())
    }

    /// What no command may show.
    fn secrets(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("rooms.toml")).unwrap_or_default();
        let ids = text.lines().filter_map(|line| line.strip_prefix("id = \"")?.strip_suffix('"'));
        let seed = std::fs::read_to_string(self.path("seed")).unwrap_or_default();
        ids.chain(seed.lines()).filter(|secret| secret.len() > 16).map(str::to_owned).collect()
    }
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    /// It must have done its work.
    pub(crate) fn good(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self
    }

    /// It must have ended with this code, and said this.
    pub(crate) fn bad(self, code: i32, words: &str) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.stderr.contains(words), "{words:?} is not in {:?}", self.stderr);
        self
    }

    /// Its output, one JSON object a line.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// Its only line of output.
    pub(crate) fn line(&self) -> Value {
        let mut lines = self.lines();
        assert_eq!(lines.len(), 1, "{self:?}");
        lines.remove(0)
    }

    /// One field of every line.
    pub(crate) fn field(&self, name: &str) -> Vec<Value> {
        self.lines().iter().map(|line| line[name].clone()).collect()
    }
}

/// A command that runs. Dropped, it is killed.
pub(crate) struct Running {
    child: Child,
    /// Its standard input, until somebody takes it or [`Running::done`] closes it.
    pub(crate) input: Option<ChildStdin>,
    output: Option<Receiver<String>>,
    /// `None` where it goes elsewhere.
    stderr: Option<JoinHandle<String>>,
    secrets: Vec<String>,
}

impl Running {
    fn new(mut command: Command, secrets: Vec<String>) -> Self {
        let mut child = command.spawn().expect("the program is there; a server's start builds it");
        let (input, out, err) = (child.stdin.take(), child.stdout.take().unwrap(), child.stderr.take());
        let (send, receive) = channel();
        std::thread::spawn(move || {
            let mut out = BufReader::new(out);
            let mut line = String::new();
            // Once nobody takes the lines, the pipe is closed, as `head` closes it.
            while matches!(out.read_line(&mut line), Ok(1..)) && send.send(std::mem::take(&mut line)).is_ok()
            {
            }
        });
        let read = |mut err: ChildStderr| {
            std::thread::spawn(move || {
                let mut text = String::new();
                err.read_to_string(&mut text).expect("standard error is text");
                text
            })
        };
        let running = Self { child, input, output: Some(receive), stderr: err.map(read), secrets };
        running.assert_arguments_keep_secrets();
        running
    }

    /// The process's number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its arguments, as other users of the machine see them.
    pub(crate) fn arguments(&self) -> String {
        let bytes = std::fs::read(format!("/proc/{}/cmdline", self.pid())).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    }

    fn assert_arguments_keep_secrets(&self) {
        let seen = self.arguments();
        assert!(!self.secrets.iter().any(|secret| seen.contains(secret)), "a secret in {seen}");
    }

    /// Writes to its standard input.
    pub(crate) fn write(&mut self, text: &str) {
        self.input.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// The next line of output as it is.
    pub(crate) fn text(&mut self) -> String {
        let output = self.output.as_ref().unwrap();
        output.recv_timeout(DEADLINE).expect("a line in time")
    }

    /// The next line of output that is a whole one, or `None` when there will be none.
    pub(crate) fn next_line(&mut self) -> Option<Value> {
        let text = self.output.as_ref().unwrap().recv_timeout(DEADLINE).ok()?;
        text.ends_with('\n').then(|| serde_json::from_str(&text).expect("a line of JSON"))
    }

    /// Ends it as a power cut does: the whole lines that it had written and nobody had read.
    pub(crate) fn kill(mut self) -> Vec<Value> {
        self.signal("KILL");
        let mut lines = Vec::new();
        while let Some(line) = self.next_line() {
            lines.push(line);
        }
        lines
    }

    /// The next line of output.
    pub(crate) fn line(&mut self) -> Value {
        let text = self.text();
        serde_json::from_str(&text).expect("a line of JSON")
    }

    /// The next line of output, if it is there already.
    pub(crate) fn try_line(&mut self) -> Option<Value> {
        let text = self.output.as_ref().unwrap().try_recv().ok()?;
        Some(serde_json::from_str(&text).expect("a line of JSON"))
    }

    /// Stops reading, as `head` does.
    pub(crate) fn read_no_more(&mut self) {
        self.output = None;
    }

    /// Sends it a signal: `INT`, `TERM`, `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        assert!(sent.unwrap().success());
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Ends its input and waits for its end: what it said since the last line that was read.
    pub(crate) fn done(mut self) -> Done {
        self.assert_arguments_keep_secrets();
        self.input = None;
        let started = Instant::now();
        let mut stdout = String::new();
        if let Some(output) = &self.output {
            let left = || DEADLINE.saturating_sub(started.elapsed());
            while let Ok(line) = output.recv_timeout(left()) {
                stdout.push_str(&line);
            }
        }
        wait_until("the command's end", || self.child.try_wait().unwrap().is_some());
        let status = self.child.wait().unwrap();
        let stderr = self.stderr.take().map(|stderr| stderr.join().unwrap()).unwrap_or_default();
        assert!(!self.secrets.iter().any(|secret| stderr.contains(secret)), "a secret in {stderr}");
        Done { code: status.code().expect("no signal ended it"), stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

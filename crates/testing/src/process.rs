//! A real server: the program `seabag serve` in a process of its own, on loopback ports that it keeps over restarts,
//! with data in a directory that goes away with it. Whatever happens to the test, the process is ended by its pid.

use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, Once};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::http_client::{Reply, Request};

/// No single step of a test takes longer, on a busy machine either.
pub const DEADLINE: Duration = Duration::from_secs(60);
/// How often a condition is looked at again.
const PAUSE: Duration = Duration::from_millis(10);
/// Ports of servers: below those that systems give to whoever asks for any, so that a server that is stopped finds
/// its own free when it starts again.
const PORTS: std::ops::Range<u64> = 20_000..32_000;

/// What a server is started with.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    flags: Vec<(String, String)>,
    variables: Vec<(String, String)>,
    /// Shell words before the program, such as a limit on the size of its files.
    prelude: Option<String>,
    data: Option<PathBuf>,
}

impl Setup {
    /// The defaults, with everything logged.
    pub fn new() -> Self {
        Self::default().variable("SEABAG_LOG", "trace")
    }

    /// Adds `--name value`.
    pub fn flag(mut self, name: &str, value: impl ToString) -> Self {
        self.flags.push((format!("--{name}"), value.to_string()));
        self
    }

    /// Sets a variable of the environment.
    pub fn variable(mut self, name: &str, value: impl ToString) -> Self {
        self.variables.push((name.to_owned(), value.to_string()));
        self
    }

    /// Runs shell words first, in the same process: `ulimit -f 100`.
    pub fn prelude(mut self, words: &str) -> Self {
        self.prelude = Some(words.to_owned());
        self
    }

    /// Uses this directory, which stays when the server goes.
    pub fn data(mut self, path: &Path) -> Self {
        self.data = Some(path.to_owned());
        self
    }

    /// Starts the server and waits until it listens.
    pub async fn start(self) -> ServerProcess {
        let home = TempDir::new().expect("a temporary directory");
        let data = self.data.clone().unwrap_or_else(|| home.path().join("data"));
        let mut server = ServerProcess {
            setup: self,
            home,
            data,
            address: some_address(),
            admin_address: some_address(),
            child: None,
            last_end: None,
            stderr: Arc::default(),
            capture: None,
        };
        let started = Instant::now();
        while let Err(end) = server.launch().await {
            let taken = server.found_address_taken() && started.elapsed() < DEADLINE;
            assert!(taken, "it did not start: {end}\n{}", server.stderr());
            (server.address, server.admin_address) = (some_address(), some_address());
        }
        server
    }
}

/// A server process, running or not.
#[derive(Debug)]
pub struct ServerProcess {
    setup: Setup,
    home: TempDir,
    data: PathBuf,
    address: String,
    admin_address: String,
    child: Option<Child>,
    last_end: Option<ExitStatus>,
    stderr: Arc<Mutex<Vec<u8>>>,
    /// Reads the running process's standard error.
    capture: Option<JoinHandle<()>>,
}

impl ServerProcess {
    /// A server with the defaults.
    pub async fn start() -> Self {
        Setup::new().start().await
    }

    /// Where clients connect: `127.0.0.1:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where the admin routes are.
    pub fn admin_address(&self) -> &str {
        &self.admin_address
    }

    /// Where it keeps its data.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// A directory for the test's own files, gone with the server.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// Everything that any run of it wrote to standard error: once it has ended, to the last word.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr.lock().unwrap()).into_owned()
    }

    /// What to start it with from the next start on.
    pub fn set_up(&mut self, change: impl FnOnce(Setup) -> Setup) {
        self.setup = change(std::mem::take(&mut self.setup));
    }

    /// Starts it again on the same data and ports.
    pub async fn restart(&mut self) {
        self.try_restart().await.unwrap_or_else(|end| panic!("it did not start: {end}\n{}", self.stderr()));
    }

    /// Starts it again, or says how it ended instead.
    pub async fn try_restart(&mut self) -> Result<(), ExitStatus> {
        assert!(self.child.is_none(), "the server still runs");
        let started = Instant::now();
        loop {
            match self.launch().await {
                // Its clients know it by this address: whoever has it now is waited for.
                Err(_) if self.found_address_taken() && started.elapsed() < DEADLINE => {
                    tokio::time::sleep(PAUSE).await;
                }
                done => return done,
            }
        }
    }

    /// Whether its last run ended because somebody else listens at one of its addresses.
    fn found_address_taken(&self) -> bool {
        self.stderr().lines().next_back().is_some_and(|line| line.contains("cannot listen on"))
    }

    async fn launch(&mut self) -> Result<(), ExitStatus> {
        let ready = self.home.path().join("ready.json");
        let _ = std::fs::remove_file(&ready);
        let mut child = self.command(&ready).spawn().expect("the program starts");
        self.capture = Some(capture(&mut child, Arc::clone(&self.stderr)));
        self.child = Some(child);
        let started = Instant::now();
        loop {
            if let Ok(text) = std::fs::read_to_string(&ready) {
                let told: Value = serde_json::from_str(&text).expect("the ready file is JSON");
                self.address = told["address"].as_str().expect("an address").to_owned();
                self.admin_address = told["admin_address"].as_str().expect("an address").to_owned();
                return Ok(());
            }
            if let Some(status) = self.ended() {
                return Err(status);
            }
            assert!(started.elapsed() < DEADLINE, "not ready in time:\n{}", self.stderr());
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn command(&self, ready: &Path) -> Command {
        let program = program();
        let mut command = match &self.setup.prelude {
            None => Command::new(&program),
            Some(words) => {
                let mut shell = Command::new("/bin/sh");
                shell.arg("-c").arg(format!("{words}; exec \"$0\" \"$@\"")).arg(&program);
                shell
            }
        };
        // Nothing of the tester's own settings.
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_seabags(name)) {
            command.env_remove(name);
        }
        command.arg("serve").arg("--listen").arg(&self.address);
        command.arg("--admin-listen").arg(&self.admin_address);
        command.arg("--data").arg(&self.data).arg("--ready-file").arg(ready);
        command.args(self.setup.flags.iter().flat_map(|(name, value)| [name, value]));
        command.envs(self.setup.variables.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.home.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// How the process ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut()?.try_wait().expect("its own child")?;
        self.child = None;
        self.last_end = Some(status);
        self.hear_out();
        Some(status)
    }

    /// Waits for the last words of a process that has ended.
    fn hear_out(&mut self) {
        if let Some(capture) = self.capture.take() {
            capture.join().expect("it only reads");
        }
    }

    /// How its last run ended; `None` while it runs.
    pub fn ended_with(&mut self) -> Option<ExitStatus> {
        match self.child {
            Some(_) => self.ended(),
            None => self.last_end,
        }
    }

    /// Waits for the process's end.
    pub async fn wait(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(started.elapsed() < DEADLINE, "it did not end in time:\n{}", self.stderr());
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Sends it a signal: `TERM`, `KILL`.
    pub fn signal(&self, name: &str) {
        let done = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        assert!(done.expect("kill is there").success());
    }

    /// Asks it to stop, as an init system does.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Asks it to stop and waits.
    pub async fn stop(&mut self) -> ExitStatus {
        self.terminate();
        self.wait().await
    }

    /// Ends it at once, as a power cut ends a process.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
            self.hear_out();
        }
    }

    /// A request to the clients' address.
    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(&self.address, method, path)
    }

    /// A request to the admin address.
    pub fn admin(&self, method: &str, path: &str) -> Request {
        Request::new(&self.admin_address, method, path)
    }

    /// Creates a room. Its body: `room`, `read_only`, `epoch`, …
    pub async fn new_room_body(&self) -> Value {
        let reply = self.request("POST", "/new").send().await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    /// Creates a room. Its id.
    pub async fn new_room(&self) -> String {
        self.new_room_body().await["room"].as_str().expect("an id").to_owned()
    }

    /// Posts one message, or a list, to a room.
    pub async fn send(&self, room: &str, body: &Value) -> Reply {
        self.request("POST", &format!("/room/{room}/send")).json(body).send().await
    }

    /// Appends by HTTP.
    pub async fn append(&self, room: &str, key: &str, value: Value) {
        let action = serde_json::json!({"type": "append"});
        let push = serde_json::json!({"type": "push", "key": key, "value": value, "action": action});
        let reply = self.send(room, &push).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }

    /// All that a room retains, ascending, read page by page over HTTP.
    pub async fn entries(&self, room: &str) -> Vec<Value> {
        let mut all = Vec::new();
        let mut since = "0".to_owned();
        loop {
            let reply = self.request("GET", &format!("/room/{room}/stream?since={since}")).send().await;
            assert_eq!(reply.status, 200, "{reply:?}");
            let page = reply.json();
            all.extend(page["data"].as_array().expect("a page").iter().cloned());
            match page["next"].as_u64() {
                Some(next) => since = format!("{}.{next}", page["epoch"].as_str().expect("an epoch")),
                None => return all,
            }
        }
    }

    /// One number of the metrics, such as `seabag_rooms_loaded`.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.admin("GET", "/metrics").send().await.text();
        let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        found.unwrap_or_else(|| panic!("no {name} in\n{text}"))
    }

    /// Waits until a number of the metrics is as wanted.
    pub async fn wait_for_metric(&self, name: &str, wanted: impl Fn(f64) -> bool) {
        let started = Instant::now();
        loop {
            let now = self.metric(name).await;
            if wanted(now) {
                return;
            }
            assert!(started.elapsed() < DEADLINE, "{name} stays at {now}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Panics unless another room can be made, written and read as always.
    pub async fn assert_serves(&self) {
        let room = self.new_room().await;
        self.append(&room, "still", Value::from("here")).await;
        let entries = self.entries(&room).await;
        assert_eq!(entries.len(), 1, "{entries:?}");
        assert_eq!(entries[0]["value"], "here");
    }

    /// Panics if a secret, such as a room's id, shows in the log or in the metrics.
    pub async fn assert_keeps(&self, secrets: &[&str]) {
        let metrics = self.admin("GET", "/metrics").send().await.text();
        let log = self.stderr();
        assert!(!log.is_empty(), "the log was asked for");
        for secret in secrets {
            assert!(!metrics.contains(secret), "a secret in the metrics");
            let line = log.lines().find(|line| line.contains(secret));
            assert!(line.is_none(), "a secret in the log: {line:?}");
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.stderr();
            let from = log.len().saturating_sub(4_000);
            let tail = log.get(from..).unwrap_or(&log);
            eprintln!("--- the server's last words ---\n{tail}");
        }
    }
}

fn is_seabags(name: &OsString) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("SEABAG_") && name != "SEABAG_BINARY"
}

fn capture(child: &mut Child, into: Arc<Mutex<Vec<u8>>>) -> JoinHandle<()> {
    let mut pipe = child.stderr.take().expect("it was piped");
    // Ends with the process, whose end closes the pipe.
    std::thread::spawn(move || {
        let mut buffer = [0; 8_192];
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            into.lock().unwrap().extend_from_slice(&buffer[..count]);
        }
    })
}

/// A loopback address that is most likely free. Only who listens there knows for sure.
fn some_address() -> String {
    let chance = RandomState::new().hash_one(0);
    format!("127.0.0.1:{}", PORTS.start + chance % (PORTS.end - PORTS.start))
}

/// Runs another command of the program under test to its end.
pub fn run_program(arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(program());
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_seabags(name)) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null()).output().expect("the program runs")
}

/// The program under test: `SEABAG_BINARY`, or the one that cargo puts beside the tests, built if it is missing.
pub fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("SEABAG_BINARY") {
        return path.into();
    }
    let test = std::env::current_exe().expect("the test has a path");
    // target/debug/deps/test-1234 -> target/debug/seabag
    let directory = test.parent().and_then(Path::parent).expect("cargo's layout");
    let path = directory.join("seabag");
    static BUILD: Once = Once::new();
    BUILD.call_once(|| {
        if !path.exists() {
            let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let built = Command::new(cargo).args(["build", "-p", "seabag-cli"]).status();
            assert!(built.is_ok_and(|status| status.success()), "cargo build -p seabag-cli failed");
        }
    });
    path
}

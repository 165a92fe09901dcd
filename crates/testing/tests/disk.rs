//! A disk that fails or is full under a real server: nothing further is acknowledged, the process says why and
//! ends, and when the disk is repaired all that was acknowledged is there.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use seabag_protocol::host::status::Status;
use seabag_testing::host_client::{Account, Answer, Heard};
use seabag_testing::process::{ServerProcess, Setup};
use seabag_testing::socket::{Incoming, Opening, push_id, push_seqs};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::sleep;

const ALICE: &str = "alice-outbox-0000001";
/// The exit code that says: look at the disk.
const EXIT_STORAGE: i32 = 3;

/// Stands between the program and the system's library: while the file named by SHIM_TRIGGER exists, syncs of
/// files fail (SHIM_FAULT=sync), or writes to files do because the disk is full (SHIM_FAULT=full).
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static int faulty(const char *fault, int fd) {
    const char *trigger = getenv("SHIM_TRIGGER"), *wanted = getenv("SHIM_FAULT");
    struct stat status;
    if (!trigger || !wanted || strcmp(fault, wanted) || access(trigger, F_OK)) return 0;
    return !fstat(fd, &status) && (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode));
}

#define NEXT(name) static __typeof__(name) *next; if (!next) next = dlsym(RTLD_NEXT, #name)
#define SYNC(name) int name(int fd) { NEXT(name); \
    if (faulty("sync", fd)) { errno = EIO; return -1; } return next(fd); }
#define WRITE(type, name, parameters, arguments) type name parameters { NEXT(name); \
    if (faulty("full", fd)) { errno = ENOSPC; return -1; } return next arguments; }

SYNC(fsync)
SYNC(fdatasync)
WRITE(ssize_t, write, (int fd, const void *bytes, size_t count), (fd, bytes, count))
WRITE(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))
WRITE(ssize_t, pwrite64, (int fd, const void *bytes, size_t count, off64_t at), (fd, bytes, count, at))
WRITE(int, ftruncate64, (int fd, off64_t length), (fd, length))
"#;

/// Compiles the shim; `None` where there is no C compiler.
fn shim(home: &Path) -> Option<PathBuf> {
    let (source, library) = (home.join("shim.c"), home.join("shim.so"));
    fs::write(&source, SHIM).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl");
    match compiler.output() {
        Err(_) => {
            eprintln!("there is no C compiler here: not tested");
            None
        }
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(library)
        }
    }
}

/// Pushes and waits for each acknowledgement, until there is none. How many were acknowledged.
async fn push_until_refused(server: &ServerProcess, room: &str, from: u64, most: u64, filler: &str) -> u64 {
    let Ok(mut socket) = Opening::native().client(ALICE).try_connect(server, room).await else {
        return from - 1;
    };
    let Incoming::Message(_hello) = socket.next().await else { return from - 1 };
    for id in from..from + most {
        if socket.try_send(push_id("k", format!("{id}{filler}"), "append", id)).await.is_err() {
            return id - 1;
        }
        loop {
            match socket.next().await {
                Incoming::Message(message) if message["type"] == "ack" => {
                    assert_eq!(message["id"], id);
                    break;
                }
                Incoming::Message(message) if message["type"] == "error" => {
                    assert!(matches!(message["code"].as_str(), Some("unavailable")), "{message}");
                }
                Incoming::Message(_) => {}
                Incoming::Closed(code, _) => {
                    assert_eq!(code, 4102, "it may come back later");
                    return id - 1;
                }
                Incoming::Cut => return id - 1,
            }
        }
    }
    from + most - 1
}

async fn assert_stored(server: &ServerProcess, room: &str, acked: u64, filler: &str) {
    let entries = server.entries(room).await;
    assert!(entries.len() as u64 >= acked, "{acked} were acknowledged, {} are there", entries.len());
    for (entry, id) in entries.iter().zip(1..) {
        assert_eq!(entry["value"], format!("{id}{filler}"));
    }
}

/// Until the process has gone, it says that it is not ready, and acknowledges nothing.
async fn assert_ends(server: &mut ServerProcess, room: &str) {
    while server.ended_with().is_none() {
        let ready = server.request("GET", "/readyz").try_send().await;
        if let Ok(reply) = ready {
            assert!(matches!(reply.status, 200 | 503), "{reply:?}");
        }
        if let Ok(reply) = server.request("POST", "/new").try_send().await {
            assert_eq!(reply.status, 503, "{reply:?}");
            assert!(!reply.text().contains('/'), "an error names a file: {reply:?}");
        }
        let path = format!("/room/{room}/send");
        let push = push_id("k", "never", "append", 1_000_000);
        let request = server.request("POST", &path).header("seabag-client", "bob-outbox-0000000001");
        if let Ok(reply) = request.json(&push).try_send().await {
            assert_eq!(reply.status, 503, "{reply:?}");
        }
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(server.ended_with().and_then(|status| status.code()), Some(EXIT_STORAGE));
    let log = server.stderr();
    assert!(log.contains("storage has stopped"), "it does not say why:\n{log}");
    assert!(!log.contains(room), "a room's id is in the log");
}

async fn a_fault_stops_everything_and_a_repair_brings_everything_back(fault: &str) {
    let home = TempDir::new().unwrap();
    let Some(shim) = shim(home.path()) else { return };
    let trigger = home.path().join("trigger");
    for round in 0..3 {
        let setup = Setup::new().variable("LD_PRELOAD", shim.display()).variable("SHIM_FAULT", fault);
        let mut server = setup.variable("SHIM_TRIGGER", trigger.display()).start().await;
        let room = server.new_room().await;
        let acked = push_until_refused(&server, &room, 1, 40, "").await;
        assert_eq!(acked, 40, "before the fault all is well");
        let mut witness = Opening::native().connect(&server, &room).await;
        witness.expect("hello").await;
        fs::write(&trigger, "now").unwrap();
        let after = push_until_refused(&server, &room, 41, 40, "").await;
        assert_eq!(after, 40, "acknowledged although the disk had failed");
        if round < 2 {
            assert_ends(&mut server, &room).await;
        } else {
            server.kill();
        }
        let (told, _) = witness.drain().await;
        assert_eq!(push_seqs(&told), [0_u64; 0], "shown although the disk had failed");
        fs::remove_file(&trigger).unwrap();
        server.set_up(|_| Setup::new());
        server.restart().await;
        assert_stored(&server, &room, acked, "").await;
        let more = push_until_refused(&server, &room, 41, 10, "").await;
        assert_eq!(more, 50, "after the repair it goes on");
        assert_stored(&server, &room, more, "").await;
    }
}

#[tokio::test]
async fn a_failing_sync_acknowledges_no_bag_and_no_listener_hears_of_it() {
    let home = TempDir::new().unwrap();
    let Some(shim) = shim(home.path()) else { return };
    let trigger = home.path().join("trigger");
    let setup = Setup::new().variable("LD_PRELOAD", shim.display()).variable("SHIM_FAULT", "sync");
    let mut server = setup.variable("SHIM_TRIGGER", trigger.display()).start().await;
    let account = Account::new(1);
    account.register(&server).await;
    assert_eq!(account.store(&server, &account.bags(0..5)).await, [1, 2, 3, 4, 5]);
    let mut listener = account.listen(&server).await;
    fs::write(&trigger, "now").unwrap();
    let mut request = account.request(&[]);
    account.bags(5..8).iter().for_each(|bag| bag.write(&mut request).unwrap());
    if let Ok(reply) = server.request("POST", "/push").body("", request).try_send().await {
        assert_eq!(Answer::read(reply).status(), Status::StorageError);
    }
    assert!(matches!(listener.next().await, Heard::Closed(4102, _) | Heard::Cut));
    assert_eq!(server.wait().await.code(), Some(EXIT_STORAGE));
    fs::remove_file(&trigger).unwrap();
    server.set_up(|_| Setup::new());
    server.restart().await;
    let kept = account.peek(&server, 0).await.len();
    // The three may have reached the disk all the same; then they are there together.
    assert!(matches!(kept, 5 | 8), "{kept}");
    let all: Vec<_> = (1..=10).collect();
    assert_eq!(account.store(&server, &account.bags(0..10)).await, all);
}

#[tokio::test]
async fn a_failing_sync_stops_everything_and_a_repair_brings_everything_back() {
    a_fault_stops_everything_and_a_repair_brings_everything_back("sync").await;
}

#[tokio::test]
async fn a_full_disk_stops_everything_and_room_on_it_brings_everything_back() {
    a_fault_stops_everything_and_a_repair_brings_everything_back("full").await;
}

#[tokio::test]
async fn a_limit_on_file_sizes_stops_everything_like_a_full_disk() {
    // In blocks of 512 bytes: 65 MiB, which one journal reaches.
    let mut server = Setup::new().prelude("trap '' XFSZ; ulimit -f 133120").start().await;
    let room = server.new_room().await;
    let filler = "x".repeat(900_000);
    let acked = push_until_refused(&server, &room, 1, 1_500, &filler).await;
    if acked == 1_500 {
        eprintln!("no file grew to the limit: not tested");
        return;
    }
    assert_ends(&mut server, &room).await;
    server.set_up(|_| Setup::new());
    server.restart().await;
    assert_stored(&server, &room, acked, &filler).await;
    server.assert_serves().await;
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn data_that_is_cut_short_or_missing_in_part_is_never_served_as_if_whole() {
    let mut server = ServerProcess::start().await;
    let room = server.new_room().await;
    server.append(&room, "k", json!(1)).await;
    assert!(server.stop().await.success());
    let saved = server.home().join("saved");
    copy(server.data(), &saved);
    let mut refused = 0;
    for path in files(&saved) {
        for missing in [false, true] {
            fs::remove_dir_all(server.data()).unwrap();
            copy(&saved, server.data());
            let damaged = server.data().join(path.strip_prefix(&saved).unwrap());
            let length = fs::metadata(&damaged).unwrap().len();
            if missing {
                fs::remove_file(&damaged).unwrap();
            } else {
                fs::File::options().write(true).open(&damaged).unwrap().set_len(length / 2).unwrap();
            }
            match server.try_restart().await {
                Err(status) => {
                    assert!(!status.success());
                    refused += 1;
                }
                Ok(()) => {
                    let reply = server.request("GET", &format!("/room/{room}/stream")).send().await;
                    let whole = reply.status == 200 && reply.json()["data"].as_array().unwrap().len() == 1;
                    assert!(whole, "{} is damaged and its loss passed over", path.display());
                    assert!(server.stop().await.success());
                }
            }
        }
    }
    assert!(refused > 0, "no damage was found at all");
}

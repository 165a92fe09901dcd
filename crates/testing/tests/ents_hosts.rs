//! Two hosts, one of which refuses, hangs or talks nonsense: a real listener that misbehaves in the place of a real
//! server. The other host is not held up, the trouble and its reason are told, and it is all there once that is over.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod ents_support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ents_support::cli_support::wait_until;
use ents_support::{Device, LABEL, url};
use seabag_testing::process::{DEADLINE, ServerProcess};
use serde_json::json;

/// The label of the host that misbehaves.
const OTHER: &str = "other";

/// What it does with a connection.
#[derive(Clone, Copy, Debug)]
enum Misbehaviour {
    /// Closes it at once.
    Close,
    /// Takes a request and never answers.
    Hang,
    /// Answers with what is no HTTP.
    Noise,
    /// Answers that it is broken.
    Broken,
    /// Answers, in good HTTP, bytes that mean nothing.
    Garbage,
    /// Promises more than anybody could want.
    Endless,
}

/// A host that misbehaves, until it is dropped.
struct BadHost {
    stop: Arc<AtomicBool>,
    task: Option<JoinHandle<()>>,
}

impl BadHost {
    fn start(address: &str, how: Misbehaviour) -> Self {
        let listener = TcpListener::bind(address).expect("the port of the server that was stopped");
        listener.set_nonblocking(true).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = thread::spawn(move || {
            // Open until the end, for those that wait for an answer.
            let mut held = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        held.extend(stream.try_clone());
                        // Each by a thread of its own: who asks nothing yet keeps nobody waiting.
                        thread::spawn(move || how.meet(stream));
                    }
                    Err(_) => thread::sleep(Duration::from_millis(5)),
                }
            }
            // Threads that still read are told as well.
            held.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
        });
        Self { stop, task: Some(task) }
    }
}

impl Drop for BadHost {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(task) = self.task.take() {
            // It has nothing to tell.
            let _ = task.join();
        }
    }
}

impl Misbehaviour {
    /// Deals with a connection.
    fn meet(self, mut stream: TcpStream) {
        let answer: &[u8] = match self {
            Self::Close => return drop(stream.shutdown(Shutdown::Both)),
            Self::Hang => return,
            Self::Noise => b"\x00\xff what is this\r\n\r\n\r\n",
            Self::Broken => b"HTTP/1.1 500 Broken\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!",
            Self::Garbage => b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\n\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7",
            Self::Endless => b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\nand so on",
        };
        // What fails from here on, fails because the client has gone.
        let _ = stream.set_nonblocking(false).and_then(|()| stream.set_read_timeout(Some(DEADLINE)));
        // Whatever was asked, but all of it: bytes that nobody reads would turn the end into a reset, which may
        // reach the client before the answer does.
        let _ = read_request(&mut stream);
        let _ = stream.write_all(answer).and_then(|()| stream.shutdown(Shutdown::Write));
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
        let _ = stream.shutdown(Shutdown::Both);
    }
}

/// Reads one request to its end.
fn read_request(stream: &mut TcpStream) -> std::io::Result<()> {
    let (mut read, mut piece) = (Vec::new(), vec![0; 16 * 1024]);
    while !is_whole(&read) {
        match stream.read(&mut piece)? {
            0 => break,
            count => read.extend_from_slice(&piece[..count]),
        }
    }
    Ok(())
}

fn is_whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    request.len() >= end + 4 + length.unwrap_or(0_usize)
}

/// Two devices that both hosts know, and the second host stopped.
async fn two_devices() -> (Device, Device, ServerProcess, ServerProcess) {
    let (good, mut other) = (ServerProcess::start().await, ServerProcess::start().await);
    let one = Device::first();
    let two = one.sibling();
    for device in [&one, &two] {
        device.link(&good);
        device.link_as(OTHER, &url(&other)).good();
    }
    assert!(other.stop().await.success());
    (one, two, good, other)
}

async fn one_host_misbehaves(how: Misbehaviour, code: &str) {
    let (one, two, _good, mut other) = two_devices().await;
    let bad = BadHost::start(other.address(), how);
    one.put(&["note", "1"]);
    one.user.run(&["ent", "sync"]).bad(1, OTHER);
    let (fine, stuck) = (one.link_status(LABEL), one.link_status(OTHER));
    assert_eq!((&fine["state"], &fine["waiting"]), (&json!("synced"), &json!(0)), "{how:?}");
    assert_eq!((&stuck["state"], &stuck["waiting"]), (&json!("stuck"), &json!(1)), "{how:?}");
    assert_eq!(stuck["trouble"]["code"], code, "{how:?}: {stuck}");
    assert!(!stuck["trouble"]["text"].as_str().unwrap().is_empty());
    assert!(stuck["trouble"]["since"].as_u64().unwrap() > 1_700_000_000_000);

    // What the healthy host has comes to the other device, whatever the sick one does.
    two.user.run(&["ent", "sync"]).bad(1, OTHER);
    assert_eq!(two.bodies(), [1]);

    drop(bad);
    other.restart().await;
    one.sync();
    two.sync();
    for device in [&one, &two] {
        let healed = device.link_status(OTHER);
        assert_eq!((&healed["state"], &healed["trouble"]), (&json!("synced"), &json!(null)), "{how:?}");
    }
    // It caught up: a device that knows only this host has everything.
    let three = one.sibling();
    three.link_as(OTHER, &url(&other)).good();
    assert_eq!(three.messages(), one.messages(), "{how:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_closes_connections_holds_up_no_other() {
    one_host_misbehaves(Misbehaviour::Close, "network").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_speaks_no_http_holds_up_no_other() {
    one_host_misbehaves(Misbehaviour::Noise, "network").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_broken_holds_up_no_other() {
    one_host_misbehaves(Misbehaviour::Broken, "http").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_answers_garbage_holds_up_no_other() {
    one_host_misbehaves(Misbehaviour::Garbage, "answer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_promises_endless_answers_holds_up_no_other() {
    one_host_misbehaves(Misbehaviour::Endless, "answer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_hangs_holds_up_no_change_between_two_devices() {
    let (one, two, _good, mut other) = two_devices().await;
    let bad = BadHost::start(other.address(), Misbehaviour::Hang);
    let follows = [one.follow(), two.follow()];
    for round in 0..5_u64 {
        let (from, to) = if round % 2 == 0 { (&one, &two) } else { (&two, &one) };
        from.put(&["note", &round.to_string()]);
        wait_until("the change is there", || to.bodies().len() as u64 == round + 1);
    }
    // Who wrote hears a moment later than the other that it is stored.
    wait_until("the good host has all", || one.link_status(LABEL)["state"] == "synced");
    assert_ne!(one.link_status(OTHER)["state"], "synced");
    // Its silence ends, and so does what waited for it: at once for a sync that begins now.
    drop(bad);
    other.restart().await;
    follows.into_iter().for_each(|follow| drop(follow.kill()));
    one.sync();
    two.sync();
    for device in [&one, &two] {
        assert_eq!(device.link_status(OTHER)["state"], "synced");
    }
    let three = one.sibling();
    three.link_as(OTHER, &url(&other)).good();
    assert_eq!(three.messages(), one.messages());
}

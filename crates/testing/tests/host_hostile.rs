//! Peers of the host that forge, replay, promise too much, stop in the middle, do not read or are too many: the others
//! notice nothing, and what such a peer can make the host hold is bounded.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use seabag_protocol::host::bytes::put_varint;
use seabag_protocol::host::status::Status;
use seabag_testing::host_client::{Account, Answer, Heard, Listener, now_ms, post};
use seabag_testing::http_client::Reply;
use seabag_testing::process::{ServerProcess, Setup};
use seabag_testing::raw::{RawSocket, close_code};
use tokio::time::sleep;

const PATIENCE: Duration = Duration::from_secs(60);

/// The head of a POST, with a body that is still to come.
fn head(server: &ServerProcess, path: &str, length: u64) -> Vec<u8> {
    head_with(server, path, length, "")
}

/// The same with more headers.
fn head_with(server: &ServerProcess, path: &str, length: u64, headers: &str) -> Vec<u8> {
    let address = server.address();
    format!("POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {length}\r\n{headers}\r\n")
        .into_bytes()
}

fn answer_of(bytes: &[u8]) -> (String, Vec<u8>) {
    let at = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    let line = String::from_utf8_lossy(&bytes[..at]).lines().next().unwrap().to_owned();
    (line, bytes[at..].to_vec())
}

/// Memory of a process, in bytes. `None` where the system does not say.
fn memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok()? * 1_024)
}

#[tokio::test]
async fn keys_that_prove_nothing_are_refused_by_every_call() {
    let server = ServerProcess::start().await;
    let mut one = [0_u8; 32];
    one[0] = 1;
    let mut not_canonical = [0xff_u8; 32];
    not_canonical[0] = 0xee;
    not_canonical[31] = 0x7f;
    for key in [[0; 32], one, [0xff; 32], not_canonical] {
        let mut request = key.to_vec();
        request.extend_from_slice(&[0; 64]);
        put_varint(&mut request, now_ms()).unwrap();
        for path in ["/user", "/push", "/peek", "/pull", "/peek-page", "/epoch"] {
            assert_eq!(
                post(&server, path, request.clone()).await.status(),
                Status::InvalidSignature,
                "{path}"
            );
        }
        let token = data_encoding::HEXLOWER.encode(&request);
        assert_eq!(Listener::open(&server, &format!("/?t={token}")).await.unwrap_err().status, 401);
        // Signed calls have an origin and an epoch behind the time.
        request.extend_from_slice(&[0; 17]);
        for path in ["/prune", "/delete-account"] {
            assert_eq!(
                post(&server, path, request.clone()).await.status(),
                Status::InvalidSignature,
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn nonsense_is_answered_with_a_status_and_never_with_a_failure() {
    let server = ServerProcess::start().await;
    let account = Account::new(1);
    account.register(&server).await;
    let mut lengths = Vec::new();
    put_varint(&mut lengths, (1 << 56) - 1).unwrap();
    let mut bag = vec![0; 72];
    bag.extend_from_slice(&lengths);
    for rest in [vec![0xff; 8], vec![0x80; 7], vec![0xff; 4_000], lengths, bag, vec![0x80; 100], vec![0; 73]]
    {
        for path in ["/push", "/peek", "/pull", "/peek-page", "/epoch", "/user"] {
            let answer = post(&server, path, account.request(&rest)).await;
            assert_eq!(answer.reply.status, 200, "{path}");
            assert!(
                !matches!(answer.status(), Status::InternalError | Status::StorageError),
                "{path} {rest:?}: {:?}",
                answer.status()
            );
        }
        for path in ["/prune", "/delete-account", "/user", "/push"] {
            let status = post(&server, path, rest.clone()).await.status();
            assert!(
                !matches!(status, Status::InternalError | Status::Success),
                "{path} {rest:?}: {status:?}"
            );
        }
    }
    assert_eq!(account.store(&server, &account.bags(0..1)).await, [1]);
}

#[tokio::test]
async fn a_signed_time_of_another_account_opens_nothing() {
    let server = ServerProcess::start().await;
    let (account, thief) = (Account::new(1), Account::new(2));
    account.register(&server).await;
    thief.register(&server).await;
    let stolen = account.request(&[]);
    // Its time with another signature, its signature with another key or time.
    let mut request = thief.key().0.to_vec();
    request.extend_from_slice(&stolen[32..]);
    assert_eq!(post(&server, "/user", request).await.status(), Status::InvalidSignature);
    let mut later = stolen.clone();
    later[96] ^= 1;
    assert_eq!(post(&server, "/user", later).await.status(), Status::InvalidSignature);
    // A bag that another account signed is that account's alone.
    let mut push = account.request(&[]);
    thief.bag(1, Some(b"planted"), 0).write(&mut push).unwrap();
    let answer = post(&server, "/push", push).await;
    assert_eq!((answer.status(), &answer.rest[..]), (Status::Success, &[0, 3][..]));
    assert_eq!(account.peek(&server, 0).await.len(), 0);
    assert_eq!(thief.peek(&server, 0).await.len(), 0);
}

#[tokio::test]
async fn strangers_who_promise_much_and_send_little_hold_nobody_up() {
    let setup = Setup::new().flag("host-requests-bytes-inflight-max", 2 << 20).flag("request-ms-max", 20_000);
    let server = setup.start().await;
    let (account, stranger) = (Account::new(1), Account::new(2));
    account.register(&server).await;
    let before = memory(server.pid());
    let mut strangers = Vec::new();
    for _ in 0..50 {
        let mut raw = RawSocket::connect(&server).await;
        let mut request = head(&server, "/push", 100 << 20);
        request.extend_from_slice(&stranger.request(&[0; 1_000]));
        raw.send(&request).await.unwrap();
        strangers.push(raw);
    }
    // Larger than what is read of everybody: it needs a share of the budget.
    let bag = account.bag(1, Some(&vec![7; 1 << 20]), 0);
    assert_eq!(account.store(&server, &[bag]).await, [1]);
    // It is done while the strangers are still there.
    let (told, ended) = strangers[0].read_to_end(Duration::from_millis(1)).await;
    assert!(!ended, "the strangers took the budget");
    if let (Some(before), Some(after)) = (before, memory(server.pid())) {
        assert!(after.saturating_sub(before) < 100 << 20, "{before} {after}");
    }
    let mut told = Some(told);
    for mut raw in strangers {
        let (bytes, ended) = raw.read_to_end(PATIENCE).await;
        assert!(ended);
        let bytes = [told.take().unwrap_or_default(), bytes].concat();
        let (line, body) = answer_of(&bytes);
        assert!(line.contains(" 200 "), "{line}");
        assert_eq!(body[0], Status::UserNotRegistered.code());
    }
}

#[tokio::test]
async fn accounts_that_stop_in_the_middle_are_cut_and_the_others_get_their_turn() {
    let setup = Setup::new().flag("host-requests-bytes-inflight-max", 2 << 20).flag("request-ms-max", 4_000);
    let server = setup.start().await;
    let (account, lazy) = (Account::new(1), Account::new(2));
    account.register(&server).await;
    lazy.register(&server).await;
    let mut raw = RawSocket::connect(&server).await;
    let mut request = head(&server, "/push", 100 << 20);
    request.extend_from_slice(&lazy.request(&[0; 1_000]));
    raw.send(&request).await.unwrap();
    sleep(Duration::from_millis(300)).await;
    // Who stops in the middle of a request keeps nobody else waiting.
    let bag = account.bag(1, Some(&vec![7; 1 << 20]), 0);
    assert_eq!(account.store(&server, &[bag]).await, [1]);
    let (bytes, ended) = raw.read_to_end(PATIENCE).await;
    assert!(ended);
    let (line, body) = answer_of(&bytes);
    assert!(line.contains(" 408 "), "{line}");
    assert_eq!(body[0], Status::HostError.code());
    assert_eq!(lazy.peek(&server, 0).await.len(), 0);
}

#[tokio::test]
async fn a_body_in_chunks_is_read_as_any_other() {
    let server = ServerProcess::start().await;
    let account = Account::new(1);
    account.register(&server).await;
    for size in [10, 1_000, 100_000] {
        let mut request = account.request(&[]);
        account.bags(size..size + 500).iter().for_each(|bag| bag.write(&mut request).unwrap());
        let text = format!(
            "POST /push HTTP/1.1\r\nhost: {}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n",
            server.address()
        );
        let mut bytes = text.into_bytes();
        for chunk in request.chunks(usize::try_from(size).unwrap()) {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        let mut raw = RawSocket::connect(&server).await;
        raw.send(&bytes).await.unwrap();
        let (bytes, _) = raw.read_to_end(PATIENCE).await;
        let (line, body) = answer_of(&bytes);
        let reply = Reply { status: 200, headers: Vec::new(), body };
        assert!(line.contains(" 200 "), "{line}");
        assert_eq!(Answer::read(reply).status(), Status::Success);
    }
    assert_eq!(account.peek(&server, 0).await.len(), 1_500);
}

#[tokio::test]
async fn who_does_not_read_a_large_answer_is_cut_and_never_sees_an_end() {
    let server = Setup::new().flag("write-stall-ms", 3_000).flag("reads-max", 2).start().await;
    let account = Account::new(1);
    account.register(&server).await;
    let body = vec![7; 1 << 20];
    for number in 0..16 {
        account.store(&server, &[account.bag(number, Some(&body), 0)]).await;
    }
    let before = memory(server.pid());
    let mut asked = Vec::new();
    let mut numbers = Vec::new();
    for round in 0..64 {
        put_varint(&mut numbers, round % 16 + 1).unwrap();
    }
    for _ in 0..20 {
        let request =
            server.request("POST", "/pull").body("application/octet-stream", account.request(&numbers));
        asked.push(request.open().await.unwrap());
    }
    // Meanwhile there are reads for everybody.
    assert_eq!(account.pull(&server, &[1, 2]).await.len(), 2);
    if let (Some(before), Some(after)) = (before, memory(server.pid())) {
        let grown = after.saturating_sub(before);
        assert!(grown < 200 << 20, "20 answers of 64 MiB that nobody reads took {grown}");
    }
    server.wait_for_metric("seabag_connections", |connections| connections <= 2.0).await;
    for mut opened in asked {
        let mut bytes = 0;
        let error = loop {
            match opened.chunk().await {
                Ok(Some(chunk)) => bytes += chunk.len(),
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        assert!(error.is_some() && bytes < 64 << 20, "{bytes} bytes looked like the whole answer");
    }
    assert_eq!(account.pull(&server, &[1, 2]).await.len(), 2);
}

#[tokio::test]
async fn a_listener_that_does_not_read_is_closed_and_the_others_hear_everything() {
    let setup = Setup::new().flag("notice-queue-max", 4).flag("write-stall-ms", 60_000);
    let server = setup.start().await;
    let account = Account::new(1);
    account.register(&server).await;
    let mut quick = account.listen(&server).await;
    let mut stalled = Vec::new();
    for _ in 0..10 {
        stalled.push(account.listen(&server).await.into_stream());
    }
    server.wait_for_metric("seabag_host_listeners", |listeners| listeners >= 11.0).await;
    let (mut pushed, mut heard) = (0, 0);
    for round in 0..100_u64 {
        // Long heads, so that a few notices are more than any socket buffers.
        let bag = |number| account.bag_of(&[1; 200_000], number, None, 0);
        let bags: Vec<_> = (round * 5..(round + 1) * 5).map(bag).collect();
        pushed += account.store(&server, &bags).await.len();
        heard += quick.notice().await.len();
        if server.metric("seabag_host_listeners").await <= 1.0 {
            break;
        }
    }
    assert_eq!(heard, pushed);
    server.wait_for_metric("seabag_host_listeners", |listeners| listeners <= 1.0).await;
    for stream in stalled {
        let (bytes, ended) = RawSocket { stream }.read_to_end(PATIENCE).await;
        assert!(ended);
        // Closed with its code if it could still be told, and cut in the middle of a frame if not.
        assert!(close_code(&bytes).is_none_or(|code| code == 4100));
    }
    account.store(&server, &account.bags(900_000..900_001)).await;
    assert_eq!(quick.notice().await.len(), 1);
}

#[tokio::test]
async fn a_listener_that_answers_no_pings_is_closed_and_one_that_floods_hurts_only_itself() {
    let setup = Setup::new().flag("ping-interval-ms", 100).flag("silent-peer-ms", 5_000);
    let server = setup.start().await;
    let account = Account::new(1);
    account.register(&server).await;
    let mut silent = RawSocket { stream: account.listen(&server).await.into_stream() };
    let mut chatty = account.listen(&server).await;
    for _ in 0..100 {
        chatty.say("is anybody there?").await;
    }
    // The one that listens answers pings meanwhile.
    let (bytes, ended) = tokio::select! {
        read = silent.read_to_end(PATIENCE) => read,
        heard = chatty.next() => panic!("{heard:?}"),
    };
    assert!(ended);
    assert_eq!(close_code(&bytes), Some(4104));
    account.store(&server, &account.bags(0..1)).await;
    assert_eq!(chatty.notice().await.len(), 1);
    chatty.say(&"x".repeat(100_000)).await;
    assert!(matches!(chatty.next().await, Heard::Cut | Heard::Closed(..)), "nobody reads that much");
    assert_eq!(account.store(&server, &account.bags(1..2)).await, [2]);
}

#[tokio::test]
async fn bodies_asked_again_and_again_are_given_so_often_and_then_the_answer_is_cut() {
    let server = ServerProcess::start().await;
    let account = Account::new(1);
    account.register(&server).await;
    account.store(&server, &[account.bag(1, Some(&vec![7; 1 << 20]), 0)]).await;
    assert_eq!(account.pull(&server, &[1; 10]).await.len(), 10, "as the reference host");
    let request =
        server.request("POST", "/pull").body("application/octet-stream", account.request(&[1; 100_000]));
    let mut opened = request.open().await.unwrap();
    let mut bytes = 0;
    let ended = loop {
        match opened.chunk().await {
            Ok(Some(chunk)) => bytes += chunk.len(),
            Ok(None) => break true,
            Err(_) => break false,
        }
    };
    assert!(!ended, "it looks whole after {bytes} bytes");
    assert!((16 << 20..32 << 20).contains(&bytes), "{bytes}");
}

#[tokio::test]
async fn large_bodies_are_read_one_at_a_time() {
    let server = ServerProcess::start().await;
    let account = Account::new(1);
    account.register(&server).await;
    account.store(&server, &[account.bag(1, Some(&vec![7; 24 << 20]), 0)]).await;
    let before = memory(server.pid());
    let mut asked = Vec::new();
    for _ in 0..4 {
        let request =
            server.request("POST", "/pull").body("application/octet-stream", account.request(&[1; 64]));
        asked.push(request.open().await.unwrap());
    }
    sleep(Duration::from_millis(500)).await;
    if let (Some(before), Some(after)) = (before, memory(server.pid())) {
        let grown = after.saturating_sub(before);
        assert!(grown < 4 * 4 * (24 << 20), "4 answers that nobody reads took {grown}");
    }
}

#[tokio::test]
async fn who_sends_too_much_is_told_so_and_who_asks_first_need_not_send() {
    let server = Setup::new().flag("host-list-bytes-max", 10_000).start().await;
    // Four times what the sockets between hold.
    let mut raw = RawSocket::connect(&server).await;
    let mut request = head_with(&server, "/pull", 32 << 20, "connection: close\r\n");
    request.resize(request.len() + (32 << 20), 0);
    raw.send(&request).await.expect("it is read to its end");
    let (bytes, _) = raw.read_to_end(PATIENCE).await;
    assert!(answer_of(&bytes).0.contains(" 413 "));
    let mut raw = RawSocket::connect(&server).await;
    let asking = "connection: close\r\nexpect: 100-continue\r\n";
    raw.send(&head_with(&server, "/pull", 32 << 20, asking)).await.unwrap();
    let (bytes, ended) = raw.read_to_end(PATIENCE).await;
    let (line, _) = answer_of(&bytes);
    assert!(ended && line.contains(" 413 "), "{line}");
    // One that may send is told to.
    let account = Account::new(1);
    let body = account.request(&[]);
    let mut raw = RawSocket::connect(&server).await;
    raw.send(&head_with(&server, "/user", body.len() as u64, asking)).await.unwrap();
    let mut told = [0; 25];
    tokio::io::AsyncReadExt::read_exact(&mut raw.stream, &mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    raw.send(&body).await.unwrap();
    let (bytes, _) = raw.read_to_end(PATIENCE).await;
    assert_eq!(answer_of(&bytes).1.first(), Some(&Status::Success.code()));
}

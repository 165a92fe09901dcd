//! The HTTP driver against peers that answer anything: its bounds hold, and its failures say nothing that is secret.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use bytes::Bytes;
use seabag_client::host::address::HostAddress;
use seabag_client::host::driver::{HostDriver, RegistrationToken};
use seabag_client::host::event::Failure;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;

/// A peer that reads one request and answers it with these bytes. What it read comes back.
async fn peer(answer: Vec<u8>) -> (HostDriver, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = HostAddress::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let driver = HostDriver::new(address, Some(RegistrationToken::new("hush"))).unwrap();
    let task = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let (mut read, mut chunk) = (Vec::new(), vec![0; 64 * 1024]);
        while !is_whole(&read) {
            let count = socket.read(&mut chunk).await.unwrap();
            assert!(count > 0, "the request ends too early");
            read.extend_from_slice(&chunk[..count]);
        }
        // The client may hang up before it has all.
        let _ = socket.write_all(&answer).await;
        let _ = socket.shutdown().await;
        read
    });
    (driver, task)
}

fn is_whole(read: &[u8]) -> bool {
    let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    read.len() >= end + 4 + length.map_or(0, |length| length.parse::<usize>().unwrap())
}

async fn call(answer: &[u8], bytes_max: u64) -> Result<Bytes, Failure> {
    let (driver, _task) = peer(answer.to_vec()).await;
    driver.call("/peek", Bytes::from_static(b"request"), false, bytes_max).await
}

#[tokio::test]
async fn an_answer_within_its_bound_comes_whole() {
    let answer = call(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nanswer", 6).await;
    assert_eq!(answer, Ok(Bytes::from_static(b"answer")));
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nans\r\n3\r\nwer\r\n0\r\n\r\n";
    assert_eq!(call(chunked, 6).await, Ok(Bytes::from_static(b"answer")));
}

#[tokio::test]
async fn an_answer_beyond_its_bound_is_not_read() {
    let promised = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\nans";
    assert_eq!(call(promised, 1_000).await, Err(Failure::TooLarge(1_000)));
    let mut endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    (0..1_000).for_each(|_| endless.extend_from_slice(b"a\r\n0123456789\r\n"));
    assert_eq!(call(&endless, 1_000).await, Err(Failure::TooLarge(1_000)));
}

#[tokio::test]
async fn an_answer_that_is_cut_is_a_failure() {
    let cut = call(b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\nanswer", 100).await;
    assert!(matches!(cut, Err(Failure::Unreachable(_))), "{cut:?}");
    assert!(matches!(call(b"", 100).await, Err(Failure::Unreachable(_))));
    assert!(matches!(call(b"not HTTP at all\r\n\r\n", 100).await, Err(Failure::Unreachable(_))));
}

#[tokio::test]
async fn other_statuses_are_failures_and_nobody_is_sent_elsewhere() {
    let failed = call(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", 100).await;
    assert_eq!(failed, Err(Failure::Http(500)));
    let elsewhere = b"HTTP/1.1 307 There\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(call(elsewhere, 100).await, Err(Failure::Http(307)));
}

#[tokio::test]
async fn a_large_request_arrives_whole_and_says_how_long_it_is() {
    let (driver, task) = peer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    let body: Bytes = (0..3_000_001_u32).map(|at| at as u8).collect::<Vec<_>>().into();
    assert_eq!(driver.call("/push", body.clone(), false, 100).await, Ok(Bytes::new()));
    let read = task.await.unwrap();
    assert!(read.starts_with(b"POST /push HTTP/1.1\r\n") && read.ends_with(&body));
    let head = String::from_utf8_lossy(&read[..read.len() - body.len()]).to_lowercase();
    assert!(head.contains("content-length: 3000001\r\n") && !head.contains("chunked"), "{head}");
}

#[tokio::test]
async fn the_token_goes_along_only_when_it_is_wanted_and_is_never_shown() {
    for wanted in [true, false] {
        let (driver, task) = peer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
        driver.call("/user", Bytes::from_static(b"request"), wanted, 100).await.unwrap();
        let read = String::from_utf8_lossy(&task.await.unwrap()).to_lowercase();
        assert_eq!(read.contains("authorization: bearer hush\r\n"), wanted, "{read}");
        assert!(!format!("{driver:?}").contains("hush"));
    }
}

#[tokio::test]
async fn a_host_that_is_not_there_is_told_of_without_its_address() {
    // Bound and not listened on: nobody else is given the port meanwhile.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nobody = socket.local_addr().unwrap();
    let address = HostAddress::parse(&format!("http://{nobody}")).unwrap();
    let driver = HostDriver::new(address, None).unwrap();
    let failure = driver.call("/user", Bytes::from_static(b"request"), true, 100).await.unwrap_err();
    assert!(matches!(failure, Failure::Unreachable(_)));
    assert!(!failure.to_string().contains(&nobody.port().to_string()), "{failure}");
}

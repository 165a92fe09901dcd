//! Bytes on a socket, for what no proper client would send: half requests, broken frames, floods.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use crate::process::{DEADLINE, ServerProcess};

/// A connection that says what it likes.
#[derive(Debug)]
pub struct RawSocket {
    /// The connection.
    pub stream: TcpStream,
}

impl RawSocket {
    /// Connects.
    pub async fn connect(server: &ServerProcess) -> Self {
        let stream = timeout(DEADLINE, TcpStream::connect(server.address())).await.expect("in time");
        let stream = stream.expect("a connection");
        stream.set_nodelay(true).expect("an open socket");
        Self { stream }
    }

    /// Connects and turns to WebSocket, in the native dialect or in DriftDB's.
    pub async fn upgrade(server: &ServerProcess, room: &str, native: bool) -> Self {
        let mut raw = Self::connect(server).await;
        let protocol = if native { "sec-websocket-protocol: seabag.v1\r\n" } else { "" };
        let request = format!(
            "GET /room/{room}/connect HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{protocol}\r\n",
            server.address(),
        );
        raw.send(request.as_bytes()).await.expect("it goes out");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(raw.stream.read_u8().await.expect("the answer's head"));
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        raw
    }

    /// Sends bytes.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        timeout(DEADLINE, self.stream.write_all(bytes)).await.expect("it goes out in time")
    }

    /// Reads what comes until the peer ends the connection, or until this much time has passed. Whether the peer
    /// has ended it.
    pub async fn read_to_end(&mut self, patience: Duration) -> (Vec<u8>, bool) {
        let until = Instant::now() + patience;
        let mut bytes = Vec::new();
        let mut buffer = [0; 16_384];
        loop {
            match timeout_at(until, self.stream.read(&mut buffer)).await {
                Ok(Ok(0) | Err(_)) => return (bytes, true),
                Ok(Ok(count)) => bytes.extend_from_slice(&buffer[..count]),
                Err(_) => return (bytes, false),
            }
        }
    }
}

/// A client's frame: `first` is its first byte (the final bit and the opcode).
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len() as u64, true);
    // A mask of zeroes leaves the payload as it is.
    bytes.extend_from_slice(payload);
    bytes
}

/// The head of a frame that says it is this long.
pub fn header(first: u8, length: u64, masked: bool) -> Vec<u8> {
    let mask = if masked { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(mask | u8::try_from(length).expect("small")),
        126..=65_535 => {
            bytes.push(mask | 126);
            bytes.extend_from_slice(&u16::try_from(length).expect("small").to_be_bytes());
        }
        _ => {
            bytes.push(mask | 127);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
    }
    if masked {
        bytes.extend_from_slice(&[0; 4]);
    }
    bytes
}

/// The server's frames in these bytes: first byte and payload of each.
pub fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut found = Vec::new();
    while bytes.len() >= 2 {
        let (first, short) = (bytes[0], bytes[1] & 0x7f);
        let (length, at) = match short {
            126 if bytes.len() >= 4 => (usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), 4),
            127 if bytes.len() >= 10 => {
                (u64::from_be_bytes(bytes[2..10].try_into().expect("eight")) as usize, 10)
            }
            126 | 127 => break,
            short => (usize::from(short), 2),
        };
        let Some(payload) = bytes.get(at..at + length) else { break };
        found.push((first, payload.to_vec()));
        bytes = &bytes[at + length..];
    }
    found
}

/// The code of the close frame among the server's frames.
pub fn close_code(bytes: &[u8]) -> Option<u16> {
    let (_, payload) = frames(bytes).into_iter().find(|(first, _)| first & 0x0f == 8)?;
    Some(u16::from_be_bytes([*payload.first()?, *payload.get(1)?]))
}

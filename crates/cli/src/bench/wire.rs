//! A WebSocket client that costs next to nothing: it finds the ends of frames and looks at what it must. It
//! shares the processors with the server that it measures.

use anyhow::{Context, bail};
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Any sixteen bytes will do: the key only shows that the peer speaks WebSocket.
const HANDSHAKE_KEY: &str = "c2VhYmFnLWJlbmNobWFyaw==";
/// Most bytes read at once.
const READ_BYTES: usize = 64 * 1024;

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// An open WebSocket.
pub(crate) struct Wire {
    stream: TcpStream,
    incoming: BytesMut,
    outgoing: Vec<u8>,
}

impl Wire {
    /// Opens a native connection.
    pub(crate) async fn open(address: &str, path: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        let mut wire = Self { stream, incoming: BytesMut::with_capacity(4096), outgoing: Vec::new() };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {HANDSHAKE_KEY}\r\nSec-WebSocket-Protocol: seabag.v1\r\n\r\n"
        );
        wire.stream.write_all(request.as_bytes()).await?;
        loop {
            if let Some(end) = find(&wire.incoming, b"\r\n\r\n") {
                let head = wire.incoming.split_to(end + 4);
                if !head.starts_with(b"HTTP/1.1 101") {
                    let status = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
                    bail!("the server did not open a WebSocket: {status}");
                }
                return Ok(wire);
            }
            if wire.stream.read_buf(&mut wire.incoming).await? == 0 {
                bail!("the server closed the connection");
            }
        }
    }

    /// Opens a connection to a room and waits for its hello.
    pub(crate) async fn join(address: &str, room: &str, query: &str) -> anyhow::Result<Self> {
        let mut wire = Self::open(address, &format!("/room/{room}/connect?{query}")).await?;
        let mut welcome = false;
        while !welcome {
            // Nothing else can come along with it: nobody has spoken yet, or the caller reads from `since`.
            wire.read_one(|payload| welcome = payload.starts_with(b"{\"type\":\"hello\"")).await?;
        }
        Ok(wire)
    }

    /// Adds a message to what the next [`Wire::flush`] sends. The mask is zero: it only guards against proxies.
    pub(crate) fn feed(&mut self, text: &str) {
        frame(TEXT, text.as_bytes(), &mut self.outgoing);
    }

    /// Sends what was fed.
    pub(crate) async fn flush(&mut self) -> anyhow::Result<()> {
        if !self.outgoing.is_empty() {
            self.stream.write_all(&self.outgoing).await.context("the server closed the connection")?;
            self.outgoing.clear();
        }
        Ok(())
    }

    /// Calls `take` with every message that is there, after waiting for at least one read.
    pub(crate) async fn read(&mut self, mut take: impl FnMut(&[u8])) -> anyhow::Result<()> {
        if !self.drain(usize::MAX, &mut take)? {
            self.fill().await?;
            self.drain(usize::MAX, &mut take)?;
        }
        self.flush().await
    }

    /// The same for exactly one message.
    pub(crate) async fn read_one(&mut self, mut take: impl FnMut(&[u8])) -> anyhow::Result<()> {
        while !self.drain(1, &mut take)? {
            self.fill().await?;
        }
        self.flush().await
    }

    async fn fill(&mut self) -> anyhow::Result<()> {
        // Reserving less at first keeps a thousand idle subscribers cheap.
        if self.incoming.capacity() - self.incoming.len() < 1024 {
            self.incoming.reserve(READ_BYTES);
        }
        match self.stream.read_buf(&mut self.incoming).await.context("the server closed the connection")? {
            0 => bail!("the server closed the connection"),
            _ => Ok(()),
        }
    }

    /// Hands out at most `most` messages. Whether there was one.
    fn drain(&mut self, most: usize, take: &mut impl FnMut(&[u8])) -> anyhow::Result<bool> {
        let mut taken = 0;
        while taken < most
            && let Some((opcode, head, length)) = parse_head(&self.incoming)
        {
            let Some(payload) = self.incoming.get(head..head + length) else { break };
            match opcode {
                TEXT | BINARY => {
                    take(payload);
                    taken += 1;
                }
                PING => frame(PONG, payload, &mut self.outgoing),
                CLOSE => bail!("the server closed the connection: {}", reason(payload)),
                _ => {}
            }
            self.incoming.advance(head + length);
        }
        Ok(taken > 0)
    }
}

fn reason(payload: &[u8]) -> String {
    let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
    let words = payload.get(2..).map(String::from_utf8_lossy).unwrap_or_default();
    format!("{code} {words}")
}

/// The opcode, and the lengths of head and payload; `None` when the head is not complete. Servers do not mask.
fn parse_head(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let [first, second] = *bytes.first_chunk()?;
    let opcode = first & 0x0f;
    match second & 0x7f {
        126 => {
            let length = bytes.get(2..)?.first_chunk()?;
            Some((opcode, 4, usize::from(u16::from_be_bytes(*length))))
        }
        127 => {
            let length = bytes.get(2..)?.first_chunk()?;
            Some((opcode, 10, usize::try_from(u64::from_be_bytes(*length)).ok()?))
        }
        length => Some((opcode, 2, usize::from(length))),
    }
}

fn frame(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(0x80 | opcode);
    match payload.len() {
        length @ 0..126 => out.push(0x80 | length as u8),
        length @ 126..65_536 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

/// Where `needle` begins in `bytes`.
pub(crate) fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_every_length_are_read_back() {
        for length in [0usize, 1, 125, 126, 65_535, 65_536, 100_000] {
            let mut bytes = Vec::new();
            frame(TEXT, &vec![b'x'; length], &mut bytes);
            // A client's frame has four more bytes, for its mask.
            let (opcode, head, read) = parse_head(&bytes).unwrap();
            assert_eq!((opcode, read, head + 4 + read), (TEXT, length, bytes.len()));
            assert!(parse_head(&bytes[..1]).is_none());
        }
    }
}

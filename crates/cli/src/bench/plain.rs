//! An HTTP client that costs next to nothing: one connection, one request at a time, bodies with a known length.

use anyhow::{Context, bail};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::wire::find;

/// A connection that is kept open.
pub(crate) struct Plain {
    stream: TcpStream,
    address: String,
    incoming: BytesMut,
}

impl Plain {
    /// Connects.
    pub(crate) async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, address: address.to_owned(), incoming: BytesMut::with_capacity(4096) })
    }

    /// Posts JSON; returns the answer's body. Any status but success is an error.
    pub(crate) async fn post(&mut self, path: &str, body: &str) -> anyhow::Result<Bytes> {
        self.request("POST", path, body).await
    }

    /// Gets a page.
    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<Bytes> {
        self.request("GET", path, "").await
    }

    async fn request(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<Bytes> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await?;
        let end = loop {
            if let Some(end) = find(&self.incoming, b"\r\n\r\n") {
                break end + 4;
            }
            self.fill().await?;
        };
        let head = self.incoming.split_to(end);
        let head = String::from_utf8_lossy(&head);
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        let length = length.unwrap_or(0);
        while self.incoming.len() < length {
            self.fill().await?;
        }
        let answer = self.incoming.split_to(length).freeze();
        if !head.starts_with("HTTP/1.1 2") {
            bail!("{}: {}", head.lines().next().unwrap_or_default(), String::from_utf8_lossy(&answer));
        }
        Ok(answer)
    }

    async fn fill(&mut self) -> anyhow::Result<()> {
        self.incoming.reserve(16 * 1024);
        match self.stream.read_buf(&mut self.incoming).await? {
            0 => bail!("the server closed the connection"),
            _ => Ok(()),
        }
    }
}

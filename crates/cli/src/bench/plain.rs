//! An HTTP client that costs next to nothing: one connection, one request at a time.

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
        self.request("POST", path, "application/json", body.as_bytes()).await
    }

    /// Posts bytes; returns the answer's body. Any status but success is an error.
    pub(crate) async fn post_bytes(&mut self, path: &str, body: &[u8]) -> anyhow::Result<Bytes> {
        self.request("POST", path, "application/octet-stream", body).await
    }

    /// Gets a page.
    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<Bytes> {
        self.request("GET", path, "application/json", b"").await
    }

    async fn request(&mut self, method: &str, path: &str, kind: &str, body: &[u8]) -> anyhow::Result<Bytes> {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.stream.write_all(&request).await?;
        let head = self.through(b"\r\n\r\n").await?;
        let head = String::from_utf8_lossy(&head);
        let field = |wanted: &str| {
            head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case(wanted).then(|| value.trim())
            })
        };
        let answer = match field("transfer-encoding") {
            Some(_) => self.chunks().await?,
            None => {
                self.take(field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)).await?
            }
        };
        if !head.starts_with("HTTP/1.1 2") {
            bail!("{}: {}", head.lines().next().unwrap_or_default(), String::from_utf8_lossy(&answer));
        }
        Ok(answer)
    }

    /// A body in chunks, each with its length in front.
    async fn chunks(&mut self) -> anyhow::Result<Bytes> {
        let mut body = BytesMut::new();
        loop {
            let line = self.through(b"\r\n").await?;
            let digits = String::from_utf8_lossy(&line);
            let length = usize::from_str_radix(digits.trim(), 16).context("a chunk without a length")?;
            body.extend_from_slice(&self.take(length).await?);
            self.take(2).await?;
            if length == 0 {
                return Ok(body.freeze());
            }
        }
    }

    /// Everything up to a mark, the mark included.
    async fn through(&mut self, mark: &[u8]) -> anyhow::Result<Bytes> {
        loop {
            if let Some(end) = find(&self.incoming, mark) {
                return Ok(self.incoming.split_to(end + mark.len()).freeze());
            }
            self.fill().await?;
        }
    }

    async fn take(&mut self, length: usize) -> anyhow::Result<Bytes> {
        while self.incoming.len() < length {
            self.fill().await?;
        }
        Ok(self.incoming.split_to(length).freeze())
    }

    async fn fill(&mut self) -> anyhow::Result<()> {
        self.incoming.reserve(64 * 1024);
        match self.stream.read_buf(&mut self.incoming).await? {
            0 => bail!("the server closed the connection"),
            _ => Ok(()),
        }
    }
}

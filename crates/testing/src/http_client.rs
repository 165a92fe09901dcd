//! A small HTTP/1.1 client on a plain socket, written for the tests: it sends exactly what it is told, and none
//! of the server's own libraries can hide a fault from it. One request a connection.

use std::io;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::process::DEADLINE;

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Request {
    address: String,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// A request without a body.
    pub fn new(address: &str, method: &str, path: &str) -> Self {
        let (address, method, path) = (address.into(), method.into(), path.into());
        Self { address, method, path, headers: Vec::new(), body: Vec::new() }
    }

    /// Adds a header. A `Host` given here takes the place of the true one.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body and its type.
    pub fn body(mut self, media: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("content-type", media)
    }

    /// Sets a JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// Sets a CBOR body.
    pub fn cbor(self, body: &Value) -> Self {
        self.body("application/cbor", to_cbor(body))
    }

    /// Sends it and reads the whole answer.
    pub async fn send(self) -> Reply {
        self.try_send().await.expect("an answer")
    }

    /// Sends it and reads the whole answer, or says how the connection failed.
    pub async fn try_send(self) -> io::Result<Reply> {
        timeout(DEADLINE, async {
            let mut opened = self.open().await?;
            let mut body = Vec::new();
            while let Some(chunk) = opened.chunk().await? {
                body.extend_from_slice(&chunk);
            }
            Ok(Reply { status: opened.status, headers: opened.headers, body })
        })
        .await
        .expect("an answer in time")
    }

    /// Sends it and reads the answer's head.
    pub async fn open(self) -> io::Result<Opened> {
        let mut stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let mut text = format!("{} {} HTTP/1.1\r\nconnection: close\r\n", self.method, self.path);
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            text.push_str(&format!("host: {}\r\n", self.address));
        }
        if !self.body.is_empty() || self.method == "POST" {
            text.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        stream.write_all(text.as_bytes()).await?;
        // A server that refuses the body answers before it has read it all.
        let written = stream.write_all(&self.body).await;
        let opened = Opened::read(BufReader::new(stream)).await;
        match (opened, written) {
            (Err(_), Err(error)) => Err(error),
            (opened, _) => opened,
        }
    }
}

/// An answer whose body is still to come.
#[derive(Debug)]
pub struct Opened {
    /// The status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    reader: BufReader<TcpStream>,
    /// What is left of a body of known length; `None`: it comes in chunks, or lasts until the end.
    left: Option<usize>,
    chunked: bool,
    done: bool,
}

impl Opened {
    async fn read(mut reader: BufReader<TcpStream>) -> io::Result<Self> {
        let status = line(&mut reader).await?;
        let status = status.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
        let mut headers = Vec::new();
        loop {
            let text = line(&mut reader).await?;
            if text.is_empty() {
                break;
            }
            let (name, value) = text.split_once(':').ok_or_else(broken)?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let find = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
        let left = find("content-length").and_then(|length| length.parse().ok());
        let chunked = find("transfer-encoding").is_some_and(|value| value == "chunked");
        let done = matches!(status, 101 | 204 | 304);
        Ok(Self { status, headers, reader, left, chunked, done })
    }

    /// The next piece of the body; `None` at its end.
    pub async fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.done {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        if self.chunked {
            let size = line(&mut self.reader).await?;
            let size = usize::from_str_radix(size.trim(), 16).map_err(|_| broken())?;
            bytes.resize(size, 0);
            self.reader.read_exact(&mut bytes).await?;
            line(&mut self.reader).await?;
            self.done = size == 0;
        } else if let Some(left) = self.left {
            bytes.resize(left, 0);
            self.reader.read_exact(&mut bytes).await?;
            self.done = true;
        } else {
            self.reader.read_to_end(&mut bytes).await?;
            self.done = true;
        }
        Ok(if bytes.is_empty() { None } else { Some(bytes) })
    }
}

async fn line(reader: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut text = String::new();
    if reader.read_line(&mut text).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn broken() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

/// An answer.
#[derive(Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The first header of this name, in lower case.
    pub fn header(&self, wanted: &str) -> Option<&str> {
        self.headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("a text")
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The body as CBOR.
    pub fn cbor(&self) -> Value {
        from_cbor(&self.body)
    }

    /// The code of a refusal.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?} {}", self.status, self.headers, String::from_utf8_lossy(&self.body))
    }
}

/// A JSON value as CBOR.
pub fn to_cbor(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).expect("JSON fits into CBOR");
    bytes
}

/// CBOR that is no more than JSON.
pub fn from_cbor(bytes: &[u8]) -> Value {
    ciborium::from_reader(bytes).expect("CBOR")
}

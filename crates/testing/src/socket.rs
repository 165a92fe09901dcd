//! A WebSocket client for the tests, in both dialects and both encodings. Messages are JSON values on either.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::http_client::{Reply, from_cbor, to_cbor};
use crate::process::{DEADLINE, ServerProcess};

/// How a connection is opened.
#[derive(Clone, Debug, Default)]
pub struct Opening {
    protocol: Option<&'static str>,
    query: Vec<String>,
    cbor: bool,
}

impl Opening {
    /// The native dialect in JSON.
    pub fn native() -> Self {
        Self { protocol: Some("seabag.v1"), ..Self::default() }
    }

    /// The native dialect in CBOR.
    pub fn native_cbor() -> Self {
        Self { protocol: Some("seabag.v1.cbor"), cbor: true, ..Self::default() }
    }

    /// The DriftDB dialect in JSON.
    pub fn driftdb() -> Self {
        Self::default()
    }

    /// The DriftDB dialect in CBOR.
    pub fn driftdb_cbor() -> Self {
        Self { cbor: true, ..Self::default() }.query("cbor", "true")
    }

    /// Adds a parameter.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push(format!("{name}={value}"));
        self
    }

    /// Offers these subprotocols.
    pub fn offer(mut self, protocols: &'static str) -> Self {
        self.protocol = Some(protocols);
        self
    }

    /// Goes on from a cursor.
    pub fn since(self, cursor: &str) -> Self {
        self.query("since", cursor)
    }

    /// Writes under this outbox.
    pub fn client(self, client: &str) -> Self {
        self.query("client", client)
    }

    /// The same in the other encoding, if `cbor`.
    pub fn encoded(self, cbor: bool) -> Self {
        match (cbor, self.protocol) {
            (true, Some(_)) => Self { protocol: Some("seabag.v1.cbor"), cbor, ..self },
            (true, None) => Self { cbor, ..self }.query("cbor", "true"),
            (false, _) => self,
        }
    }

    /// Connects, or panics with the refusal.
    pub async fn connect(&self, server: &ServerProcess, room: &str) -> Socket {
        self.try_connect(server, room).await.unwrap_or_else(|refused| panic!("refused: {refused:?}"))
    }

    /// Connects, or brings the answer that refused it: a status of 0 if there was none.
    pub async fn try_connect(&self, server: &ServerProcess, room: &str) -> Result<Socket, Reply> {
        let query = if self.query.is_empty() { String::new() } else { format!("?{}", self.query.join("&")) };
        let url = format!("ws://{}/room/{room}/connect{query}", server.address());
        let mut request = url.into_client_request().expect("a good URL");
        if let Some(protocol) = self.protocol {
            request.headers_mut().insert("sec-websocket-protocol", protocol.parse().expect("a header"));
        }
        let nothing = |error: &dyn std::fmt::Display| Reply {
            status: 0,
            headers: Vec::new(),
            body: error.to_string().into(),
        };
        let opened = timeout(DEADLINE, async {
            let stream = TcpStream::connect(server.address()).await.map_err(Error::Io)?;
            stream.set_nodelay(true).map_err(Error::Io)?;
            client_async(request, stream).await
        })
        .await
        .expect("an answer in time");
        match opened {
            Ok((stream, response)) => {
                let protocol = response.headers().get("sec-websocket-protocol");
                let protocol = protocol.map(|value| value.to_str().expect("text").to_owned());
                Ok(Socket { stream, cbor: self.cbor, protocol })
            }
            Err(Error::Http(response)) => {
                let text = |value: &tokio_tungstenite::tungstenite::http::HeaderValue| {
                    value.to_str().expect("text").to_owned()
                };
                Err(Reply {
                    status: response.status().as_u16(),
                    headers: response.headers().iter().map(|(name, v)| (name.to_string(), text(v))).collect(),
                    body: response.body().clone().unwrap_or_default(),
                })
            }
            Err(error) => Err(nothing(&error)),
        }
    }
}

/// What comes from a connection.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    /// A message.
    Message(Value),
    /// The server's close frame: its code and reason.
    Closed(u16, String),
    /// The end without a close frame.
    Cut,
}

/// A connection.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    cbor: bool,
    /// The subprotocol that the server chose.
    pub protocol: Option<String>,
}

impl Socket {
    /// Sends a message.
    pub async fn send(&mut self, message: Value) {
        self.try_send(message).await.expect("the message goes out");
    }

    /// Sends a message, or says that the connection is gone.
    pub async fn try_send(&mut self, message: Value) -> Result<(), Error> {
        let frame = self.frame(&message);
        timeout(DEADLINE, self.stream.send(frame)).await.expect("it goes out in time")
    }

    /// Hands over messages and sends them all at once.
    pub async fn send_all(&mut self, messages: impl IntoIterator<Item = Value>) {
        timeout(DEADLINE, async {
            for message in messages {
                let frame = self.frame(&message);
                self.stream.feed(frame).await.expect("the message goes out");
            }
            self.stream.flush().await.expect("the messages go out");
        })
        .await
        .expect("they go out in time");
    }

    fn frame(&self, message: &Value) -> Message {
        if self.cbor { Message::binary(to_cbor(message)) } else { Message::text(message.to_string()) }
    }

    /// Sends any frame.
    pub async fn send_frame(&mut self, frame: Message) -> Result<(), Error> {
        timeout(DEADLINE, self.stream.send(frame)).await.expect("it goes out in time")
    }

    /// What comes next; pings are answered on the way.
    pub async fn next(&mut self) -> Incoming {
        timeout(DEADLINE, self.next_unbounded()).await.expect("something comes in time")
    }

    /// What comes within a time; `None` when nothing does.
    pub async fn next_within(&mut self, patience: Duration) -> Option<Incoming> {
        timeout(patience, self.next_unbounded()).await.ok()
    }

    async fn next_unbounded(&mut self) -> Incoming {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => {
                    assert!(!self.cbor, "a text frame on a CBOR connection");
                    let value = serde_json::from_str(&text);
                    return Incoming::Message(value.unwrap_or_else(|error| panic!("{error} in {text}")));
                }
                Some(Ok(Message::Binary(bytes))) => {
                    assert!(self.cbor, "a binary frame on a JSON connection");
                    return Incoming::Message(from_cbor(&bytes));
                }
                Some(Ok(Message::Close(Some(CloseFrame { code, reason })))) => {
                    return Incoming::Closed(code.into(), reason.to_string());
                }
                Some(Ok(Message::Close(None))) => return Incoming::Closed(1005, String::new()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Incoming::Cut,
            }
        }
    }

    /// The next message, which there must be.
    pub async fn message(&mut self) -> Value {
        match self.next().await {
            Incoming::Message(message) => message,
            other => panic!("no message but {other:?}"),
        }
    }

    /// The next message, which must be of this type.
    pub async fn expect(&mut self, kind: &str) -> Value {
        let message = self.message().await;
        assert_eq!(message["type"], kind, "{message}");
        message
    }

    /// Reads messages until one of this type, which is the last of them.
    pub async fn until(&mut self, kind: &str) -> Vec<Value> {
        let mut messages = Vec::new();
        loop {
            let message = self.message().await;
            let last = message["type"] == kind;
            messages.push(message);
            if last {
                return messages;
            }
        }
    }

    /// Everything up to and without the answer to a ping: all that the server had to say so far.
    pub async fn settle(&mut self) -> Vec<Value> {
        self.send(json!({"type": "ping", "nonce": 424_242})).await;
        let mut messages = Vec::new();
        loop {
            let message = self.message().await;
            if message["type"] == "pong" && message["nonce"] == 424_242 {
                return messages;
            }
            messages.push(message);
        }
    }

    /// Reads until the end: the messages on the way, and how it ended.
    pub async fn drain(&mut self) -> (Vec<Value>, Incoming) {
        let mut messages = Vec::new();
        loop {
            match self.next().await {
                Incoming::Message(message) => messages.push(message),
                end => return (messages, end),
            }
        }
    }

    /// Says goodbye, and waits for the end.
    pub async fn close(&mut self) -> Incoming {
        self.close_with(1000).await;
        self.drain().await.1
    }

    /// Says goodbye with a code.
    pub async fn close_with(&mut self, code: u16) {
        let frame = CloseFrame { code: code.into(), reason: "".into() };
        // The other side may have gone already.
        let _ = timeout(DEADLINE, self.stream.close(Some(frame))).await;
    }

    /// The plain connection, for bytes that no WebSocket library would send.
    pub fn into_stream(self) -> TcpStream {
        self.stream.into_inner()
    }
}

/// A push.
pub fn push(key: &str, value: impl Into<Value>, action: &str) -> Value {
    json!({"type": "push", "key": key, "value": value.into(), "action": {"type": action}})
}

/// A push under an outbox's number.
pub fn push_id(key: &str, value: impl Into<Value>, action: &str, id: u64) -> Value {
    let mut message = push(key, value, action);
    message["id"] = id.into();
    message
}

/// A compact.
pub fn compact(key: &str, value: impl Into<Value>, seq: u64) -> Value {
    json!({"type": "push", "key": key, "value": value.into(), "action": {"type": "compact", "seq": seq}})
}

/// Asks for a stream from the beginning.
pub fn get(key: &str) -> Value {
    json!({"type": "get", "key": key, "seq": 0})
}

/// The numbers of the pushes among messages.
pub fn push_seqs(messages: &[Value]) -> Vec<u64> {
    let pushes = messages.iter().filter(|message| message["type"] == "push");
    pushes.map(|push| push["seq"].as_u64().expect("a number")).collect()
}

//! An account's side of the host protocol for the tests: signs, seals, asks and listens, one request a connection.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use futures_util::{SinkExt, StreamExt};
use seabag_crypto::{Nonces, Sealer, phrase};
use seabag_protocol::host::auth::{PublicKey, SignedTimestamp};
use seabag_protocol::host::bag::{Bag, BagSeq};
use seabag_protocol::host::bytes::{Reader, put_varint};
use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::epoch::{self, Cursor, EpochAnswer};
use seabag_protocol::host::message::MessageHead;
use seabag_protocol::host::notice::NoticeItem;
use seabag_protocol::host::peek::{self, PageHead, PeekItem};
use seabag_protocol::host::prune::{PruneItem, PrunePair};
use seabag_protocol::host::pull::{self, PullItem};
use seabag_protocol::host::push::{self, PushItem};
use seabag_protocol::host::record::EpochId;
use seabag_protocol::host::response::ResponseHead;
use seabag_protocol::host::status::Status;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::http_client::Reply;
use crate::process::{DEADLINE, ServerProcess};

pub use seabag_client::clock::now_ms;

/// An answer of a host.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP answer as it came.
    pub reply: Reply,
    /// Its head.
    pub head: ResponseHead,
    /// What follows the head.
    pub rest: Vec<u8>,
}

impl Answer {
    /// Reads the head of an HTTP answer.
    pub fn read(reply: Reply) -> Self {
        let mut reader = Reader::new(reply.body.clone());
        let head = ResponseHead::read(&mut reader).unwrap_or_else(|error| panic!("{error} in {reply:?}"));
        Self { head, rest: reader.rest().to_vec(), reply }
    }

    /// The status byte.
    pub fn status(&self) -> Status {
        self.head.status
    }

    fn expect(self) -> Reader {
        assert_eq!((self.reply.status, self.status()), (200, Status::Success), "{self:?}");
        Reader::new(self.rest)
    }
}

/// Posts any bytes.
pub async fn post(server: &ServerProcess, path: &str, body: impl Into<Vec<u8>>) -> Answer {
    let request = server.request("POST", path).body("application/octet-stream", body);
    Answer::read(request.send().await)
}

/// An account: its keys, and how it asks.
pub struct Account {
    sealer: Sealer,
}

impl Account {
    /// One of many: each number is another.
    pub fn new(index: u64) -> Self {
        Self::of(&"0123456789abcdef".repeat(4), "host", index)
    }

    /// Of this seed (hex), label and index.
    pub fn of(seed: &str, label: &str, index: u64) -> Self {
        let seed = phrase::parse(seed).expect("a seed");
        Self { sealer: Sealer::new(Arc::new(seed), label, index) }
    }

    /// Its name.
    pub fn key(&self) -> PublicKey {
        self.sealer.keys().public()
    }

    /// A signed time.
    pub fn timestamp_at(&self, time_ms: u64) -> SignedTimestamp {
        self.sealer.keys().timestamp(time_ms).expect("a time")
    }

    /// A signed time, as bytes, and what follows it.
    pub fn request(&self, rest: &[u8]) -> Vec<u8> {
        self.request_at(now_ms(), rest)
    }

    /// The same, made at a time.
    pub fn request_at(&self, time_ms: u64, rest: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.timestamp_at(time_ms).write(&mut bytes).expect("a time");
        bytes.extend_from_slice(rest);
        bytes
    }

    /// A bag with a message of its own: each number is another message. `sealing` makes the nonces: the same message
    /// with two of them is sealed twice. `None` deletes.
    pub fn bag(&self, number: u64, body: Option<&[u8]>, sealing: u8) -> Bag {
        self.bag_of(&number.to_be_bytes(), number, body, sealing)
    }

    /// The same of an entity with an id of any length: heads are as long as their entity's id.
    pub fn bag_of(&self, id: &[u8], number: u64, body: Option<&[u8]>, sealing: u8) -> Bag {
        let eid = Eid::new(id, 1_767_225_600_000).expect("an id");
        let head = MessageHead::new(eid, number, 0, body);
        let (mut head_nonce, mut body_nonce) = ([sealing; 24], [!sealing; 24]);
        head_nonce[..8].copy_from_slice(&number.to_be_bytes());
        body_nonce[..8].copy_from_slice(&number.to_be_bytes());
        let nonces = Nonces { head: head_nonce, body: body_nonce };
        self.sealer.seal(&head, body, &nonces).expect("it can be sealed")
    }

    /// The bag of any message. `sealing` makes the nonces.
    pub fn seal(&self, head: &MessageHead, body: Option<&[u8]>, sealing: u64) -> Bag {
        let mut nonces = Nonces { head: [0x11; 24], body: [0x22; 24] };
        nonces.head[..8].copy_from_slice(&sealing.to_be_bytes());
        nonces.body[..8].copy_from_slice(&sealing.to_be_bytes());
        self.sealer.seal(head, body, &nonces).expect("it can be sealed")
    }

    /// Everything that the host has for the account, opened: the messages by their numbers. Panics over a bag that does
    /// not open.
    pub async fn messages(&self, server: &ServerProcess) -> BTreeMap<u64, (MessageHead, Option<Bytes>)> {
        let heads = self.peek(server, 0).await;
        let numbers: Vec<_> = heads.iter().map(|item| item.seq.0).collect();
        let bodies = self.pull(server, &numbers).await;
        assert_eq!(bodies.len(), heads.len(), "each bag has a body, if an empty one");
        let open = |(head, body): (PeekItem, PullItem)| {
            assert_eq!(head.seq, body.seq);
            let opened = self.sealer.open(&Bag { sealed: head.sealed, body: body.body });
            (
                head.seq.0,
                opened.unwrap_or_else(|error| panic!("number {} does not open: {error}", head.seq.0)),
            )
        };
        heads.into_iter().zip(bodies).map(open).collect()
    }

    /// Bags of short messages.
    pub fn bags(&self, numbers: impl IntoIterator<Item = u64>) -> Vec<Bag> {
        numbers.into_iter().map(|number| self.bag(number, Some(b"something to keep"), 0)).collect()
    }

    /// Registers.
    pub async fn register(&self, server: &ServerProcess) {
        let answer = post(server, "/user", self.request(&[])).await;
        assert_eq!(answer.status(), Status::Success, "{answer:?}");
    }

    /// Pushes; what became of each bag.
    pub async fn push(&self, server: &ServerProcess, bags: &[Bag]) -> Vec<PushItem> {
        let request = push::request(&self.timestamp_at(now_ms()), bags).expect("a request");
        let mut reader = post(server, "/push", request).await.expect();
        PushItem::read_all(&mut reader).expect("items")
    }

    /// Pushes to a server that may end meanwhile; `None` when no answer came.
    pub async fn try_push(&self, server: &ServerProcess, bags: &[Bag]) -> Option<Vec<PushItem>> {
        let request = push::request(&self.timestamp_at(now_ms()), bags).expect("a request");
        let request = server.request("POST", "/push").body("application/octet-stream", request);
        let mut reader = Answer::read(request.try_send().await.ok()?).expect();
        Some(PushItem::read_all(&mut reader).expect("items"))
    }

    /// Pushes what has to be stored; the numbers.
    pub async fn store(&self, server: &ServerProcess, bags: &[Bag]) -> Vec<u64> {
        let items = self.push(server, bags).await;
        items.into_iter().map(|item| item.result.expect("it is stored").0).collect()
    }

    /// Every head behind a number.
    pub async fn peek(&self, server: &ServerProcess, after: u64) -> Vec<PeekItem> {
        let request = peek::request(&self.timestamp_at(now_ms()), BagSeq(after)).expect("a request");
        PeekItem::read_all(&mut post(server, "/peek", request).await.expect()).expect("items")
    }

    /// A page of heads behind a number.
    pub async fn page(&self, server: &ServerProcess, after: u64, most: u64) -> (PageHead, Vec<PeekItem>) {
        let auth = self.timestamp_at(now_ms());
        let request = peek::page_request(&auth, BagSeq(after), most).expect("a request");
        let mut reader = post(server, "/peek-page", request).await.expect();
        let head = PageHead::read(&mut reader).expect("a page's head");
        (head, PeekItem::read_all(&mut reader).expect("items"))
    }

    /// Bodies.
    pub async fn pull(&self, server: &ServerProcess, numbers: &[u64]) -> Vec<PullItem> {
        let numbers: Vec<_> = numbers.iter().copied().map(BagSeq).collect();
        let request = pull::request(&self.timestamp_at(now_ms()), &numbers).expect("a request");
        PullItem::read_all(&mut post(server, "/pull", request).await.expect()).expect("items")
    }

    /// The account's history.
    pub async fn epoch(&self, server: &ServerProcess, cursor: Option<Cursor>) -> EpochAnswer {
        let request = epoch::request(&self.timestamp_at(now_ms()), cursor.as_ref()).expect("a request");
        EpochAnswer::read(&mut post(server, "/epoch", request).await.expect()).expect("an epoch")
    }

    /// A signed call to this server, made now.
    pub fn call(&self, server: &ServerProcess, path: &str, epoch: EpochId, body: &[u8]) -> Vec<u8> {
        self.call_at(&format!("http://{}", server.address()), path, epoch, now_ms(), body)
    }

    /// A signed call.
    pub fn call_at(&self, origin: &str, path: &str, epoch: EpochId, time_ms: u64, body: &[u8]) -> Vec<u8> {
        let call = self.sealer.keys().call(path, origin, &epoch, time_ms, body).expect("a call");
        let mut bytes = Vec::new();
        call.write(&mut bytes).expect("a call");
        bytes.extend_from_slice(body);
        bytes
    }

    /// Prunes in the open epoch; what became of each pair.
    pub async fn prune(&self, server: &ServerProcess, pairs: &[PrunePair]) -> Vec<Status> {
        let epoch = self.epoch(server, None).await.epoch;
        let mut body = Vec::new();
        pairs.iter().for_each(|pair| pair.write(&mut body).expect("a pair"));
        let mut reader = post(server, "/prune", self.call(server, "/prune", epoch, &body)).await.expect();
        let items = PruneItem::read_all(&mut reader).expect("items");
        items.into_iter().map(|item| item.status).collect()
    }

    /// Listens, or brings the answer that refused it.
    pub async fn try_listen(&self, server: &ServerProcess) -> Result<Listener, Reply> {
        let token = HEXLOWER.encode(&self.request(&[]));
        Listener::open(server, &format!("/?t={token}")).await
    }

    /// Listens.
    pub async fn listen(&self, server: &ServerProcess) -> Listener {
        self.try_listen(server).await.unwrap_or_else(|refused| panic!("refused: {refused:?}"))
    }
}

/// A request to peek at nothing, for whoever only wants to know whether the host answers the account.
pub fn peek_nothing() -> Vec<u8> {
    let mut rest = Vec::new();
    put_varint(&mut rest, 1 << 40).expect("a number");
    rest
}

/// What comes from a notice socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A frame.
    Frame(Vec<u8>),
    /// The server's close frame: its code and reason.
    Closed(u16, String),
    /// The end without a close frame.
    Cut,
}

/// A notice socket.
#[derive(Debug)]
pub struct Listener {
    stream: WebSocketStream<TcpStream>,
}

impl Listener {
    /// Opens one at any path and query, or brings the answer that refused it.
    pub async fn open(server: &ServerProcess, path: &str) -> Result<Self, Reply> {
        let url = format!("ws://{}{path}", server.address());
        let request = url.into_client_request().expect("a good URL");
        let stream = TcpStream::connect(server.address()).await.expect("a connection");
        match timeout(DEADLINE, client_async(request, stream)).await.expect("an answer in time") {
            Ok((stream, _)) => Ok(Self { stream }),
            Err(Error::Http(response)) => Err(Reply {
                status: response.status().as_u16(),
                headers: Vec::new(),
                body: response.body().clone().unwrap_or_default(),
            }),
            Err(error) => Err(Reply { status: 0, headers: Vec::new(), body: error.to_string().into() }),
        }
    }

    /// What comes next; pings are answered on the way.
    pub async fn next(&mut self) -> Heard {
        timeout(DEADLINE, self.next_unbounded()).await.expect("something comes in time")
    }

    /// What comes within a time; `None` when nothing does.
    pub async fn next_within(&mut self, patience: Duration) -> Option<Heard> {
        timeout(patience, self.next_unbounded()).await.ok()
    }

    async fn next_unbounded(&mut self) -> Heard {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Binary(bytes))) => return Heard::Frame(bytes.to_vec()),
                Some(Ok(Message::Text(text))) => panic!("a text frame: {text}"),
                Some(Ok(Message::Close(Some(frame)))) => {
                    return Heard::Closed(frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(Message::Close(None))) => return Heard::Closed(1005, String::new()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Heard::Cut,
            }
        }
    }

    /// The next notice, which there must be.
    pub async fn notice(&mut self) -> Vec<NoticeItem> {
        match self.next().await {
            Heard::Frame(frame) => NoticeItem::decode_all(frame).expect("a notice"),
            other => panic!("no notice but {other:?}"),
        }
    }

    /// Says something, which nobody heeds.
    pub async fn say(&mut self, words: &str) {
        timeout(DEADLINE, self.stream.send(Message::text(words)))
            .await
            .expect("in time")
            .expect("it goes out");
    }

    /// The plain connection, for a listener that stops reading.
    pub fn into_stream(self) -> TcpStream {
        self.stream.into_inner()
    }
}

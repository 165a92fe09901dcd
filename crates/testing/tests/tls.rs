//! TLS without a proxy: `--tls-certificate` and `--tls-key`, with a certificate that openssl makes for the test.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod cli_support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use cli_support::User;
use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use seabag_testing::process::{DEADLINE, ServerProcess, Setup};
use seabag_testing::socket::push;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

/// A certificate for 127.0.0.1 and localhost that vouches for itself, and its key.
struct Identity {
    directory: TempDir,
}

impl Identity {
    fn new() -> Self {
        let identity = Self { directory: TempDir::new().unwrap() };
        let configuration = identity.path("openssl.cnf");
        // A configuration of its own: the system's would call the certificate an authority.
        let text = "[req]\ndistinguished_name = name\nx509_extensions = extensions\nprompt = no\n\
                    [name]\nCN = localhost\n\
                    [extensions]\nbasicConstraints = critical, CA:FALSE\n\
                    subjectAltName = IP:127.0.0.1, DNS:localhost\n";
        std::fs::write(&configuration, text).unwrap();
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "2",
            ])
            .arg("-config")
            .arg(&configuration)
            .arg("-keyout")
            .arg(identity.key())
            .arg("-out")
            .arg(identity.certificate())
            .output();
        let made = made.expect("openssl is missing: scripts/test installs it");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        identity
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn certificate(&self) -> PathBuf {
        self.path("certificate.pem")
    }

    fn key(&self) -> PathBuf {
        self.path("key.pem")
    }

    fn setup(&self) -> Setup {
        with_files(&self.certificate(), &self.key())
    }

    /// What a client trusts that knows this certificate and no other.
    fn trust(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(self.certificate()).unwrap() {
            roots.add(certificate.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        Arc::new(builder.unwrap().with_root_certificates(roots).with_no_client_auth())
    }

    /// A user whose system knows this certificate.
    fn user(&self, server: &ServerProcess) -> User {
        let url = format!("https://{}", server.address());
        let certificate = self.certificate().display().to_string();
        User::new().with("SEABAG_SERVER", &url).with("SSL_CERT_FILE", &certificate)
    }
}

fn with_files(certificate: &Path, key: &Path) -> Setup {
    Setup::new().flag("tls-certificate", certificate.display()).flag("tls-key", key.display())
}

async fn connect(server: &ServerProcess, trust: Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(server.address()).await?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    timeout(DEADLINE, TlsConnector::from(trust).connect(name, stream)).await.expect("a handshake in time")
}

/// A request over TLS: its whole answer as text.
async fn ask(server: &ServerProcess, identity: &Identity, method: &str, path: &str) -> String {
    let mut stream = connect(server, identity.trust()).await.unwrap();
    let host = server.address();
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer)).await.expect("an answer in time").unwrap();
    answer
}

async fn new_room(server: &ServerProcess, identity: &Identity) -> Value {
    let answer = ask(server, identity, "POST", "/new").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    serde_json::from_str(body).unwrap()
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn open(server: &ServerProcess, identity: &Identity, url: &str) -> Socket {
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "seabag.v1".parse().unwrap());
    let stream = TcpStream::connect(server.address()).await.unwrap();
    let trust = Some(Connector::Rustls(identity.trust()));
    let opening = client_async_tls_with_config(request, stream, None, trust);
    timeout(DEADLINE, opening).await.expect("a handshake in time").unwrap().0
}

async fn next(socket: &mut Socket) -> Value {
    loop {
        let message = timeout(DEADLINE, socket.next()).await.expect("a message in time");
        if let Message::Text(text) = message.expect("a message").unwrap() {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

/// Panics unless a room can be made, written and heard over TLS as always.
async fn assert_serves(server: &ServerProcess, identity: &Identity) {
    let room = new_room(server, identity).await;
    let mut socket = open(server, identity, room["socket_url"].as_str().unwrap()).await;
    assert_eq!(next(&mut socket).await["type"], "hello");
    socket.send(Message::text(push("key", "over TLS", "append").to_string())).await.unwrap();
    assert_eq!(next(&mut socket).await["value"], "over TLS");
}

#[tokio::test]
async fn a_room_over_tls_has_https_and_wss_urls_that_work() {
    let identity = Identity::new();
    let server = identity.setup().start().await;
    let room = new_room(&server, &identity).await;
    let id = room["room"].as_str().unwrap();
    let address = server.address();
    assert_eq!(room["socket_url"], format!("wss://{address}/room/{id}/connect"));
    assert!(
        room["http_url"].as_str().unwrap().starts_with(&format!("https://{address}/room/{id}")),
        "{room}"
    );
    assert_serves(&server, &identity).await;
    let page = ask(&server, &identity, "GET", &format!("/room/{id}/stream?since=0")).await;
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    server.assert_keeps(&[id]).await;
}

#[tokio::test]
async fn the_command_line_uses_a_room_over_tls() {
    let identity = Identity::new();
    let mut server = identity.setup().start().await;
    let user = identity.user(&server);
    user.run(&["health"]).good();
    user.run(&["room", "new", "--as", "safe"]).good();
    let mut tail = user.start(&["room", "tail", "safe", "--all"]);
    user.feed(&["room", "push", "safe", "log", "--lines"], "one\ntwo\n").good();
    assert_eq!((tail.line()["value"].clone(), tail.line()["value"].clone()), (json!("one"), json!("two")));
    assert!(server.stop().await.success());
    server.restart().await;
    user.run(&["room", "push", "safe", "log", "3"]).good();
    assert_eq!(tail.line()["value"], 3);

    // A user who does not know the certificate trusts nobody, and is told why.
    let stranger = User::new().with("SEABAG_SERVER", &format!("https://{}", server.address()));
    stranger.run(&["room", "new"]).bad(1, "certificate");
    let id = user.id("safe");
    let link = format!("https://{}/room/{id}", server.address());
    let told = User::new().with("SEABAG_ROOM", &link).run(&["room", "tail"]).bad(1, "certificate");
    assert!(!told.stderr.contains(&id));
}

#[tokio::test]
async fn a_public_url_is_what_clients_are_told_over_tls_too() {
    let identity = Identity::new();
    let server = identity.setup().flag("public-url", "https://rooms.example.org").start().await;
    let room = new_room(&server, &identity).await;
    assert!(room["socket_url"].as_str().unwrap().starts_with("wss://rooms.example.org/room/"), "{room}");
}

#[tokio::test]
async fn a_certificate_or_key_that_cannot_be_used_is_named_and_the_server_does_not_start() {
    let (identity, other) = (Identity::new(), Identity::new());
    // A server's start builds the program.
    drop(ServerProcess::start().await);
    let user = User::new();
    let file = |name: &str, text: &str| PathBuf::from(user.file(name, text));
    let garbage = file("garbage.pem", "no PEM at all\n");
    let torn = {
        let whole = std::fs::read_to_string(identity.certificate()).unwrap();
        file("torn.pem", &whole[..whole.len() / 2])
    };
    let spoiled = file("spoiled.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let missing = user.path("missing.pem");
    let (certificate, key) = (identity.certificate(), identity.key());
    let cases = [
        (&missing, &key, "missing.pem"),
        (&certificate, &missing, "missing.pem"),
        (&garbage, &key, "garbage.pem"),
        (&certificate, &garbage, "garbage.pem"),
        (&torn, &key, "torn.pem"),
        // It is read, but is no certificate: only the pair of the two files fails.
        (&spoiled, &key, "certificate"),
        (&certificate, &other.key(), "key.pem"),
        (&certificate, &certificate, "certificate.pem"),
        (&key, &key, "key.pem"),
    ];
    for (certificate, key, named) in cases {
        let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
        let words = [
            "serve",
            "--memory",
            "--listen",
            "127.0.0.1:0",
            "--tls-certificate",
            &certificate,
            "--tls-key",
            &key,
        ];
        let told = user.run(&words).bad(1, named);
        assert!(told.stderr.contains("TLS: "), "{}", told.stderr);
        assert!(!told.stderr.contains("PRIVATE KEY"), "{}", told.stderr);
    }
    for half in ["--tls-certificate", "--tls-key"] {
        let path = key.display().to_string();
        user.run(&["serve", "--memory", "--listen", "127.0.0.1:0", half, &path]).bad(2, "tls_");
    }
}

#[tokio::test]
async fn strangers_on_the_port_disturb_nobody() {
    let identity = Identity::new();
    let server = identity.setup().flag("request-ms-max", "5s").start().await;
    let room = new_room(&server, &identity).await;
    let mut socket = open(&server, &identity, room["socket_url"].as_str().unwrap()).await;
    assert_eq!(next(&mut socket).await["type"], "hello");

    // A handshake that never comes, one that stops half-way, and a client that trusts nobody.
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(server.address()).await.unwrap());
    }
    let mut stalled = TcpStream::connect(server.address()).await.unwrap();
    stalled.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).await.unwrap();
    silent.push(stalled);
    let other = Identity::new();
    assert!(connect(&server, other.trust()).await.is_err(), "a certificate that nobody vouches for");

    // HTTP in the clear is not answered as if it were safe.
    let mut plain = TcpStream::connect(server.address()).await.unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // The end may come as a reset.
    let _ = timeout(DEADLINE, plain.read_to_end(&mut answer)).await.expect("an end in time");
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));

    socket.send(Message::text(push("key", 1, "append").to_string())).await.unwrap();
    assert_eq!(next(&mut socket).await["value"], 1);
    assert_serves(&server, &identity).await;

    // Those who never shook hands are let go.
    for mut stream in silent {
        let mut rest = Vec::new();
        let _ = timeout(DEADLINE, stream.read_to_end(&mut rest)).await.expect("an end in time");
    }
    assert_serves(&server, &identity).await;
}

#[tokio::test]
async fn a_server_with_tls_says_goodbye_and_stops() {
    let identity = Identity::new();
    let mut server = identity.setup().start().await;
    let room = new_room(&server, &identity).await;
    let mut socket = open(&server, &identity, room["socket_url"].as_str().unwrap()).await;
    assert_eq!(next(&mut socket).await["type"], "hello");
    server.terminate();
    assert_eq!(next(&mut socket).await["code"], "going_away");
    let close = timeout(DEADLINE, socket.next()).await.expect("a goodbye in time").unwrap().unwrap();
    let Message::Close(Some(frame)) = close else { panic!("{close:?}") };
    assert_eq!(u16::from(frame.code), 1001);
    assert!(server.wait().await.success());
}

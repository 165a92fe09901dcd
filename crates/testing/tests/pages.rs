//! The pages that the server carries: the built files byte for byte, what is said about them, and that they take nothing
//! away from the protocols.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use seabag_testing::http_client::Reply;
use seabag_testing::process::{ServerProcess, Setup};

const PAGES: [&str; 4] = ["/", "/whiteboard", "/notes", "/inspector"];

/// What is committed: address and bytes of every file.
fn built() -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/dist");
    let (mut files, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        for item in std::fs::read_dir(root.join(&folder)).unwrap() {
            let item = item.unwrap();
            let path = folder.join(item.file_name());
            if item.file_type().unwrap().is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.to_str().unwrap().trim_end_matches(".html");
            let address = if name == "index" { "/".into() } else { format!("/{name}") };
            files.push((address, std::fs::read(root.join(&path)).unwrap()));
        }
    }
    files
}

async fn ask(server: &ServerProcess, path: &str, headers: &[(&str, &str)]) -> Reply {
    let request = server.request("GET", path);
    headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send().await
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}

#[tokio::test]
async fn the_built_files_are_served_byte_for_byte_and_gzipped_to_those_who_take_it() {
    let server = ServerProcess::start().await;
    let files = built();
    assert!(files.len() > PAGES.len());
    for (path, bytes) in files {
        let plain = ask(&server, &path, &[]).await;
        assert_eq!(plain.status, 200, "{path}");
        assert!(plain.body == bytes, "{path} is not what lies in web/dist: cargo build");
        assert_eq!(plain.header("content-encoding"), None);
        let zipped = ask(&server, &path, &[("accept-encoding", "br, gzip;q=0.8")]).await;
        if zipped.header("content-encoding") == Some("gzip") {
            assert!(zipped.body.len() < bytes.len(), "{path}");
            assert!(gunzip(&zipped.body) == bytes, "{path}");
            assert_ne!(zipped.header("etag"), plain.header("etag"), "{path}");
        } else {
            assert!(zipped.body == bytes, "{path}");
        }
        assert_eq!(
            zipped.header("vary").map(str::to_lowercase).as_deref().map(|v| v.contains("accept-encoding")),
            Some(true)
        );
    }
}

#[tokio::test]
async fn every_page_is_told_to_load_and_to_ask_nothing_but_this_server() {
    let server = ServerProcess::start().await;
    for path in PAGES {
        let reply = ask(&server, path, &[]).await;
        assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(reply.header("cross-origin-opener-policy"), Some("same-origin"));
        assert_eq!(reply.header("cache-control"), Some("no-cache"));
        let policy = reply.header("content-security-policy").unwrap();
        let rules: Vec<_> = policy.split(';').map(str::trim).collect();
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(rules.contains(&rule), "{path} lacks {rule}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http") && !policy.contains("/*"), "{policy}");
        let text = reply.text();
        assert!(
            !text.contains("<style") && !text.contains(" style=") && !text.contains("javascript:"),
            "{path}"
        );
        for script in text.split("<script").skip(1) {
            let tag = script.split('>').next().unwrap();
            assert!(tag.contains(" src=\"/assets/"), "{path} has a script in it: {tag}");
        }
        assert!(!text.contains("://"), "{path} names another place");
    }
}

#[tokio::test]
async fn hashed_files_are_kept_for_ever_and_the_rest_is_asked_for_again() {
    let server = ServerProcess::start().await;
    for (path, _) in built() {
        let reply = ask(&server, &path, &[]).await;
        let cached = reply.header("cache-control").unwrap();
        assert_eq!(cached.contains("immutable"), path.starts_with("/assets/"), "{path}: {cached}");
        let tag = reply.header("etag").unwrap();
        let again = ask(&server, &path, &[("if-none-match", tag)]).await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        assert_eq!(again.header("etag"), Some(tag), "{path}");
        assert!(again.header("content-security-policy").is_some(), "{path}: a 304 replaces the headers");
        let other = ask(&server, &path, &[("if-none-match", "\"0000\"")]).await;
        assert_eq!(other.status, 200, "{path}");
    }
}

#[tokio::test]
async fn head_tells_the_same_without_a_body() {
    let server = ServerProcess::start().await;
    for path in ["/", "/notes", "/seabag.js", "/favicon.svg"] {
        let get = ask(&server, path, &[]).await;
        let head = server.request("HEAD", path).open().await.unwrap();
        assert_eq!(head.status, 200, "{path}");
        let told = |headers: &[(String, String)]| {
            let mut kept: Vec<_> = headers.iter().filter(|(name, _)| name != "date").cloned().collect();
            kept.sort();
            kept
        };
        assert_eq!(told(&head.headers), told(&get.headers), "{path}");
    }
}

#[tokio::test]
async fn the_package_can_be_loaded_by_pages_of_other_origins() {
    let server = ServerProcess::start().await;
    let assets = built().into_iter().map(|(path, _)| path).filter(|path| path.starts_with("/assets/seabag-"));
    for path in ["/seabag.js".to_owned()].into_iter().chain(assets) {
        let reply = ask(&server, &path, &[("origin", "https://a.example")]).await;
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"), "{path}");
        assert_eq!(reply.header("content-type"), Some("text/javascript; charset=utf-8"), "{path}");
    }
}

#[tokio::test]
async fn what_is_no_page_stays_what_it_was() {
    let server = ServerProcess::start().await;
    let strange =
        ["/index.html", "/notes.html", "/notes/", "/Notes", "/assets", "/assets/", "/assets/none.js"];
    for path in strange.into_iter().chain(["/..%2fCargo.toml", "/assets/../notes", "//notes", "/favicon.ico"])
    {
        let reply = ask(&server, path, &[]).await;
        assert_eq!((reply.status, reply.body.len()), (404, 0), "{path}");
    }
    for path in PAGES.into_iter().chain(["/seabag.js", "/nothing"]) {
        let call = server.request("POST", path).body("application/octet-stream", [0x80]).send().await;
        assert_eq!((call.status, call.body.first()), (200, Some(&13)), "POST {path} is the host's");
    }
    for method in ["PUT", "DELETE", "PATCH"] {
        for path in PAGES {
            let reply = server.request(method, path).send().await;
            assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")), "{method} {path}");
        }
    }
    let queried = ask(&server, "/whiteboard?x=1", &[]).await;
    assert_eq!(queried.status, 200, "a query means nothing to a page");
}

#[tokio::test]
async fn pages_that_are_turned_off_leave_a_line_of_text() {
    let server = Setup::new().variable("SEABAG_PAGES", "false").start().await;
    let first = ask(&server, "/", &[]).await;
    assert_eq!(first.status, 200);
    assert!(first.text().starts_with("This is Seabag"), "{}", first.text());
    for (path, _) in built().into_iter().filter(|(path, _)| path != "/") {
        assert_eq!(ask(&server, &path, &[]).await.status, 404, "{path}");
    }
    assert_eq!(server.request("POST", "/new").send().await.status, 200);
    assert_eq!(ask(&server, "/about", &[]).await.status, 200);
    let call = server.request("POST", "/").body("application/octet-stream", [0x80]).send().await;
    assert_eq!(call.body.first(), Some(&13));
}

#[tokio::test]
async fn about_says_what_making_rooms_and_accounts_asks_for_and_no_secret() {
    let open = ServerProcess::start().await;
    let told = ask(&open, "/about", &[]).await;
    assert_eq!(told.header("content-type"), Some("application/json"));
    assert_eq!(told.header("access-control-allow-origin"), Some("*"));
    let expected = serde_json::json!({
        "name": "seabag", "version": env!("CARGO_PKG_VERSION"), "creation": "open", "registration": "open",
    });
    assert_eq!(told.json(), expected);
    let closed = Setup::new()
        .variable("SEABAG_CREATION_TOKEN", "hunter2-rooms")
        .variable("SEABAG_REGISTRATION", "token")
        .variable("SEABAG_REGISTRATION_TOKEN", "hunter2-accounts")
        .start()
        .await;
    let told = ask(&closed, "/about", &[]).await;
    assert_eq!((&told.json()["creation"], &told.json()["registration"]), (&"token".into(), &"token".into()));
    assert!(!told.text().contains("hunter2"));
}

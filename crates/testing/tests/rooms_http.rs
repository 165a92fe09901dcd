//! The plain HTTP routes of rooms, against a real server: statuses, codes, bodies, CORS, addresses, tokens.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use seabag_testing::process::{ServerProcess, Setup};
use seabag_testing::socket::{compact, get, push};
use serde_json::{Value, json};

/// A room nobody has made.
const NO_ROOM: &str = "AAAAAAAAAAAAAAAAAAAAAA";

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}"))
}

#[tokio::test]
async fn a_new_room_can_be_found_by_both_of_its_ids_and_the_reader_never_learns_the_writers() {
    let server = ServerProcess::start().await;
    let reply = server.request("POST", "/new").send().await;
    let made = reply.json();
    let (room, read_only) = (text(&made, "room"), text(&made, "read_only"));
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert!(reply.text().starts_with("{\"room\":"), "DriftDB's fields come first: {}", reply.text());
    assert_eq!(text(&made, "socket_url"), format!("ws://{}/room/{room}/connect", server.address()));
    assert_eq!(text(&made, "http_url"), format!("http://{}/room/{room}/send", server.address()));
    assert!(room.len() >= 22 && read_only.starts_with("ro."));
    let seen = server.request("GET", &format!("/room/{room}")).send().await;
    assert_eq!((seen.status, seen.json()), (200, made.clone()));
    let shared = server.request("GET", &format!("/room/{read_only}")).send().await;
    assert_eq!(shared.status, 200);
    assert_eq!(shared.json()["room"], read_only);
    assert_eq!(shared.json()["epoch"], made["epoch"]);
    assert!(!shared.text().contains(room), "the reader was shown the writer's id");
    server.assert_keeps(&[room, read_only]).await;
}

#[tokio::test]
async fn unknown_rooms_paths_and_methods_are_404_and_405() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    let send = json!({"type": "ping"});
    for id in [NO_ROOM, "short", "ro.short", "has%20space%20has%20space%20has", "..%2f..%2f..%2fetc%2fpasswd"]
    {
        for (method, path) in [("GET", ""), ("DELETE", ""), ("GET", "/stream"), ("POST", "/send")] {
            let request = server.request(method, &format!("/room/{id}{path}"));
            let request = if method == "POST" { request.json(&get("k")) } else { request };
            let reply = request.send().await;
            assert_eq!((reply.status, reply.code().as_str()), (404, "unknown_room"), "{method} {id}{path}");
            assert!(!reply.text().contains(id), "an error body repeats the id");
        }
    }
    for path in ["/nothing", "/new/", "/room", "/room/", "/rooms", &format!("/room/{room}/connect/")] {
        let reply = server.request("GET", path).send().await;
        assert_eq!((reply.status, reply.body.len()), (404, 0), "{path}");
    }
    for (method, path) in [("GET", "/new"), ("PUT", "/new"), ("DELETE", "/new"), ("PATCH", "/new")] {
        assert_eq!(server.request(method, path).send().await.status, 405, "{method} {path}");
    }
    for (method, path) in [("POST", ""), ("GET", "/send"), ("POST", "/stream"), ("POST", "/connect")] {
        let path = format!("/room/{room}{path}");
        assert_eq!(server.request(method, &path).send().await.status, 405, "{method}");
    }
    assert_eq!(server.send(&room, &send).await.status, 200, "and the room is as it was");
}

#[tokio::test]
async fn every_answer_can_be_read_by_a_page_from_elsewhere() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    let good = server.request("POST", "/new").header("origin", "https://a.example").send().await;
    let bad = server.request("GET", &format!("/room/{NO_ROOM}")).header("origin", "https://a.example");
    let wrong = server.request("GET", "/new").header("origin", "https://a.example");
    for reply in [good, bad.send().await, wrong.send().await] {
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"), "{reply:?}");
        assert_eq!(reply.header("access-control-allow-credentials"), None);
    }
    for (path, method) in
        [("/new", "POST"), (&*format!("/room/{room}"), "DELETE"), (&*format!("/room/{room}/send"), "POST")]
    {
        let preflight = server.request("OPTIONS", path).header("origin", "https://a.example");
        let asked = "content-type,seabag-client,authorization";
        let preflight = preflight.header("access-control-request-method", method);
        let reply = preflight.header("access-control-request-headers", asked).send().await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let methods = reply.header("access-control-allow-methods").expect("methods");
        assert!(methods.contains(method), "{methods}");
        let headers = reply.header("access-control-allow-headers").expect("headers");
        assert!(asked.split(',').all(|name| headers.contains(name)), "{headers}");
    }
}

#[tokio::test]
async fn addresses_follow_the_proxy_unless_the_operator_has_set_one() {
    let server = ServerProcess::start().await;
    let cases: [(&[(&str, &str)], &str); 5] = [
        (&[("host", "rooms.example:81")], "ws://rooms.example:81/"),
        (&[("x-forwarded-host", "a.example"), ("x-forwarded-proto", "https")], "wss://a.example/"),
        (
            &[("forwarded", "host=b.example;proto=https"), ("x-forwarded-host", "c.example")],
            "wss://b.example/",
        ),
        (&[("x-forwarded-host", "d.example, e.example")], "ws://d.example/"),
        (&[("x-forwarded-host", "\"><script>")], "ws://127.0.0.1:"),
    ];
    for (headers, expected) in cases {
        let request = server.request("POST", "/new");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let made = request.send().await.json();
        assert!(text(&made, "socket_url").starts_with(expected), "{made}");
    }
    let server = Setup::new().flag("public-url", "https://public.example/").start().await;
    let made = server.request("POST", "/new").header("x-forwarded-host", "evil.example").send().await.json();
    assert!(text(&made, "socket_url").starts_with("wss://public.example/room/"), "{made}");
    assert!(text(&made, "http_url").starts_with("https://public.example/room/"), "{made}");
}

#[tokio::test]
async fn only_who_has_the_creation_token_makes_rooms() {
    let server = Setup::new().variable("SEABAG_CREATION_TOKEN", "sesame-open-please").start().await;
    let mine = "my-own-room-id-of-some-length";
    for path in ["/new", &format!("/room/{mine}")] {
        let method = if path == "/new" { "POST" } else { "PUT" };
        for token in
            [None, Some("Bearer wrong"), Some("Basic sesame-open-please"), Some("sesame-open-please")]
        {
            let request = server.request(method, path);
            let reply = match token {
                Some(token) => request.header("authorization", token).send().await,
                None => request.send().await,
            };
            assert_eq!((reply.status, reply.code().as_str()), (401, "token_required"), "{token:?}");
        }
        let allowed = server.request(method, path).header("authorization", "Bearer sesame-open-please");
        assert!(matches!(allowed.send().await.status, 200 | 201));
    }
    assert_eq!(server.send(mine, &push("k", 1, "append")).await.status, 200, "using one needs no token");
    server.assert_keeps(&[mine, "sesame-open-please"]).await;
}

#[tokio::test]
async fn a_read_only_id_reads_everything_and_changes_nothing() {
    let server = ServerProcess::start().await;
    let made = server.new_room_body().await;
    let (room, reader) = (text(&made, "room"), text(&made, "read_only"));
    server.append(room, "k", json!(1)).await;
    assert_eq!(server.entries(reader).await, server.entries(room).await);
    let init = server.send(reader, &get("k")).await;
    assert_eq!(init.json(), json!({"type": "init", "key": "k", "data": [{"value": 1, "seq": 1}]}));
    assert_eq!(server.send(reader, &json!({"type": "keys"})).await.json()["data"][0]["key"], "k");
    for body in [
        push("k", 2, "append"),
        push("k", 2, "relay"),
        push("k", 2, "replace"),
        push("k", 2, "close"),
        compact("k", 2, 1),
        json!([push("k", 2, "append")]),
    ] {
        let reply = server.send(reader, &body).await;
        assert_eq!((reply.status, reply.code().as_str()), (403, "read_only"), "{body}");
    }
    let deleted = server.request("DELETE", &format!("/room/{reader}")).send().await;
    assert_eq!((deleted.status, deleted.code().as_str()), (403, "read_only"));
    let put = server.request("PUT", &format!("/room/{reader}")).send().await;
    assert_eq!((put.status, put.code().as_str()), (400, "bad_parameter"));
    assert_eq!(server.entries(room).await.len(), 1);
}

#[tokio::test]
async fn a_room_is_made_under_a_known_id_deleted_and_made_again_with_another_history() {
    let server = ServerProcess::start().await;
    let id = "chosen_by-its-holder-01";
    let path = format!("/room/{id}");
    let first = server.request("PUT", &path).send().await;
    let again = server.request("PUT", &path).send().await;
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(first.json(), again.json());
    server.append(id, "k", json!("old")).await;
    let old = server.request("GET", &format!("/room/{id}/stream?since=0")).send().await.json();
    let cursor = format!("{}.{}", text(&old, "epoch"), old["seq"]);
    assert_eq!(server.request("DELETE", &path).send().await.status, 204);
    for method in ["GET", "DELETE"] {
        let reply = server.request(method, &path).send().await;
        assert_eq!((reply.status, reply.code().as_str()), (404, "unknown_room"), "{method}");
    }
    let new = server.request("PUT", &path).send().await;
    assert_eq!(new.status, 201);
    assert_ne!(new.json()["epoch"], first.json()["epoch"]);
    let page = server.request("GET", &format!("/room/{id}/stream?since={cursor}")).send().await.json();
    assert_eq!((text(&page, "reset"), &page["data"]), ("unknown_epoch", &json!([])));
    for bad in ["short", "a%20space-in-the-middle-of-it", &"a".repeat(65), "dots.are.not.allowed.here"] {
        let reply = server.request("PUT", &format!("/room/{bad}")).send().await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "bad_parameter"), "{bad}");
    }
}

#[tokio::test]
async fn a_closed_room_takes_nothing_more_and_only_the_admin_deletes_it() {
    let server = ServerProcess::start().await;
    let made = server.new_room_body().await;
    let room = text(&made, "room");
    server.append(room, "k", json!(1)).await;
    assert_eq!(server.send(room, &push("end", "moved", "close")).await.status, 200);
    for body in
        [push("k", 2, "append"), push("k", 2, "relay"), compact("k", 2, 1), json!([push("k", 2, "append")])]
    {
        let reply = server.send(room, &body).await;
        assert_eq!((reply.status, reply.code().as_str()), (409, "closed"), "{body}");
    }
    let deleted = server.request("DELETE", &format!("/room/{room}")).send().await;
    assert_eq!((deleted.status, deleted.code().as_str()), (409, "closed"));
    let values: Vec<_> = server.entries(room).await.iter().map(|entry| entry["value"].clone()).collect();
    assert_eq!(values, [json!(1), json!("moved")]);
    let rooms = server.admin("GET", "/rooms").send().await.json();
    let hash = text(&rooms["rooms"][0], "hash").to_owned();
    assert_eq!(rooms["rooms"][0]["closed"], true);
    assert_eq!(server.admin("DELETE", &format!("/rooms/{hash}")).send().await.status, 204);
    assert_eq!(server.request("GET", &format!("/room/{room}")).send().await.status, 404);
    server.assert_keeps(&[room]).await;
}

#[tokio::test]
async fn health_and_readiness_and_the_admin_address_answer() {
    let server = Setup::new().variable("SEABAG_ADMIN_TOKEN", "let-the-keeper-in").start().await;
    for path in ["/healthz", "/health", "/readyz"] {
        assert_eq!(server.request("GET", path).send().await.status, 200, "{path}");
    }
    for path in ["/metrics", "/stats", "/rooms", "/backup"] {
        assert_eq!(server.request("GET", path).send().await.status, 404, "{path} is no one's business");
        let reply = server.admin("GET", path).send().await;
        assert_eq!((reply.status, reply.code().as_str()), (401, "token_required"), "{path}");
        let reply =
            server.admin("GET", path).header("authorization", "Bearer let-the-keeper-in").send().await;
        assert_eq!(reply.status, 200, "{path}");
    }
}

//! The host's calls against the real program: pushes that are atomic and repeatable, notices, pages, prunes, epochs,
//! deletion (docs/host.md).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use data_encoding::{HEXLOWER, HEXUPPER};
use seabag_protocol::host::bag::{Bag, BagSeq};
use seabag_protocol::host::epoch::Cursor;
use seabag_protocol::host::prune::{PrunePair, PruneReason};
use seabag_protocol::host::push;
use seabag_protocol::host::record::EpochId;
use seabag_protocol::host::status::Status;
use seabag_testing::host_client::{Account, Answer, Heard, Listener, now_ms, post};
use seabag_testing::http_client::Request;
use seabag_testing::process::{ServerProcess, Setup};

async fn start() -> (ServerProcess, Account) {
    let (server, account) = (ServerProcess::start().await, Account::new(7));
    account.register(&server).await;
    (server, account)
}

fn superseded(bag: u64, by: u64) -> PrunePair {
    PrunePair { bag: BagSeq(bag), reason: PruneReason::SupersededBy(BagSeq(by)) }
}

async fn kept(server: &ServerProcess, account: &Account) -> Vec<u64> {
    account.peek(server, 0).await.into_iter().map(|item| item.seq.0).collect()
}

#[tokio::test]
async fn what_was_pushed_comes_back_as_it_was() {
    let (server, account) = start().await;
    let mut bags = account.bags(0..3);
    bags.push(account.bag(3, None, 0));
    bags.push(account.bag(4, Some(&[9; 100_000]), 0));
    assert_eq!(account.store(&server, &bags).await, [1, 2, 3, 4, 5]);
    let heads = account.peek(&server, 0).await;
    let bodies = account.pull(&server, &[1, 2, 3, 4, 5]).await;
    let found: Vec<_> = heads
        .into_iter()
        .zip(bodies)
        .map(|(head, body)| {
            assert_eq!(head.seq, body.seq);
            Bag { sealed: head.sealed, body: body.body }
        })
        .collect();
    assert_eq!(found, bags);
    assert_eq!(account.peek(&server, 3).await.len(), 2);
    assert_eq!(account.peek(&server, u64::MAX >> 8).await.len(), 0);
}

#[tokio::test]
async fn a_message_that_is_sealed_again_keeps_its_first_number_and_nobody_hears_of_it() {
    let (server, account) = start().await;
    let mut listener = account.listen(&server).await;
    let (first, again) = (account.bag(1, Some(b"milk"), 1), account.bag(1, Some(b"milk"), 2));
    assert_ne!(first, again);
    assert_eq!(account.store(&server, std::slice::from_ref(&first)).await, [1]);
    assert_eq!(listener.notice().await.len(), 1);
    assert_eq!(
        account.store(&server, &[again.clone(), account.bag(2, Some(b"eggs"), 0), again]).await,
        [1, 2, 1]
    );
    let notice = listener.notice().await;
    assert_eq!(notice.iter().map(|item| item.seq.0).collect::<Vec<_>>(), [2]);
    assert_eq!(account.pull(&server, &[1]).await[0].body, first.body, "the first sealing stays");
    assert_eq!(kept(&server, &account).await, [1, 2]);
}

#[tokio::test]
async fn a_push_that_cannot_be_read_stores_nothing_and_one_bad_signature_costs_only_its_bag() {
    let (server, account) = start().await;
    let bags = account.bags(0..200);
    let mut request = push::request(&account.timestamp_at(now_ms()), &bags).unwrap();
    request.truncate(request.len() - 1);
    let answer = post(&server, "/push", request).await;
    assert_eq!((answer.status(), answer.rest.len()), (Status::OutOfBounds, 0));
    assert_eq!(kept(&server, &account).await.len(), 0);
    let mut bags = bags;
    bags[100].sealed.signature[3] ^= 1;
    let items = account.push(&server, &bags).await;
    let refused: Vec<_> = items.iter().filter(|item| item.result.is_err()).collect();
    assert_eq!(refused.len(), 1);
    assert_eq!((refused[0].index, refused[0].result), (100, Err(Status::InvalidSignature)));
    assert_eq!(kept(&server, &account).await, (1..200).collect::<Vec<_>>());
}

#[tokio::test]
async fn pushes_of_many_at_once_get_numbers_without_gaps_and_every_listener_hears_them_in_order() {
    let (server, account) = start().await;
    let mut listeners = Vec::new();
    for _ in 0..3 {
        listeners.push(account.listen(&server).await);
    }
    let requests = (0..20).map(|request| {
        let bags = account.bags(request * 100..request * 100 + 10);
        let (server, account) = (&server, &account);
        async move { account.store(server, &bags).await }
    });
    let mut numbers = futures_util::future::join_all(requests).await.concat();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=200).collect::<Vec<_>>());
    for listener in &mut listeners {
        let mut heard = Vec::new();
        while heard.len() < 200 {
            let notice = listener.notice().await;
            assert_eq!(notice.len(), 10, "one frame a push");
            heard.extend(notice.iter().map(|item| item.seq.0));
        }
        assert_eq!(heard, numbers);
    }
}

#[tokio::test]
async fn a_notice_comes_before_the_pushers_answer_could_be_acted_on_and_brings_a_lone_short_body() {
    let (server, account) = start().await;
    let other = Account::new(8);
    other.register(&server).await;
    let (mut mine, mut others) = (account.listen(&server).await, other.listen(&server).await);
    // 40 bytes are the sealing's.
    for (number, bytes, inline) in [(1, 472, true), (2, 473, false)] {
        let bag = account.bag(number, Some(&vec![1; bytes]), 0);
        account.store(&server, std::slice::from_ref(&bag)).await;
        let notice = mine.notice().await;
        assert_eq!((notice.len(), &notice[0].sealed), (1, &bag.sealed));
        assert_eq!(notice[0].body, if inline { bag.body } else { Default::default() });
    }
    account.store(&server, &account.bags(10..12)).await;
    assert!(mine.notice().await.iter().all(|item| item.body.is_empty()));
    account.push(&server, &[]).await;
    let mut unsigned = account.bag(20, Some(b"x"), 0);
    unsigned.sealed.signature = [0; 64];
    account.push(&server, &[unsigned]).await;
    mine.say("whatever").await;
    assert_eq!(mine.next_within(Duration::from_millis(200)).await, None, "nothing was stored");
    assert_eq!(others.next_within(Duration::from_millis(1)).await, None, "another account's");
    account.store(&server, &[account.bag(21, None, 0)]).await;
    assert_eq!(mine.notice().await.len(), 1, "it still listens");
}

#[tokio::test]
async fn whoever_cannot_show_who_it_is_does_not_listen() {
    let (server, account) = start().await;
    let fresh = account.request(&[]);
    let token = HEXLOWER.encode(&fresh);
    let mut forged = fresh.clone();
    forged[40] ^= 1;
    for (path, why) in [
        ("/".to_owned(), "no t"),
        ("/?t=".to_owned(), "empty"),
        (format!("/?t={}", &token[1..]), "an odd number of digits"),
        (format!("/?t={}", &token[2..]), "too short"),
        (format!("/?t={token}00"), "too long"),
        (format!("/?t={}", token.replace('a', "x")), "not hex"),
        (format!("/?t={}", HEXLOWER.encode(&forged)), "a wrong signature"),
        (format!("/?t={}", HEXLOWER.encode(&account.request_at(now_ms() - 31_000, &[]))), "stale"),
    ] {
        let refused = Listener::open(&server, &path).await.unwrap_err();
        assert_eq!(refused.status, 401, "{why}");
    }
    for path in ["/", "/user", "/any/path/at/all", "/room/not-a-connect"] {
        let mut listener =
            Listener::open(&server, &format!("{path}?t={}&x=1", HEXUPPER.encode(&fresh))).await.unwrap();
        assert_eq!(listener.next_within(Duration::from_millis(1)).await, None);
    }
    let room = server.new_room().await;
    let refused =
        Listener::open(&server, &format!("/room/{}/connect?t={token}", &room[1..])).await.unwrap_err();
    assert_eq!(refused.status, 404, "a room's path is a room's");
    server.assert_keeps(&[&token, &HEXLOWER.encode(&account.key().0)]).await;
}

#[tokio::test]
async fn a_client_may_listen_before_its_registration_has_arrived() {
    let (server, _) = start().await;
    let early = Account::new(99);
    let mut listener = early.listen(&server).await;
    assert_eq!(listener.next_within(Duration::from_millis(1)).await, None);
    early.register(&server).await;
    early.store(&server, &early.bags(0..1)).await;
    assert_eq!(listener.notice().await.len(), 1);
}

#[tokio::test]
async fn pages_go_on_from_where_the_last_one_ended() {
    let (server, account) = start().await;
    account.store(&server, &account.bags(0..25)).await;
    account.prune(&server, &[superseded(24, 1), superseded(25, 1), superseded(3, 1)]).await;
    let (mut after, mut found, mut pages) = (0, Vec::new(), 0);
    loop {
        let (head, items) = account.page(&server, after, 10).await;
        assert_eq!(head.last, BagSeq(25));
        assert!(items.len() <= 10 && items.iter().all(|item| item.seq.0 > after && item.seq <= head.through));
        found.extend(items.iter().map(|item| item.seq.0));
        pages += 1;
        after = head.through.0;
        if head.through == head.last {
            break;
        }
    }
    assert_eq!(found, (1..24).filter(|seq| *seq != 3).collect::<Vec<_>>());
    assert!(pages <= 4, "{pages}");
    assert_eq!(account.page(&server, 0, 0).await.1.len(), 22, "0: as many as the host likes");
}

#[tokio::test]
async fn a_pruned_bag_is_gone_its_number_does_not_come_again_and_no_last_copy_goes() {
    let (server, account) = start().await;
    account.store(&server, &account.bags(0..4)).await;
    account.store(&server, &[account.bag(4, None, 0)]).await;
    let pairs = [superseded(1, 2), superseded(3, 3), superseded(4, 99), superseded(5, 2), superseded(77, 2)];
    let expected =
        [Status::Success, Status::InvalidParam, Status::NotFound, Status::InvalidRequest, Status::Success];
    assert_eq!(account.prune(&server, &pairs).await, expected);
    assert_eq!(kept(&server, &account).await, [2, 3, 4, 5]);
    assert_eq!(account.pull(&server, &[1, 2]).await.len(), 1);
    let damaged = PrunePair { bag: BagSeq(2), reason: PruneReason::Damaged };
    assert_eq!(
        account.prune(&server, &[damaged, superseded(1, 3)]).await,
        [Status::Success, Status::Success]
    );
    let again = account.bag(0, Some(b"something to keep"), 9);
    assert_eq!(account.store(&server, &[again]).await, [6], "a new number for what was let go");
}

#[tokio::test]
async fn a_call_that_destroys_is_good_for_its_path_origin_epoch_time_and_body_only() {
    let (server, account) = start().await;
    account.store(&server, &account.bags(0..3)).await;
    let epoch = account.epoch(&server, None).await.epoch;
    let mut body = Vec::new();
    superseded(1, 2).write(&mut body).unwrap();
    let origin = format!("http://{}", server.address());
    let call =
        |origin: &str, path: &str, epoch, time_ms| account.call_at(origin, path, epoch, time_ms, &body);
    let mut other_body = call(&origin, "/prune", epoch, now_ms());
    *other_body.last_mut().unwrap() = 3;
    for (request, status) in [
        (call(&origin, "/delete-account", epoch, now_ms()), Status::InvalidSignature),
        (call("http://elsewhere.example", "/prune", epoch, now_ms()), Status::InvalidRequest),
        (call(&origin, "/prune", EpochId([1; 16]), now_ms()), Status::InvalidRequest),
        (call(&origin, "/prune", epoch, now_ms() - 30_500), Status::ClockOutOfSync),
        (other_body, Status::InvalidSignature),
        (Account::new(9).call(&server, "/prune", epoch, &body), Status::UserNotRegistered),
        (call(&origin, "/prune", epoch, now_ms())[..60].to_vec(), Status::OutOfBounds),
    ] {
        assert_eq!(post(&server, "/prune", request).await.status(), status);
    }
    assert_eq!(kept(&server, &account).await, [1, 2, 3]);
    let request = call(&origin, "/prune", epoch, now_ms());
    for _ in 0..2 {
        let answer = post(&server, "/prune", request.clone()).await;
        assert_eq!(
            (answer.status(), &answer.rest[..]),
            (Status::Success, &[0, 0][..]),
            "a replay changes nothing"
        );
    }
    assert_eq!(kept(&server, &account).await, [2, 3]);
}

#[tokio::test]
async fn a_signed_call_names_the_public_url_where_there_is_one_and_else_where_the_request_went() {
    let server = Setup::new().flag("public-url", "https://host.example.org/").start().await;
    let account = Account::new(1);
    account.register(&server).await;
    let epoch = account.epoch(&server, None).await.epoch;
    let status = async |server: &ServerProcess, origin: &str, epoch, header: Option<(&str, &str)>| {
        let call = account.call_at(origin, "/prune", epoch, now_ms(), &[]);
        let mut request = server.request("POST", "/prune").body("", call);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        Answer::read(request.send().await).status()
    };
    let local = format!("http://{}", server.address());
    assert_eq!(status(&server, "https://host.example.org", epoch, None).await, Status::Success);
    for origin in ["http://host.example.org", "https://host.example.org/", "https://evil.example", &local, ""]
    {
        let forged = Some(("x-forwarded-host", "evil.example"));
        assert_eq!(status(&server, origin, epoch, forged).await, Status::InvalidRequest, "{origin}");
    }
    let server = ServerProcess::start().await;
    account.register(&server).await;
    let epoch = account.epoch(&server, None).await.epoch;
    let local = format!("http://{}", server.address());
    assert_eq!(status(&server, &local, epoch, None).await, Status::Success);
    let proxied = Some(("x-forwarded-host", "host.example.org"));
    assert_eq!(status(&server, "https://host.example.org", epoch, proxied).await, Status::Success);
    assert_eq!(status(&server, "https://host.example.org", epoch, None).await, Status::InvalidRequest);
}

#[tokio::test]
async fn a_deleted_account_is_gone_and_comes_back_as_another() {
    let (server, account) = start().await;
    account.store(&server, &account.bags(0..3)).await;
    let mut listener = account.listen(&server).await;
    let before = account.epoch(&server, None).await;
    let call = account.call(&server, "/delete-account", before.epoch, &[]);
    assert_eq!(post(&server, "/delete-account", call.clone()).await.status(), Status::Success);
    assert_eq!(listener.next().await, Heard::Closed(4502, "account_deleted".into()));
    let peek = account.request(&[0]);
    assert_eq!(post(&server, "/peek", peek).await.status(), Status::UserNotRegistered);
    let push = push::request(&account.timestamp_at(now_ms()), &account.bags(0..1)).unwrap();
    assert_eq!(post(&server, "/push", push).await.status(), Status::UserNotRegistered);
    account.register(&server).await;
    assert_eq!(kept(&server, &account).await.len(), 0);
    let answer = account.epoch(&server, Some(Cursor { epoch: before.epoch, seq: BagSeq(0) })).await;
    assert!(!answer.valid && answer.epoch != before.epoch);
    assert_eq!(
        post(&server, "/delete-account", call).await.status(),
        Status::InvalidRequest,
        "another history"
    );
    assert_eq!(account.store(&server, &account.bags(5..6)).await, [1]);
}

#[tokio::test]
async fn a_cursor_outlives_a_restart_and_not_the_loss_of_what_it_has_seen() {
    let (mut server, account) = start().await;
    account.store(&server, &account.bags(0..5)).await;
    let epoch = account.epoch(&server, None).await.epoch;
    let cursor = |seq| Some(Cursor { epoch, seq: BagSeq(seq) });
    let backup = server.admin("GET", "/backup").send().await.body;
    account.store(&server, &account.bags(5..9)).await;
    assert!(account.epoch(&server, cursor(9)).await.valid);
    assert!(!account.epoch(&server, cursor(10)).await.valid, "a number that was never given out");
    assert!(server.stop().await.success());
    server.restart().await;
    assert!(account.epoch(&server, cursor(9)).await.valid);
    account.store(&server, &account.bags(9..10)).await;
    let now = account.epoch(&server, cursor(9)).await;
    assert!(now.valid && now.epoch != epoch && now.last == BagSeq(10), "{now:?}");
    assert!(!account.epoch(&server, cursor(10)).await.valid, "10 is of the later epoch");
    assert!(server.stop().await.success());
    // The backup takes the place of the data: numbers 6 to 10 are lost.
    let (file, restored) = (server.home().join("backup"), server.home().join("restored"));
    std::fs::write(&file, backup).unwrap();
    let told = seabag_testing::process::run_program(&[
        "admin",
        "restore",
        "--data",
        restored.to_str().unwrap(),
        file.to_str().unwrap(),
    ]);
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let set_back = Setup::new().data(&restored).start().await;
    assert_eq!(kept(&set_back, &account).await, [1, 2, 3, 4, 5]);
    assert!(account.epoch(&set_back, cursor(5)).await.valid);
    assert!(!account.epoch(&set_back, cursor(9)).await.valid);
    account.store(&set_back, &account.bags(20..30)).await;
    assert!(
        !account.epoch(&set_back, cursor(9)).await.valid,
        "9 has been given out again, for something else"
    );
    // A host that was wiped knows nothing.
    let wiped = ServerProcess::start().await;
    account.register(&wiped).await;
    assert!(!account.epoch(&wiped, cursor(0)).await.valid);
}

#[tokio::test]
async fn a_large_answer_comes_whole() {
    let (server, account) = start().await;
    for at in 0..3 {
        account.store(&server, &account.bags(at * 2_000..(at + 1) * 2_000)).await;
    }
    let heads = account.peek(&server, 0).await;
    assert_eq!(heads.iter().map(|item| item.seq.0).collect::<Vec<_>>(), (1..=6_000).collect::<Vec<_>>());
    let numbers: Vec<_> = (1..=6_001).rev().collect();
    let bodies = account.pull(&server, &numbers).await;
    assert_eq!(
        bodies.iter().map(|item| item.seq.0).collect::<Vec<_>>(),
        (1..=6_000).rev().collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn the_rooms_keep_their_paths_and_the_host_gets_the_other_posts() {
    let server = ServerProcess::start().await;
    let send = |method: &str, path: &str| {
        Request::new(server.address(), method, path).body("text/plain", "x").send()
    };
    for path in ["/", "/nope", "/user/", "/USER", "/a/b"] {
        let reply = send("POST", path).await;
        assert_eq!((reply.status, reply.body[0]), (200, 13), "{path}");
    }
    for (method, path, status) in
        [("GET", "/nope", 404), ("GET", "/", 200), ("POST", "/room/x/y", 404), ("GET", "/healthz", 200)]
    {
        assert_eq!(send(method, path).await.status, status, "{method} {path}");
    }
    for path in ["/push", "/user", "/delete-account"] {
        let reply = send("OPTIONS", path).await;
        assert_eq!((reply.status, reply.body.len()), (200, 0), "{path}");
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
        assert!(reply.header("access-control-allow-headers").unwrap().contains("authorization"));
    }
    server.assert_serves().await;
}

//! Who may register, how much an account may keep and ask, and what the keeper of a host sees of it (docs/host.md,
//! docs/operations.md).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use futures_util::future::join_all;
use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::prune::{PrunePair, PruneReason};
use seabag_protocol::host::response::Subscription;
use seabag_protocol::host::status::Status;
use seabag_testing::host_client::{Account, Answer, Heard, now_ms, peek_nothing, post};
use seabag_testing::process::{ServerProcess, Setup};

async fn status_of_peek(server: &ServerProcess, account: &Account) -> Answer {
    post(server, "/peek", account.request(&peek_nothing())).await
}

#[tokio::test]
async fn guarded_registration_asks_for_its_token_and_accounts_that_exist_need_none() {
    let setup = Setup::new().flag("registration", "token");
    let mut server = setup.variable("SEABAG_REGISTRATION_TOKEN", "sesame-open-please").start().await;
    let (account, stranger) = (Account::new(1), Account::new(2));
    for token in [None, Some("Bearer wrong"), Some("Basic sesame-open-please"), Some("sesame-open-please")] {
        let mut request =
            server.request("POST", "/user").body("application/octet-stream", account.request(&[]));
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        assert_eq!(Answer::read(request.send().await).status(), Status::UserNotRegistered, "{token:?}");
    }
    let request = server.request("POST", "/user").body("application/octet-stream", account.request(&[]));
    let reply = request.header("authorization", "bearer sesame-open-please").send().await;
    assert_eq!(Answer::read(reply).status(), Status::Success);
    account.register(&server).await;
    assert_eq!(account.store(&server, &account.bags(0..1)).await, [1]);
    assert_eq!(stranger.try_listen(&server).await.unwrap_err().status, 401, "it may never be registered");
    let mut listener = account.listen(&server).await;
    account.store(&server, &account.bags(5..6)).await;
    assert_eq!(listener.notice().await.len(), 1);
    server.assert_keeps(&["sesame-open-please"]).await;
    assert!(server.stop().await.success());
    server.set_up(|_| Setup::new().flag("registration", "closed"));
    server.restart().await;
    account.register(&server).await;
    assert_eq!(account.store(&server, &account.bags(1..2)).await, [3]);
    assert_eq!(stranger.try_listen(&server).await.unwrap_err().status, 401);
    let refused = post(&server, "/user", stranger.request(&[])).await;
    assert_eq!(refused.status(), Status::UserNotRegistered);
}

#[tokio::test]
async fn a_quota_is_told_in_every_answer_and_what_does_not_fit_stays_with_its_sender() {
    let account = Account::new(1);
    let bags = account.bags(0..10);
    let each = bags[0].stored_bytes();
    let server = Setup::new().flag("account-bytes-max", each * 4).start().await;
    account.register(&server).await;
    let told = |answer: &Answer| {
        let Subscription { stored, term_ms: 0, elapsed_ms: 0, moved } = answer.head.subscription else {
            panic!()
        };
        assert_eq!(moved.quota, 0);
        (stored.quota, stored.usage)
    };
    let items = account.push(&server, &bags).await;
    let stored: Vec<_> = items.iter().filter_map(|item| item.result.ok()).collect();
    assert_eq!(stored, [1, 2, 3, 4].map(BagSeq));
    assert!(items[4..].iter().all(|item| item.result == Err(Status::StorageError)));
    let again = account.push(&server, &bags[..1]).await;
    assert_eq!(again[0].result, Ok(BagSeq(1)), "a duplicate needs no room");
    for (path, rest) in [("/peek", &peek_nothing()[..]), ("/user", &[]), ("/pull", &[1]), ("/epoch", &[])] {
        assert_eq!(told(&post(&server, path, account.request(rest)).await), (each * 4, each * 4), "{path}");
    }
    let wrong = post(&server, "/peek", account.request(&[])).await;
    assert_eq!((wrong.status(), told(&wrong)), (Status::InvalidMessage, (each * 4, each * 4)));
    let pair = PrunePair { bag: BagSeq(1), reason: PruneReason::SupersededBy(BagSeq(2)) };
    assert_eq!(account.prune(&server, &[pair]).await, [Status::Success]);
    assert_eq!(told(&status_of_peek(&server, &account).await), (each * 4, each * 3));
    assert_eq!(account.push(&server, &bags[8..9]).await[0].result, Ok(BagSeq(5)), "there is room again");
    let unknown = post(&server, "/peek", Account::new(2).request(&peek_nothing())).await;
    assert_eq!(unknown.head.subscription, Subscription::default());
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_back_and_others_notice_nothing() {
    let server = Setup::new().flag("account-requests-per-second-max", 2).start().await;
    let (eager, other) = (Account::new(1), Account::new(2));
    eager.register(&server).await;
    other.register(&server).await;
    let answers = join_all((0..50).map(|_| status_of_peek(&server, &eager))).await;
    let limited = answers.into_iter().find(|answer| answer.reply.status != 200).expect("a limit");
    assert_eq!((limited.reply.status, limited.status()), (429, Status::HostError));
    assert!(limited.reply.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(limited.reply.header("access-control-allow-origin"), Some("*"));
    assert_eq!(status_of_peek(&server, &other).await.status(), Status::Success);
}

#[tokio::test]
async fn accounts_are_bounded_in_number_and_rate() {
    let server = Setup::new().flag("accounts-max", 2).start().await;
    for index in 1..=2 {
        Account::new(index).register(&server).await;
    }
    let third = post(&server, "/user", Account::new(3).request(&[])).await;
    assert_eq!((third.reply.status, third.status()), (200, Status::UserNotRegistered));
    Account::new(1).register(&server).await;
    let server = Setup::new().flag("accounts-created-per-second-max", 1).start().await;
    let register = |index| {
        let server = &server;
        async move {
            let answer = post(server, "/user", Account::new(index).request(&[])).await;
            (answer.reply.status, answer.status())
        }
    };
    assert_eq!(register(0).await, (200, Status::Success));
    let statuses = join_all((1..10).map(register)).await;
    assert!(statuses.contains(&(429, Status::HostError)), "{statuses:?}");
}

#[tokio::test]
async fn a_request_over_its_size_is_413_with_a_head_and_nothing_is_stored() {
    let setup = Setup::new().flag("host-request-bytes-max", 20_000).flag("host-list-bytes-max", 10_000);
    let server = setup.start().await;
    let account = Account::new(1);
    account.register(&server).await;
    let large = account.request(&vec![0; 20_000]);
    for (path, body) in
        [("/push", large.clone()), ("/pull", large[..15_000].to_vec()), ("/prune", vec![0; 70_000])]
    {
        let answer = post(&server, path, body).await;
        assert_eq!((answer.reply.status, answer.status()), (413, Status::HostError), "{path}");
    }
    assert_eq!(account.store(&server, &account.bags(0..50)).await.len(), 50, "up to the limit all is well");
    assert_eq!(post(&server, "/peek", account.request(&[0])).await.status(), Status::Success);
}

#[tokio::test]
async fn a_push_of_more_bags_than_one_may_have_is_413_and_nothing_is_stored() {
    let server = Setup::new().flag("host-push-bags-max", 20).start().await;
    let account = Account::new(1);
    account.register(&server).await;
    let mut request = account.request(&[]);
    account.bags(0..21).iter().for_each(|bag| bag.write(&mut request).unwrap());
    let answer = post(&server, "/push", request).await;
    assert_eq!((answer.reply.status, answer.status()), (413, Status::HostError));
    assert_eq!(account.peek(&server, 0).await.len(), 0);
    assert_eq!(account.store(&server, &account.bags(0..20)).await.len(), 20);
}

#[tokio::test]
async fn an_account_has_so_many_listeners_and_places_are_given_back() {
    let server = Setup::new().flag("account-listeners-max", 3).start().await;
    let account = Account::new(1);
    account.register(&server).await;
    let mut listeners = Vec::new();
    for _ in 0..3 {
        listeners.push(account.listen(&server).await);
    }
    assert_eq!(account.try_listen(&server).await.unwrap_err().status, 429);
    listeners.pop();
    server.wait_for_metric("seabag_host_listeners", |listeners| listeners <= 2.0).await;
    let mut last = account.listen(&server).await;
    account.store(&server, &account.bags(0..1)).await;
    assert_eq!(last.notice().await.len(), 1);
}

#[tokio::test]
async fn the_keeper_sees_accounts_by_fingerprint_and_may_delete_them() {
    let server = ServerProcess::start().await;
    let accounts: Vec<_> = (0..5).map(Account::new).collect();
    for account in &accounts {
        account.register(&server).await;
    }
    accounts[2].store(&server, &accounts[2].bags(0..3)).await;
    let (mut rows, mut after) = (Vec::new(), String::new());
    loop {
        let page = server.admin("GET", &format!("/accounts?limit=2{after}")).send().await.json();
        rows.extend(page["accounts"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(rows.len(), 5);
    let hex = data_encoding::HEXLOWER.encode(&accounts[2].key().0);
    let row = rows.iter().find(|row| row["fingerprint"] == hex[..16]).unwrap();
    assert_eq!((row["bags"].as_u64(), row["last"].as_u64()), (Some(3), Some(3)));
    assert!(rows.iter().all(|row| !row.to_string().contains(&hex)), "no whole key");
    let mut listener = accounts[2].listen(&server).await;
    let path = format!("/accounts/{}", &hex[..16]);
    assert_eq!(server.admin("DELETE", &path).send().await.status, 204);
    assert_eq!(listener.next().await, Heard::Closed(4502, "account_deleted".into()));
    for path in [&path, "/accounts/0123456789abcdef", "/accounts/nonsense"] {
        assert_eq!(server.admin("DELETE", path).send().await.status, 404, "{path}");
    }
    assert_eq!(status_of_peek(&server, &accounts[2]).await.status(), Status::UserNotRegistered);
    assert_eq!(status_of_peek(&server, &accounts[1]).await.status(), Status::Success);
    let stats = server.admin("GET", "/stats").send().await.json();
    assert_eq!(stats["accounts"].as_u64(), Some(4), "{stats}");
    assert_eq!(server.metric("seabag_store_accounts").await, 4.0);
    assert_eq!(server.metric("seabag_host_bags_stored_total").await, 3.0);
}

#[tokio::test]
async fn an_account_leaves_memory_when_it_is_idle_and_comes_back_when_it_is_needed() {
    let server = Setup::new().flag("room-idle-ms", 50).start().await;
    let account = Account::new(1);
    account.register(&server).await;
    for round in 0..3 {
        assert_eq!(account.store(&server, &account.bags(round..round + 1)).await, [round + 1]);
        server.wait_for_metric("seabag_host_accounts_loaded", |loaded| loaded == 0.0).await;
    }
    assert_eq!(account.epoch(&server, None).await.last, BagSeq(3));
}

#[tokio::test]
async fn a_stopping_server_says_goodbye_to_listeners() {
    let mut server = ServerProcess::start().await;
    let account = Account::new(1);
    account.register(&server).await;
    let mut listener = account.listen(&server).await;
    account.store(&server, &account.bags(0..1)).await;
    server.terminate();
    assert_eq!(listener.notice().await.len(), 1);
    let Heard::Closed(1001, reason) = listener.next().await else { panic!("no goodbye") };
    assert!(reason.starts_with("going_away"), "{reason}");
    drop(listener);
    assert!(server.wait().await.success());
}

#[tokio::test]
async fn a_signed_time_is_good_for_half_a_minute_either_way() {
    let server = ServerProcess::start().await;
    let account = Account::new(1);
    for (distance, status) in [
        (-20_000_i64, Status::Success),
        (29_000, Status::Success),
        (-30_500, Status::ClockOutOfSync),
        (90_000, Status::ClockOutOfSync),
    ] {
        let request = account.request_at(now_ms().checked_add_signed(distance).unwrap(), &[]);
        assert_eq!(post(&server, "/user", request).await.status(), status, "{distance}");
    }
}

//! What the host answers to long lists of numbers, and in which order to a small push that has more than one fault
//! (docs/host.md).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use seabag_protocol::host::bag::Bag;
use seabag_protocol::host::status::Status;
use seabag_testing::host_client::{Account, now_ms, post};
use seabag_testing::process::{ServerProcess, Setup};

#[tokio::test]
async fn a_pull_of_many_numbers_answers_them_as_asked_whether_they_are_kept_or_not() {
    let (server, account) = (ServerProcess::start().await, Account::new(7));
    account.register(&server).await;
    account.store(&server, &account.bags(0..1_500)).await;
    let large = account.bag(9_000, Some(&vec![7; 300_000]), 0);
    account.store(&server, &[large]).await;
    // Thousands that are not kept in front, in the middle and behind; some twice, some backwards.
    let mut numbers: Vec<u64> = (5_000..9_000).collect();
    numbers.extend([1_501, 1, 1_501, 1_501]);
    numbers.extend((1..=1_500).rev());
    numbers.extend(20_000..24_000);
    numbers.extend(1..=1_500);
    numbers.extend(30_000..34_000);
    let pulled = account.pull(&server, &numbers).await;
    let expected: Vec<_> = numbers.into_iter().filter(|number| *number <= 1_501).collect();
    assert_eq!(pulled.iter().map(|item| item.seq.0).collect::<Vec<_>>(), expected);
    assert!(pulled.iter().all(|item| (item.body.len() > 300_000) == (item.seq.0 == 1_501)));
    assert!(account.pull(&server, &(5_000..9_000).collect::<Vec<_>>()).await.is_empty());
}

#[tokio::test]
async fn a_small_push_is_answered_in_the_documented_order_whether_its_account_is_in_memory_or_not() {
    let server = Setup::new().flag("room-idle-ms", 100).flag("account-bytes-max", 10_000).start().await;
    let (account, stranger) = (Account::new(1), Account::new(2));
    account.register(&server).await;
    let push = |account: &Account, time_ms, bags: &[Bag], tail: &[u8]| {
        let mut request = account.request_at(time_ms, &[]);
        bags.iter().for_each(|bag| bag.write(&mut request).unwrap());
        request.extend_from_slice(tail);
        request
    };
    let bag = account.bags(0..1);
    for round in 0..2 {
        if round == 1 {
            account.store(&server, &bag).await;
        }
        let stale = now_ms() - 31_000;
        let mut forged = push(&account, now_ms(), &bag, &[]);
        forged[40] ^= 1;
        let cases = [
            (push(&stranger, stale, &bag, &[0]), Status::ClockOutOfSync),
            (forged, Status::InvalidSignature),
            (push(&stranger, now_ms(), &bag, &[0]), Status::UserNotRegistered),
            (push(&stranger, now_ms(), &bag, &[]), Status::UserNotRegistered),
            (push(&account, now_ms(), &bag, &[0]), Status::OutOfBounds),
        ];
        for (request, status) in cases {
            assert_eq!(post(&server, "/push", request).await.status(), status, "round {round}");
        }
        let mut planted = account.bags(1..2);
        planted.extend(stranger.bags(1..2));
        let items = account.push(&server, &planted).await;
        assert_eq!(items[1].result, Err(Status::InvalidSignature));
        let answer = post(&server, "/push", push(&account, now_ms(), &bag, &[])).await;
        assert_eq!((answer.status(), answer.head.subscription.stored.quota), (Status::Success, 10_000));
        server.wait_for_metric("seabag_host_accounts_loaded", |loaded| loaded == 0.0).await;
    }
}

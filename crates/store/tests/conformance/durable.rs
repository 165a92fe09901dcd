//! Laws under load and in every durability mode.

use std::sync::Arc;
use std::time::Duration;

use seabag_store::{Durability, Options};

use crate::Backend;
use crate::support::{Model, commit, hash, value};

pub(crate) async fn every_durability_mode_keeps_the_order(mut backend: Backend) {
    let modes = [Durability::Sync, Durability::Interval(Duration::from_millis(2)), Durability::None];
    for durability in modes {
        let store = backend.store_with(&Options { durability, ..Options::default() });
        let mut room = Model::create(&*store, hash(1)).await;
        for _ in 0..100 {
            let changes = room.append("k", value("x"));
            commit(&*store, room.commit(changes)).await;
        }
        room.check_loaded(&*store, hash(1)).await;
        store.close().await.unwrap();
    }
}

pub(crate) async fn a_thousand_producers_lose_nothing(mut backend: Backend) {
    let store = backend.store();
    let mut producers = tokio::task::JoinSet::new();
    for number in 0..1_000 {
        let store = Arc::clone(&store);
        producers.spawn(async move {
            let mut room = Model::create(&*store, hash(number)).await;
            for _ in 0..3 {
                let changes = room.append("k", value("x"));
                commit(&*store, room.commit(changes)).await;
            }
            room.check_loaded(&*store, hash(number)).await;
        });
    }
    while let Some(done) = producers.join_next().await {
        done.unwrap();
    }
    assert_eq!(store.statistics().rooms, 1_000);
}

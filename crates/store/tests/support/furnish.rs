//! What the fixtures of each format version hold. Changed, the fixtures would not be understood any more.

use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::room::value::Value;
use seabag_store::Store;

use super::accounts::{AccountModel, bag, commit_account, epoch, key};
use super::{Model, client, client_record, commit, hash, value};

/// Two rooms in which everything occurs that a backup must carry, and one that was removed. All of version 1.
pub async fn rooms(store: &dyn Store) -> Vec<Model> {
    let mut rooms = Vec::new();
    for number in 1..=2 {
        let mut room = Model::create(store, hash(number)).await;
        for step in 0..30_u64 {
            let changes = match step % 5 {
                0 => room.replace("replaced", value("r")),
                1 => room.compact("appended", room.head, Some(value("c"))),
                2 => room.remember(client(step), Some(client_record(step))),
                _ => room.append("appended", value(&step.to_string())),
            };
            commit(store, room.commit(changes)).await;
        }
        let tree = ciborium::value::Value::Bytes(vec![0, 255]);
        let changes = room.append("", Value::from_cbor_tree(&tree).unwrap());
        commit(store, room.commit(changes)).await;
        rooms.push(room);
    }
    let mut removed = Model::create(store, hash(3)).await;
    let changes = removed.append("k", value("x"));
    commit(store, removed.commit(changes)).await;
    store.remove(hash(3)).await.unwrap();
    rooms
}

/// Two accounts with bags, some of them let go of, and one that was removed. With the rooms, all of version 2.
pub async fn accounts(store: &dyn Store) -> Vec<AccountModel> {
    let mut accounts = Vec::new();
    for number in 1..=3 {
        let mut account = AccountModel::create(store, key(number)).await;
        for step in 0..20_u64 {
            let old = BagSeq(account.record.last.0.saturating_sub(4));
            let bags = vec![bag(2 * step, 10 + step as usize), bag(2 * step + 1, 0)];
            let changes = if step == 9 { account.begin(epoch(2)) } else { account.change(bags, &[old]) };
            commit_account(store, account.commit(changes)).await;
        }
        accounts.push(account);
    }
    assert!(store.remove_account(key(3)).await.unwrap());
    accounts.truncate(2);
    accounts
}

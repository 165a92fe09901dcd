//! A host that was wiped, or went back to an old backup or an old copy of its disk: every device notices, what the host
//! lacks is filled, all converge, and nothing that was deleted returns. Real processes throughout.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod ents_support;

use std::path::{Path, PathBuf};

use ents_support::cli_support::wait_until;
use ents_support::{Device, LABEL, copy_directory};
use seabag_testing::host_client::Account;
use seabag_testing::process::{ServerProcess, run_program};
use serde_json::{Value, json};

/// What becomes of a host.
enum Fate {
    Wiped,
    OldBackup,
    OldCopy,
}

impl Fate {
    /// Keeps what the host will go back to.
    async fn prepare(&self, server: &mut ServerProcess) -> PathBuf {
        let place = server.home().join("before");
        match self {
            Self::Wiped => {}
            Self::OldBackup => {
                let admin = format!("http://{}", server.admin_address());
                let file = place.display().to_string();
                let made = run_program(&["admin", "backup", "--admin", &admin, &file]);
                assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
            }
            Self::OldCopy => {
                assert!(server.stop().await.success());
                copy_directory(server.data(), &place);
                server.restart().await;
            }
        }
        place
    }

    /// Strikes a host that does not run.
    fn strike(&self, server: &ServerProcess, place: &Path) {
        std::fs::remove_dir_all(server.data()).unwrap();
        match self {
            Self::Wiped => {}
            Self::OldBackup => {
                let (data, file) = (server.data().display().to_string(), place.display().to_string());
                let made = run_program(&["admin", "restore", "--data", &data, &file]);
                assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
            }
            Self::OldCopy => copy_directory(place, server.data()),
        }
    }
}

/// The last of them syncs now and then, the others all the time.
fn wait_until_same(devices: &[&Device; 3]) {
    wait_until("all devices have the same", || {
        devices[2].sync();
        let same = devices.windows(2).all(|pair| pair[0].messages() == pair[1].messages());
        same && devices.iter().all(|device| device.link_status(LABEL)["state"] == "synced")
    });
}

/// The numbers in the bodies.
fn numbers(device: &Device) -> Vec<u64> {
    let mut numbers: Vec<_> = device.bodies().iter().map(|body| body.as_u64().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

/// Panics unless the host has the winner of each entity, ends included, and of superseded messages none but ends.
async fn assert_is_filled(server: &ServerProcess, account: &Account, device: &Device) {
    let wanted = device.messages();
    let has = account.messages(server).await;
    let hashes: Vec<_> = has.values().map(|(head, _)| head.hash().unwrap()).collect();
    assert!(wanted.keys().all(|hash| hashes.contains(hash)), "the host lacks something");
    let extra = has.values().filter(|(head, _)| !wanted.contains_key(&head.hash().unwrap()));
    assert!(extra.clone().all(|(head, _)| head.is_delete()), "{:?}", extra.collect::<Vec<_>>());
}

async fn everything_is_filled_again(fate: Fate) {
    let mut server = ServerProcess::start().await;
    let one = Device::first();
    let (two, three) = (one.sibling(), one.sibling());
    let devices = [&one, &two, &three];
    let put = |device: &Device, number: u64| device.put_id(&["note", &number.to_string()]);
    let early: Vec<_> = (0..12).map(|number| put(&one, number)).collect();
    devices.iter().for_each(|device| device.link(&server));
    let place = fate.prepare(&mut server).await;

    // What happens from here on is what the host will have forgotten: deletes, updates, new entities, of all devices.
    let follows = [one.follow(), two.follow()];
    early[..3].iter().for_each(|id| one.remove(id));
    two.remove(&early[3]);
    two.put(&["--id", &early[4], "note", "104"]);
    (20..26).for_each(|number| drop(put(&two, number)));
    let short = put(&one, 99);
    one.remove(&short);
    wait_until_same(&devices);
    let account = one.account(LABEL);
    // The first begins anew, and so has read all that the host lists: its cursor is of what the host will have
    // forgotten. The second knows its last numbers by notices and its own pushes alone.
    let [first, second] = follows;
    first.kill();
    let mut first = one.follow();
    while first.line()["event"] != "in_sync" {}

    server.kill();
    fate.strike(&server, &place);
    // While it is away, devices go on.
    put(&one, 30);
    put(&three, 31);
    two.remove(&early[5]);
    three.put(&["--id", &early[6], "note", "106"]);
    server.restart().await;

    while first.line()["event"] != "reset" {}
    let told = three.sync();
    assert!(told.stderr.contains("wiped or went back"), "the third is told as well: {}", told.stderr);
    wait_until_same(&devices);
    let expected = [7, 8, 9, 10, 11, 20, 21, 22, 23, 24, 25, 30, 31, 104, 106];
    devices.iter().for_each(|device| assert_eq!(numbers(device), expected));
    [first, second].into_iter().for_each(|follow| drop(follow.kill()));
    devices.iter().for_each(|device| drop(device.sync()));
    assert_is_filled(&server, &account, &one).await;

    // A device that comes to the filled host has all of it, and nothing that was deleted.
    let four = one.sibling();
    four.link(&server);
    assert_eq!(numbers(&four), expected);
    assert_eq!(four.messages(), one.messages());
    let told: Vec<Value> =
        devices.iter().map(|device| device.link_status(LABEL)["trouble"].clone()).collect();
    assert_eq!(told, [json!(null), json!(null), json!(null)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_host_is_noticed_and_filled_by_all_and_nothing_deleted_returns() {
    everything_is_filled_again(Fate::Wiped).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_restored_from_an_old_backup_is_noticed_and_filled() {
    everything_is_filled_again(Fate::OldBackup).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_got_an_old_copy_of_its_disk_back_is_noticed_and_filled() {
    everything_is_filled_again(Fate::OldCopy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_loses_everything_again_and_again_costs_nothing() {
    let mut server = ServerProcess::start().await;
    let one = Device::first();
    let two = one.sibling();
    let gone = one.put_id(&["note", "0"]);
    (1..5).for_each(|number: u64| drop(one.put(&["note", &number.to_string()])));
    one.link(&server);
    two.link(&server);
    two.remove(&gone);
    for round in 0..ents_support::rounds(4) {
        // Only one of them knows of the latest when the host is gone.
        let (writer, other) = if round % 2 == 0 { (&one, &two) } else { (&two, &one) };
        writer.put(&["note", &(10 + round).to_string()]);
        if round % 3 != 0 {
            writer.sync();
        }
        server.kill();
        std::fs::remove_dir_all(server.data()).unwrap();
        server.restart().await;
        for device in [other, writer, other] {
            device.sync();
        }
        assert_eq!(one.messages(), two.messages(), "round {round}");
        assert_eq!(numbers(&one).len() as u64, 5 + round, "round {round}");
        assert!(!numbers(&one).contains(&0));
        assert_is_filled(&server, &one.account(LABEL), &one).await;
    }
}

//! A host of the world: the blind host, up or down, with a backup, and, if the world is built wrong or the host is
//! hostile, something between it and its callers.

use bytes::Bytes;
use seabag_protocol::host::bytes::Reader;
use seabag_protocol::host::path;
use seabag_protocol::host::prune::{PruneItem, PrunePair, PruneReason};
use seabag_protocol::host::response::ResponseHead;
use seabag_protocol::host::status::Status;

use super::hostile::Hostility;
use super::{Fault, sealer};
use crate::blind_host::{Backup, BlindHost, HostSettings};

/// A host.
pub(super) struct Host {
    pub(super) blind: BlindHost,
    pub(super) up: bool,
    /// Changes whenever its numbers may begin to mean something else.
    pub(super) run: u64,
    /// Notices of the connections before do not come any more.
    pub(super) sockets: u64,
    pub(super) hostility: Option<Hostility>,
    /// Whether it meant harm once.
    pub(super) was_hostile: bool,
    /// Whether a backup may have brought back what had been pruned, under numbers that devices have read.
    pub(super) restored: bool,
    fault: Option<Fault>,
    backup: Option<Backup>,
}

impl Host {
    pub(super) fn new(number: usize, old_kind: bool, page: u64, fault: Option<Fault>) -> Self {
        let origin = format!("http://host-{number}.test");
        let settings = HostSettings { origin, old_kind, page_items_max: page, ..HostSettings::default() };
        Self {
            blind: BlindHost::new(settings, number as u64 + 1),
            up: true,
            run: 0,
            sockets: 0,
            hostility: None,
            was_hostile: false,
            restored: false,
            fault,
            backup: None,
        }
    }

    pub(super) fn is_hostile(&self) -> bool {
        self.hostility.is_some()
    }

    /// Answers, as it is built. `None`: nobody is there, or nobody answers.
    pub(super) fn answer(&mut self, path: &str, body: &Bytes, now_ms: u64) -> Option<Bytes> {
        if !self.up {
            return None;
        }
        if let Some(mut hostility) = self.hostility.take() {
            let answer = hostility.answer(&mut self.blind, path, body, now_ms);
            self.hostility = Some(hostility);
            return answer;
        }
        let answer = self.blind.answer(path, None, body.clone(), now_ms);
        if path == path::PRUNE && self.fault == Some(Fault::PruneSupersedingToo) {
            self.prune_too_much(body, &answer);
        }
        Some(answer)
    }

    fn prune_too_much(&mut self, body: &Bytes, answer: &Bytes) {
        let mut reader = Reader::new(answer.clone());
        if ResponseHead::read(&mut reader).unwrap().status != Status::Success {
            return;
        }
        let items = PruneItem::read_all(&mut reader).unwrap();
        let mut request = Reader::new(body.clone());
        seabag_protocol::host::auth::SignedCall::read(&mut request).unwrap();
        let pairs = PrunePair::read_all(&mut request).unwrap();
        for (item, pair) in items.iter().zip(pairs) {
            if let (Status::Success, PruneReason::SupersededBy(seq)) = (item.status, pair.reason) {
                self.blind.lose(&sealer().keys().public(), seq);
            }
        }
    }

    /// Its process ends and begins again.
    pub(super) fn restart(&mut self) {
        self.blind.restart();
        self.sockets += 1;
        if self.fault == Some(Fault::AcknowledgeBeforeSync) {
            let account = sealer().keys().public();
            if let Some(last) = self.blind.bags(&account).keys().next_back() {
                self.blind.lose(&account, *last);
            }
        }
    }

    pub(super) fn wipe(&mut self) {
        self.blind.wipe();
        self.restored = false;
        self.run += 1;
        self.sockets += 1;
    }

    pub(super) fn back_up(&mut self) {
        self.backup = Some(self.blind.backup());
    }

    /// Goes back to the last backup. `false`: there is none.
    pub(super) fn restore(&mut self) -> bool {
        let Some(backup) = &self.backup else { return false };
        self.blind.restore(backup);
        self.restored = true;
        self.run += 1;
        self.sockets += 1;
        true
    }
}

//! Exactly-once: what a room remembers of the outboxes that write to it. Ids of one client rise, so the last one
//! tells what is a repeat.

use std::collections::BTreeMap;

use super::name::{ClientId, PushId, RoomSeq};
use super::record::ClientRecord;

/// The clients of one room.
#[derive(Clone, Debug)]
pub(super) struct Clients {
    known: BTreeMap<ClientId, ClientRecord>,
    /// Most clients.
    most: usize,
    /// Milliseconds for which a client is surely remembered.
    kept_ms: u64,
}

impl Clients {
    pub(super) fn new(known: BTreeMap<ClientId, ClientRecord>, most: u64, kept_ms: u64) -> Self {
        Self { known, most: usize::try_from(most).unwrap_or(usize::MAX), kept_ms }
    }

    pub(super) fn get(&self, client: &ClientId) -> Option<ClientRecord> {
        self.known.get(client).copied()
    }

    /// Whether this client is known, or there is a place for it: a free one, or one of a client so long unused
    /// that it may be forgotten.
    pub(super) fn admits(&self, client: &ClientId, now_ms: u64) -> bool {
        self.known.contains_key(client) || self.known.len() < self.most || self.forgettable(now_ms).is_some()
    }

    fn forgettable(&self, now_ms: u64) -> Option<ClientId> {
        let (oldest, record) = self.known.iter().min_by_key(|(_, record)| record.used_ms)?;
        (record.used_ms.saturating_add(self.kept_ms) < now_ms).then(|| oldest.clone())
    }

    /// Remembers a client's push. What changed, for the store: the client's record, and whom it displaced.
    pub(super) fn remember(
        &mut self,
        client: &ClientId,
        last_id: PushId,
        seq: Option<RoomSeq>,
        now_ms: u64,
    ) -> (ClientRecord, Option<ClientId>) {
        let full = !self.known.contains_key(client) && self.known.len() >= self.most;
        let displaced = if full { self.forgettable(now_ms) } else { None };
        if let Some(displaced) = &displaced {
            self.known.remove(displaced);
        }
        let record = ClientRecord { last_id, seq, used_ms: now_ms };
        self.known.insert(client.clone(), record);
        (record, displaced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u32) -> ClientId {
        ClientId::parse(&format!("client-number-{number:04}")).unwrap()
    }

    #[test]
    fn the_longest_unused_client_is_forgotten_but_none_that_is_young() {
        let mut clients = Clients::new(BTreeMap::new(), 2, 100);
        clients.remember(&client(1), PushId(1), None, 0);
        clients.remember(&client(2), PushId(1), None, 50);
        assert!(!clients.admits(&client(3), 100), "both are young");
        assert!(clients.admits(&client(1), 100), "a known one always is");
        assert!(clients.admits(&client(3), 101));
        let (_, displaced) = clients.remember(&client(3), PushId(1), None, 101);
        assert_eq!(displaced, Some(client(1)));
        assert_eq!((clients.get(&client(1)), clients.known.len()), (None, 2));
    }
}

//! Epochs: how a wiped room, a restored backup and a rolled-back machine are noticed. A cursor is valid if its
//! epoch is in the room's lineage and its number was given out by the end of that epoch (docs/rooms.md).

use super::name::{Cursor, Epoch, RoomSeq};
use super::record::{EpochRecord, RoomRecord};
use super::server_message::ResetReason;

/// Opens `epoch` unless it is open already. The epoch before ends where its record says (see [`reach`]); the new
/// one goes on above every number that can have been given out. Whether anything changed.
pub(super) fn take_over(record: &mut RoomRecord, epoch: &Epoch, epochs_max: u64) -> bool {
    if record.lineage.last().is_some_and(|open| open.epoch == *epoch) {
        return false;
    }
    let last = record.reserved.max(record.stored);
    record.lineage.push(EpochRecord { epoch: epoch.clone(), last });
    let excess =
        record.lineage.len().saturating_sub(usize::try_from(epochs_max.max(1)).unwrap_or(usize::MAX));
    record.lineage.drain(..excess);
    true
}

/// Notes how far the open epoch surely reaches: to the newest stored entry while it runs, to the head when its
/// owner lets go of it. If the owner vanishes instead, numbers above this may have been relays, or entries that a
/// restored backup lacks: nobody can tell, so a cursor there is refused. Whether anything changed.
pub(super) fn reach(record: &mut RoomRecord, seq: RoomSeq) -> bool {
    let Some(open) = record.lineage.last_mut() else { return false };
    let further = open.last < seq;
    if further {
        open.last = seq;
    }
    further
}

/// Whether a reader may go on from `cursor` in a room whose head is `head`.
pub(super) fn check(record: &RoomRecord, head: RoomSeq, cursor: &Cursor) -> Result<(), ResetReason> {
    let Some(epoch) = &cursor.epoch else {
        return if cursor.seq <= head { Ok(()) } else { Err(ResetReason::Ahead) };
    };
    let place =
        record.lineage.iter().rposition(|known| known.epoch == *epoch).ok_or(ResetReason::UnknownEpoch)?;
    let open = place + 1 == record.lineage.len();
    let last = if open { head } else { record.lineage.get(place).map_or(head, |known| known.last) };
    if cursor.seq <= last { Ok(()) } else { Err(ResetReason::Ahead) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(epoch: &str, seq: u64) -> Cursor {
        Cursor { epoch: Epoch::parse(epoch), seq: RoomSeq(seq) }
    }

    #[test]
    fn a_cursor_is_valid_up_to_the_end_of_its_epoch() {
        let mut record = RoomRecord::default();
        take_over(&mut record, &Epoch::parse("a").unwrap(), 64);
        record.reserved = RoomSeq(11);
        reach(&mut record, RoomSeq(10));
        take_over(&mut record, &Epoch::parse("b").unwrap(), 64);
        let head = RoomSeq(12);
        let cases = [
            (cursor("a", 10), Ok(())),
            (cursor("a", 11), Err(ResetReason::Ahead)),
            (cursor("b", 3), Ok(())),
            (cursor("b", 12), Ok(())),
            (cursor("b", 13), Err(ResetReason::Ahead)),
            (cursor("c", 0), Err(ResetReason::UnknownEpoch)),
            (Cursor::START, Ok(())),
        ];
        for (cursor, expected) in cases {
            assert_eq!(check(&record, head, &cursor), expected, "{cursor}");
        }
    }

    #[test]
    fn only_the_last_epochs_are_remembered() {
        let mut record = RoomRecord::default();
        for name in ["a", "b", "c"] {
            assert!(take_over(&mut record, &Epoch::parse(name).unwrap(), 2));
        }
        assert!(!take_over(&mut record, &Epoch::parse("c").unwrap(), 2), "the same owner changes nothing");
        assert_eq!(check(&record, RoomSeq(0), &cursor("a", 0)), Err(ResetReason::UnknownEpoch));
        assert_eq!(check(&record, RoomSeq(0), &cursor("b", 0)), Ok(()));
    }
}

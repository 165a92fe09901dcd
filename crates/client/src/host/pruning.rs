//! What the host may let go of: superseded bags, and damaged ones whose messages are here. Damaged ones go before
//! anything is pushed: the host takes a bag of the same message for a repeat as long as it has the damaged one.

use std::collections::HashSet;

use seabag_entdb::{Error, Fill};
use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::bytes::Reader;
use seabag_protocol::host::prune::{PruneItem, PrunePair, PruneReason};
use seabag_protocol::host::status::Status;

use super::call::Request;
use super::report::{Oddity, Report};
use super::session::{HostSession, Kind, SessionSettings, Step, Turn};

/// The most pairs of one PRUNE.
const PRUNE_PAIRS_MAX: usize = 1_000;
/// How long superseded bags wait for others to come along, milliseconds.
const PRUNE_DEBOUNCE_MS: u64 = 2_000;
/// How long until pairs that a host did not take are offered again, milliseconds.
const PRUNE_RETRY_MS: u64 = 5 * 60_000;
/// How often in a row a host may deny all that supersedes what it is offered.
const DENIALS_MAX: u32 = 3;
/// How often in a row a host may refuse a whole request before that is a trouble.
const REFUSALS_MAX: u32 = 1;

/// What is to be pruned.
#[derive(Debug, Default)]
pub(crate) struct Pruning {
    due_ms: Option<u64>,
    /// Whether there may be damaged bags.
    mend: bool,
    refusals: u32,
    /// How many requests in a row brought nothing but denials: what supersedes is uploaded again each time.
    denials: u32,
    /// No superseded bag is offered before this time.
    paused_to_ms: u64,
}

impl Pruning {
    pub(crate) fn begin(&mut self, now_ms: u64) {
        (self.due_ms, self.mend) = (Some(now_ms), true);
    }

    pub(crate) fn is_done(&self) -> bool {
        !self.mend
    }

    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.due_ms
    }

    /// Whether pushing would meet damaged bags.
    pub(crate) fn holds_pushes(&self) -> bool {
        self.mend
    }

    /// There may be a damaged bag in the way of a push.
    pub(crate) fn suspect(&mut self, now_ms: u64) {
        self.begin(now_ms);
    }

    /// Bags came, which may supersede others.
    pub(crate) fn after_reading(&mut self, damaged: bool, now_ms: u64, settings: &SessionSettings) {
        self.mend |= damaged;
        self.after_writing(now_ms, settings);
    }

    /// The host has something new, which may supersede what it had.
    pub(crate) fn after_writing(&mut self, now_ms: u64, settings: &SessionSettings) {
        let wait_ms = if settings.live { PRUNE_DEBOUNCE_MS } else { 0 };
        let due_ms = now_ms.saturating_add(wait_ms).max(self.paused_to_ms);
        if due_ms < u64::MAX {
            self.due_ms.get_or_insert(due_ms);
        }
    }

    /// A request was answered: whether bags were settled, and whether what supersedes them was denied.
    fn answered(&mut self, settled: bool, denied: bool, now_ms: u64, live: bool) {
        self.denials = if settled { 0 } else { self.denials + u32::from(denied) };
        let paused = self.denials >= DENIALS_MAX;
        self.paused_to_ms = match (paused, live) {
            (false, _) => 0,
            (true, true) => now_ms.saturating_add(PRUNE_RETRY_MS),
            (true, false) => u64::MAX,
        };
    }
}

impl HostSession {
    /// Lets go of damaged bags. While everything is read anew, nothing is let go of.
    pub(crate) fn mend(&mut self, turn: &mut Turn<'_>) -> Result<Step, Error> {
        if !self.pruning.mend {
            return Ok(Step::Nothing);
        }
        let pairs = turn.database.with(|database| database.prunable(self.link, PRUNE_PAIRS_MAX))?;
        let all = pairs.len() < PRUNE_PAIRS_MAX;
        let is_damaged = |pair: &PrunePair| pair.reason == PruneReason::Damaged;
        let damaged: Vec<_> = pairs.iter().copied().filter(is_damaged).collect();
        if damaged.is_empty() && all {
            self.pruning.mend = false;
            return Ok(Step::Something);
        }
        if self.writing.stage == Fill::Replay {
            return Ok(Step::Nothing);
        }
        // None among so many: they go first, and those behind them are looked at after that.
        self.send_prune(if damaged.is_empty() { together(pairs) } else { damaged }, turn)
    }

    /// Lets go of a batch of superseded bags.
    pub(crate) fn prune(&mut self, turn: &mut Turn<'_>) -> Result<Step, Error> {
        if self.pruning.due_ms.is_none_or(|due_ms| due_ms > turn.now_ms) {
            return Ok(Step::Nothing);
        }
        if self.writing.stage == Fill::Replay {
            self.pruning.due_ms = None;
            return Ok(Step::Nothing);
        }
        let pairs = turn.database.with(|database| database.prunable(self.link, PRUNE_PAIRS_MAX))?;
        let pairs = together(pairs);
        if pairs.is_empty() {
            self.pruning.due_ms = None;
            return Ok(Step::Nothing);
        }
        self.send_prune(pairs, turn)
    }

    fn send_prune(&mut self, pairs: Vec<PrunePair>, turn: &mut Turn<'_>) -> Result<Step, Error> {
        match (self.kind, self.epoch) {
            // It never lets go of anything, and takes nothing for a repeat.
            (Kind::Old, _) => {
                let bags: Vec<_> = pairs.iter().map(|pair| pair.bag).collect();
                turn.database.with(|database| database.pruned(self.link, &bags))?;
            }
            (Kind::Current, Some(epoch)) if self.reading.checked => {
                self.call(Request::Prune(pairs, epoch), turn);
            }
            _ => self.reading.want(turn.now_ms),
        }
        Ok(Step::Something)
    }

    /// The host said what became of each pair.
    pub(crate) fn prune_told(
        &mut self,
        pairs: &[PrunePair],
        reader: &mut Reader,
        turn: &mut Turn<'_>,
    ) -> Result<Result<(), Status>, Error> {
        let items = match PruneItem::read_all(reader) {
            Ok(items) => items,
            Err(status) => return Ok(Err(status)),
        };
        self.pruning.refusals = 0;
        let (mut settled, mut superseded, mut mended, mut lost) = (Vec::new(), 0_u64, 0_u64, Vec::new());
        for item in &items {
            let Some(pair) = usize::try_from(item.index).ok().and_then(|index| pairs.get(index)) else {
                turn.report(Report::Odd { oddity: Oddity::ForgedItem, seq: None });
                continue;
            };
            match (item.status, pair.reason) {
                (Status::Success, PruneReason::Damaged) => mended += 1,
                (Status::Success, PruneReason::SupersededBy(_)) => superseded += 1,
                // It is a delete by its length, and stays for ever.
                (Status::InvalidRequest, _) => {}
                (Status::NotFound, PruneReason::SupersededBy(superseding)) => {
                    lost.push(superseding);
                    continue;
                }
                _ => continue,
            }
            settled.push(pair.bag);
        }
        let live = self.settings.live;
        self.pruning.answered(!settled.is_empty(), !lost.is_empty(), turn.now_ms, live);
        self.settle_pairs(&settled, lost, pairs.len(), turn)?;
        if superseded > 0 {
            turn.report(Report::Pruned { bags: superseded });
        }
        if mended > 0 {
            self.writing.retry_refused();
            turn.report(Report::Mended { bags: mended });
        }
        Ok(Ok(()))
    }

    fn settle_pairs(
        &mut self,
        settled: &[BagSeq],
        lost: Vec<BagSeq>,
        offered: usize,
        turn: &mut Turn<'_>,
    ) -> Result<(), Error> {
        self.lose(lost, turn)?;
        if !settled.is_empty() {
            turn.database.with(|database| database.pruned(self.link, settled))?;
            self.writing.dirty = true;
        }
        if settled.len() == offered {
            self.pruning.due_ms = Some(turn.now_ms);
        } else {
            // Not again at once: a host that never takes them must not keep a session busy.
            self.pruning.mend = false;
            self.pruning.due_ms = self.settings.live.then(|| turn.now_ms.saturating_add(PRUNE_RETRY_MS));
        }
        Ok(())
    }

    /// The host refused the whole request: most likely its history has a new epoch.
    pub(crate) fn prune_refused(&mut self, status: Status, turn: &mut Turn<'_>) -> Result<(), Error> {
        self.pruning.refusals += 1;
        if self.pruning.refusals > REFUSALS_MAX {
            self.pruning.refusals = 0;
            self.pruning.mend = false;
            self.pruning.due_ms = self.settings.live.then(|| turn.now_ms.saturating_add(PRUNE_RETRY_MS));
            return self.fail("refused", status.to_string(), turn);
        }
        self.distrust();
        self.reading.want(turn.now_ms);
        Ok(())
    }
}

/// Pairs that one request may name. A host keeps a bag whose superseding one is named as well: its turn comes later.
fn together(pairs: Vec<PrunePair>) -> Vec<PrunePair> {
    let named: HashSet<_> = pairs.iter().map(|pair| pair.bag).collect();
    let stays = |pair: &PrunePair| match pair.reason {
        PruneReason::SupersededBy(superseding) => !named.contains(&superseding),
        PruneReason::Damaged => true,
    };
    pairs.into_iter().filter(stays).collect()
}

//! What a sync has to tell, in words and as lines for programs.

use seabag_client::host::report::{Oddity, Report, ResetReason};
use serde::Serialize;

use super::table::plain;
use crate::output;

/// What came of one link, added up over a sync.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Tally {
    /// Its label.
    pub(crate) label: String,
    /// Messages that came.
    received: u64,
    /// Messages that are durable at the host.
    pushed: u64,
    /// Superseded bags that the host let go of.
    pruned: u64,
    /// Damaged bags that were replaced.
    mended: u64,
    /// Whether both sides have the same.
    pub(crate) in_sync: bool,
    /// Whether the account was removed.
    pub(crate) account_deleted: bool,
    /// Whether the host has no room for some messages.
    full: bool,
    /// Why not, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trouble: Option<&'static str>,
    /// Why not, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

impl Tally {
    /// Of a link, before anything happened.
    pub(crate) fn new(label: &str) -> Self {
        Self { label: label.to_owned(), ..Self::default() }
    }

    /// Adds something that happened.
    pub(crate) fn add(&mut self, report: &Report) {
        match report {
            Report::Received { messages } => self.received += messages,
            Report::Pushed { messages } => self.pushed += messages,
            Report::Pruned { bags } => self.pruned += bags,
            Report::Mended { bags } => self.mended += bags,
            Report::QuotaReached { .. } => self.full = true,
            Report::InSync => {
                self.in_sync = true;
                (self.trouble, self.reason) = (None, None);
            }
            Report::AccountDeleted => self.account_deleted = true,
            Report::Trouble { code, text, .. } => {
                self.in_sync = false;
                (self.trouble, self.reason) = (Some(*code), Some(text.clone()));
            }
            _ => {}
        }
    }

    /// Whether it came to an end, a good one or not.
    pub(crate) fn is_settled(&self) -> bool {
        self.in_sync || self.trouble.is_some()
    }

    /// Whether there is nothing left to do but to wait for news.
    pub(crate) fn is_good(&self) -> bool {
        self.in_sync && self.trouble.is_none() && !self.full
    }

    /// The whole sync in a sentence.
    pub(crate) fn words(&self) -> String {
        let mut parts = Vec::new();
        let mut part = |count: u64, what: &str| {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        };
        part(self.received, "came");
        part(self.pushed, "went");
        part(self.mended, "were mended");
        let moved = if parts.is_empty() { "nothing new".to_owned() } else { parts.join(", ") };
        let label = plain(&self.label);
        match (&self.reason, self.full) {
            (Some(reason), _) => format!("{label}: {reason}"),
            (None, true) => format!("{label}: {moved}; the host has no room for the rest, which waits here"),
            (None, false) if self.in_sync => format!("{label}: in sync, {moved}"),
            (None, false) => format!("{label}: {moved}, not finished"),
        }
    }
}

/// Tells people of what they should know at once, whatever is told at the end.
pub(crate) fn tell(label: &str, report: &Report) {
    let label = plain(label);
    match report {
        Report::Reset(reason) => output::warning(&format!(
            "{label}: {}; everything is read again, and what the host lacks is uploaded",
            match reason {
                ResetReason::OtherHistory => "the host was wiped or went back to a backup",
                ResetReason::AccountGone => "the host does not know the account any more",
                ResetReason::NumbersGoBack => "the host lacks what it had before",
            }
        )),
        Report::ClockSkew { offset_ms } => output::warning(&format!(
            "{label}: this device's clock is {} ms {} the host's",
            offset_ms.unsigned_abs(),
            if *offset_ms > 0 { "behind" } else { "ahead of" }
        )),
        Report::QuotaReached { quota, usage } => output::warning(&match quota {
            0 => format!("{label}: the host has no more room for this account"),
            _ => format!("{label}: the host's {quota} bytes for this account are used up ({usage})"),
        }),
        Report::Unreadable { seq, status } => {
            output::warning(&format!("{label}: number {} is set aside: {status}", seq.0));
        }
        Report::Odd { oddity, seq } => {
            let number = seq.map_or_else(String::new, |seq| format!(" (number {})", seq.0));
            output::warning(&format!(
                "{label}: the host {}{number}; nothing here was changed by it",
                odd(*oddity)
            ));
        }
        _ => {}
    }
}

fn odd(oddity: Oddity) -> &'static str {
    match oddity {
        Oddity::ForeignBag => "served a bag that this account did not sign",
        Oddity::Unopenable => "served a bag that does not open",
        Oddity::NumbersOutOfOrder => "served numbers out of order",
        Oddity::PageWithoutProgress => "served a page that leads nowhere",
        Oddity::UnaskedBody => "served a body that nobody asked for",
        Oddity::BodyWithheld => "withholds a body that it lists",
        Oddity::ForgedItem => "answered for what was not asked",
        Oddity::RefusedSignature => "refuses a signature that is right",
        Oddity::BrokenNotice => "sent a notice that cannot be read",
    }
}

/// Something that happened, as a line of JSON.
#[derive(Serialize)]
pub(crate) struct ReportLine<'a> {
    link: &'a str,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<u64>,
}

impl<'a> ReportLine<'a> {
    /// Of this report.
    pub(crate) fn new(link: &'a str, report: &'a Report) -> Self {
        let plain = |event| Self { link, event, count: None, code: None, text: None, retry: None };
        let counted = |event, count| Self { count: Some(count), ..plain(event) };
        match report {
            Report::Registered => plain("registered"),
            Report::Reset(_) => plain("reset"),
            Report::Received { messages } => counted("received", *messages),
            Report::Pushed { messages } => counted("pushed", *messages),
            Report::Pruned { bags } => counted("pruned", *bags),
            Report::Mended { bags } => counted("mended", *bags),
            Report::Filled { messages } => counted("filled", *messages),
            Report::ClockSkew { offset_ms } => counted("clock_skew", offset_ms.unsigned_abs()),
            Report::QuotaReached { usage, .. } => counted("quota_reached", *usage),
            Report::Unreadable { seq, .. } => counted("unreadable", seq.0),
            Report::Odd { oddity, .. } => Self { text: Some(odd(*oddity)), ..plain("odd") },
            Report::Trouble { code, text, retry_ms } => {
                Self { code: Some(code), text: Some(text), retry: Some(*retry_ms), ..plain("trouble") }
            }
            Report::InSync => plain("in_sync"),
            Report::AccountDeleted => plain("account_deleted"),
            Report::Exposed => plain("exposed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_is_told_in_a_sentence() {
        let mut tally = Tally::new("main");
        assert_eq!(tally.words(), "main: nothing new, not finished");
        tally.add(&Report::Received { messages: 2 });
        tally.add(&Report::Pushed { messages: 1 });
        tally.add(&Report::Pushed { messages: 2 });
        let trouble =
            Report::Trouble { code: "network", text: "the host cannot be reached".into(), retry_ms: 9 };
        tally.add(&trouble);
        assert_eq!((tally.words().as_str(), tally.is_good()), ("main: the host cannot be reached", false));
        tally.add(&Report::InSync);
        assert_eq!((tally.words().as_str(), tally.is_good()), ("main: in sync, 2 came, 3 went", true));
        tally.add(&Report::QuotaReached { quota: 1, usage: 1 });
        assert!(!tally.is_good() && tally.words().contains("no room"));
    }
}

//! What a sync has to tell, in words and as lines for programs.

use seabag_client::host::report::{Oddity, Report, ResetReason};
use seabag_client::status::{LinkActivity, Phase};
use serde::Serialize;

use super::table::plain;
use crate::output;

/// What came of one link in a sync.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct LinkTally {
    label: String,
    /// `synced`, `stuck`, `working` when the time was up, or `ended`.
    state: &'static str,
    /// Messages that came.
    received: u64,
    /// Messages that are durable at the host.
    pushed: u64,
    /// Superseded or damaged bags that the host let go of.
    pruned: u64,
    /// Whether the host has no room for some messages.
    full: bool,
    /// Why it is stuck, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
    /// Why it is stuck, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl LinkTally {
    /// Of what a session did.
    pub(crate) fn new(label: &str, activity: &LinkActivity) -> Self {
        let (state, trouble, reason) = match &activity.phase {
            Phase::Working => ("working", None, None),
            Phase::InSync => ("synced", None, None),
            Phase::Stuck { code, text, .. } => ("stuck", Some(code.clone()), Some(text.clone())),
            Phase::Ended => ("ended", None, None),
        };
        Self {
            label: label.to_owned(),
            state,
            received: activity.received,
            pushed: activity.pushed,
            pruned: activity.pruned,
            full: activity.quota.is_some(),
            trouble,
            reason,
        }
    }

    /// Whether both sides have the same.
    pub(crate) fn is_good(&self) -> bool {
        self.state == "synced" && !self.full
    }

    /// What came of it, in a sentence.
    pub(crate) fn words(&self) -> String {
        let counts = [(self.received, "came"), (self.pushed, "went")];
        let parts =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        let parts: Vec<String> = parts.collect();
        let moved = if parts.is_empty() { "nothing new".to_owned() } else { parts.join(", ") };
        let label = plain(&self.label);
        match (&self.reason, self.full, self.state) {
            (Some(reason), _, _) => format!("{label}: {}{}", plain(reason), self.hint()),
            (None, true, _) => {
                format!("{label}: {moved}; the host has no room for the rest, which waits here")
            }
            (None, false, "synced") => format!("{label}: in sync, {moved}"),
            (None, false, _) => format!("{label}: {moved}, not finished; `seabag ent sync` goes on"),
        }
    }

    /// What the user can do about it.
    fn hint(&self) -> &'static str {
        match self.trouble.as_deref() {
            Some("network" | "http") => "; all is saved here, and `seabag ent sync` tries again",
            Some("refused") => {
                "; if the host asks for a token, its owner has it: `seabag ent link URL --token-file FILE`"
            }
            Some("clock") => "; set this device's clock",
            _ => "",
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
        Report::SharedKey { .. } => output::note(&format!(
            "{label}: another link has the same label and index, and so the same key: both hosts can tell that the \
             accounts are one person's"
        )),
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
            Report::SharedKey { .. } => plain("shared_key"),
            Report::Exposed => plain("exposed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_is_told_in_a_sentence_with_what_to_do() {
        let mut activity = LinkActivity { received: 2, pushed: 3, ..LinkActivity::default() };
        let tally = |activity: &LinkActivity| LinkTally::new("main", activity);
        assert!(tally(&activity).words().contains("not finished"));
        activity.phase = Phase::InSync;
        assert_eq!(tally(&activity).words(), "main: in sync, 2 came, 3 went");
        assert!(tally(&activity).is_good());
        activity.quota = Some((1, 1));
        assert!(!tally(&activity).is_good() && tally(&activity).words().contains("no room"));
        activity.phase = Phase::Stuck { code: "network".into(), text: "away".into(), retry_ms: None };
        assert_eq!(
            tally(&activity).words(),
            "main: away; all is saved here, and `seabag ent sync` tries again"
        );
    }
}

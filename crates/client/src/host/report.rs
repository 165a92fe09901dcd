//! What a session has to tell: for people, logs and tests. Nothing in it is secret.

use seabag_entdb::LinkId;
use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::status::Status;

/// Why everything is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetReason {
    /// The host says that the cursor belongs to another history.
    OtherHistory,
    /// The host does not know the account any more.
    AccountGone,
    /// A host without epochs gives out numbers that it gave out before, or lacks the last bag that was read.
    NumbersGoBack,
}

/// What a host did that an honest one does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Oddity {
    /// A bag whose signature is not the account's: tampered with, or another account's.
    ForeignBag,
    /// A bag or body that does not open, or is not the one that its head names.
    Unopenable,
    /// Numbers that repeat, go back, or lie outside what was asked for.
    NumbersOutOfOrder,
    /// A page that ends before it begins, or promises more and brings nothing.
    PageWithoutProgress,
    /// A body that nobody asked for.
    UnaskedBody,
    /// A body that is there by the list of heads, and not when it is asked for.
    BodyWithheld,
    /// An answer to a push or a prune that names places that were not in the request, or one twice.
    ForgedItem,
    /// A bag of ours refused for a signature that is right.
    RefusedSignature,
    /// A notice that cannot be read.
    BrokenNotice,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The account is registered.
    Registered,
    /// All of the host's history is read again, and what it lacks is uploaded.
    Reset(ResetReason),
    /// Messages that were new here came.
    Received {
        /// How many.
        messages: u64,
    },
    /// Messages are durable at the host.
    Pushed {
        /// How many.
        messages: u64,
    },
    /// The host let go of superseded bags.
    Pruned {
        /// How many.
        bags: u64,
    },
    /// Damaged bags were dropped from the host, and will be uploaded anew.
    Mended {
        /// How many.
        bags: u64,
    },
    /// Messages that the host lacked wait for upload.
    Filled {
        /// How many.
        messages: u64,
    },
    /// This device's clock is off by the host's: the host's time minus ours, milliseconds.
    ClockSkew {
        /// How much is added to our time for this host.
        offset_ms: i64,
    },
    /// The host has no room for some messages; they wait here.
    QuotaReached {
        /// The bound, bytes; 0: the host did not tell.
        quota: u64,
        /// Bytes used.
        usage: u64,
    },
    /// A bag was set aside because of what is wrong with it; nothing here was changed by it.
    Unreadable {
        /// Its number.
        seq: BagSeq,
        /// What is wrong.
        status: Status,
    },
    /// The host did something that an honest one does not. Nothing here was changed by it.
    Odd {
        /// What it did.
        oddity: Oddity,
        /// Which number it was about, if one.
        seq: Option<BagSeq>,
    },
    /// It does not work for now; there is a retry.
    Trouble {
        /// What it is about: `network`, `http`, `answer`, `clock`, `refused`, `host` or `local`.
        code: &'static str,
        /// For people.
        text: String,
        /// When it is tried again, milliseconds since 1970.
        retry_ms: u64,
    },
    /// All that the host has is here, and all that is here is there, but for what [`Report::QuotaReached`] says.
    InSync,
    /// The account was removed from the host.
    AccountDeleted,
    /// Another link has the same label and index, and so the same key: whoever sees both hosts sees that the accounts
    /// are one person's, and what signs in at one is good at the other for a minute.
    SharedKey {
        /// The other link.
        other: LinkId,
    },
    /// The connection to this host is not encrypted: bags stay sealed, but who reads along can sign in for a minute.
    Exposed,
}

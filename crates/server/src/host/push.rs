//! PUSH: all bags or none are decoded; those that the account signed are stored in one piece.

use seabag_protocol::host::auth::{PublicKey, SignedTimestamp};
use seabag_protocol::host::bag::Bag;
use seabag_protocol::host::bytes::Reader;
use seabag_protocol::host::machine::CheckedBag;
use seabag_protocol::host::response::Subscription;
use seabag_protocol::host::status::Status;
use tokio::sync::OwnedSemaphorePermit;

use super::Host;
use super::account_task::Mail;
use super::answer::{Failed, Reply, Why};
use super::call::Rest;
use super::verify::TURN_BAGS;
use crate::clock::now_ms;

/// What a bag takes in memory beside its bytes until it is stored.
const BAG_BYTES: usize = 2_048;

/// The bags of a small push, from what follows its signed time. `None` if they are many, or cannot be read: then
/// something else may have to be said first.
pub(crate) fn read_few(reader: &Reader, bags_max: u64) -> Option<Vec<Bag>> {
    let (mut reader, mut bags) = (reader.clone(), Vec::new());
    let most = usize::try_from(bags_max).unwrap_or(usize::MAX).min(TURN_BAGS);
    while bags.len() < most {
        bags.push(Bag::read(&mut reader).ok()?);
        if reader.is_empty() {
            return Some(bags);
        }
    }
    None
}

/// A small push: the signatures are checked together, and who asks is not looked up if the account has a task.
pub(crate) async fn few(
    host: &Host,
    auth: SignedTimestamp,
    bags: Vec<Bag>,
    length: usize,
) -> Result<Reply, Failed> {
    auth.check_time(now_ms())?;
    let key = auth.public;
    let bags = host.verifier.check_small(auth, bags).await?;
    let quick = host.accounts.is_written_to(&key) && host.accounts.take_request(&key).is_ok();
    let subscription = if quick { Subscription::default() } else { host.admit(&key).await?.1 };
    store(host, &key, bags, length, None).await.map_err(|status| Failed::from(status).of(subscription))
}

/// A push of any size, by an account that may ask.
pub(crate) async fn many(
    host: &Host,
    key: PublicKey,
    subscription: Subscription,
    rest: Rest,
) -> Result<Reply, Failed> {
    let Rest { bytes, held } = rest;
    let length = bytes.len();
    let bags = read_many(&mut Reader::new(bytes), host.limits().host_push_bags_max)?;
    if bags.is_empty() {
        return Ok(Reply::of(subscription, Vec::new()));
    }
    let bags = host.verifier.check_bags(key, bags).await?;
    Ok(store(host, &key, bags, length, held).await?)
}

fn read_many(reader: &mut Reader, most: u64) -> Result<Vec<Bag>, Failed> {
    let mut bags = Vec::new();
    while !reader.is_empty() {
        if bags.len() as u64 >= most {
            return Err(Failed::by_frame(Why::TooLarge));
        }
        bags.push(Bag::read(reader)?);
    }
    Ok(bags)
}

async fn store(
    host: &Host,
    key: &PublicKey,
    bags: Vec<CheckedBag>,
    length: usize,
    held: Option<OwnedSemaphorePermit>,
) -> Result<Reply, Status> {
    let bytes = length.saturating_add(bags.len().saturating_mul(BAG_BYTES));
    // Its sender may leave while it waits for the disk: it is then no connection that bounds it.
    let waiting = host.waiting.take(bytes).await.ok_or(Status::StorageError)?;
    let mail = |answer| Mail::Push { bags, bytes, held: (held, waiting), answer };
    let done = host.accounts.ask(key, mail).await?;
    let mut body = Vec::with_capacity(done.items.len() * 6);
    for item in &done.items {
        item.write(&mut body)?;
    }
    Ok(Reply::of(done.subscription, body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use seabag_protocol::host::bag::SealedHead;

    #[test]
    fn few_bags_are_those_of_one_turn_and_what_cannot_be_read_is_none() {
        let sealed = SealedHead { signature: [0; 64], derivation: [0; 8], head: Bytes::from_static(b"head") };
        let bag = Bag { sealed, body: Bytes::new() };
        for (count, few) in [(0, false), (1, true), (TURN_BAGS, true), (TURN_BAGS + 1, false)] {
            let mut bytes = Vec::new();
            (0..count).for_each(|_| bag.write(&mut bytes).unwrap());
            let read = read_few(&Reader::new(bytes.clone()), 500);
            assert_eq!(read.map(|bags| bags.len()), few.then_some(count));
            assert!(read_few(&Reader::new(bytes.clone()), count.saturating_sub(1) as u64).is_none());
            bytes.push(0);
            assert!(read_few(&Reader::new(bytes), 500).is_none());
        }
    }
}

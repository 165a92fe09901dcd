//! Checks signatures. One takes some fifty microseconds, so they are checked on threads of their own, one for each
//! core. A request's bags are checked a few at a time and requests take turns, so that a request of thousands uses
//! every core and yet does not keep a small one waiting.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use seabag_protocol::host::auth::{PublicKey, ReadyKey, SignedTimestamp};
use seabag_protocol::host::bag::Bag;
use seabag_protocol::host::machine::CheckedBag;
use seabag_protocol::host::status::Status;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Bags that are checked in one turn: about a millisecond.
pub(super) const TURN_BAGS: usize = 16;
/// Most requests whose signatures wait or are being checked. More wait for a place.
const REQUESTS_MAX: usize = 1_024;

/// What a thread does in one turn.
type Turn = Box<dyn FnOnce() + Send>;

/// The threads. They end when the last clone is dropped.
#[derive(Clone)]
pub(crate) struct Verifier {
    threads: Arc<Threads>,
    places: Arc<Semaphore>,
}

struct Threads {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    more: Condvar,
}

#[derive(Default)]
struct Queue {
    /// Each request's turns. The first request has the next turn, and is then the last.
    requests: VecDeque<VecDeque<Turn>>,
    closed: bool,
}

/// What the turns of one request gather.
struct Gathered {
    parts: Vec<Option<Vec<CheckedBag>>>,
    left: usize,
    reply: Option<oneshot::Sender<Vec<CheckedBag>>>,
    _place: OwnedSemaphorePermit,
}

impl Verifier {
    /// Starts as many threads as there are cores.
    pub(crate) fn start() -> std::io::Result<Self> {
        let threads = Threads { shared: Arc::default() };
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..count {
            let shared = Arc::clone(&threads.shared);
            std::thread::Builder::new().name("seabag-verifier".into()).spawn(move || shared.work())?;
        }
        Ok(Self { threads: Arc::new(threads), places: Arc::new(Semaphore::new(REQUESTS_MAX)) })
    }

    /// Finds out which bags the account signed. Order and number stay.
    pub(crate) async fn check_bags(
        &self,
        account: PublicKey,
        bags: Vec<Bag>,
    ) -> Result<Vec<CheckedBag>, Status> {
        if bags.is_empty() {
            return Ok(Vec::new());
        }
        let place = self.place().await?;
        let (reply, checked) = oneshot::channel();
        let count = bags.len().div_ceil(TURN_BAGS);
        let parts = std::iter::repeat_with(|| None).take(count).collect();
        let gathered = Gathered { parts, left: count, reply: Some(reply), _place: place };
        let gathered = Arc::new(Mutex::new(gathered));
        let mut turns: VecDeque<Turn> = VecDeque::with_capacity(count);
        let mut bags = bags.into_iter();
        for at in 0..count {
            let part: Vec<_> = bags.by_ref().take(TURN_BAGS).collect();
            let gathered = Arc::clone(&gathered);
            turns.push_back(Box::new(move || check_part(&gathered, at, account, part)));
        }
        drop(gathered);
        self.threads.shared.push(turns);
        checked.await.map_err(|_| Status::InternalError)
    }

    /// Finds out whether the account signed the time, and then which bags of a small request it signed, in one turn:
    /// a thread's turn costs about as much as a signature.
    pub(crate) async fn check_small(
        &self,
        auth: SignedTimestamp,
        bags: Vec<Bag>,
    ) -> Result<Vec<CheckedBag>, Status> {
        self.check(move || {
            let key = auth.public.ready()?;
            auth.check_signature_with(&key)?;
            Ok(bags.into_iter().map(|bag| check_bag(Some(&key), bag)).collect())
        })
        .await
    }

    /// Runs one check.
    pub(crate) async fn check<T: Send + 'static>(
        &self,
        check: impl FnOnce() -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        let place = self.place().await?;
        let (reply, checked) = oneshot::channel();
        let turn: Turn = Box::new(move || {
            let _place = place;
            if !reply.is_closed() {
                // Whoever asked may have gone since.
                let _ = reply.send(check());
            }
        });
        self.threads.shared.push(VecDeque::from([turn]));
        checked.await.unwrap_or(Err(Status::InternalError))
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit, Status> {
        Arc::clone(&self.places).acquire_owned().await.map_err(|_| Status::InternalError)
    }
}

fn check_part(gathered: &Mutex<Gathered>, at: usize, account: PublicKey, part: Vec<Bag>) {
    if gathered.lock().reply.as_ref().is_none_or(oneshot::Sender::is_closed) {
        return;
    }
    // Made ready once for all of them.
    let key = account.ready();
    let checked = part.into_iter().map(|bag| check_bag(key.as_ref().ok(), bag)).collect();
    let mut gathered = gathered.lock();
    if let Some(slot) = gathered.parts.get_mut(at) {
        *slot = Some(checked);
    }
    gathered.left -= 1;
    if gathered.left == 0
        && let Some(reply) = gathered.reply.take()
    {
        let all = gathered.parts.drain(..).flatten().flatten().collect();
        // Whoever asked may have gone.
        let _ = reply.send(all);
    }
}

fn check_bag(key: Option<&ReadyKey>, bag: Bag) -> CheckedBag {
    let signed = key.is_some_and(|key| key.verify(&bag.sealed.head, &bag.sealed.signature).is_ok());
    CheckedBag { signed, bag }
}

impl Shared {
    fn push(&self, turns: VecDeque<Turn>) {
        let count = turns.len();
        self.queue.lock().requests.push_back(turns);
        if count > 1 {
            self.more.notify_all();
        } else {
            self.more.notify_one();
        }
    }

    fn work(&self) {
        loop {
            let turn = {
                let mut queue = self.queue.lock();
                loop {
                    if let Some(turn) = queue.next() {
                        break turn;
                    }
                    if queue.closed {
                        return;
                    }
                    self.more.wait(&mut queue);
                }
            };
            // One that panics has dropped its reply, which is an answer. The thread is for the others.
            let _ = catch_unwind(AssertUnwindSafe(turn));
        }
    }
}

impl Queue {
    fn next(&mut self) -> Option<Turn> {
        let mut request = self.requests.pop_front()?;
        let turn = request.pop_front();
        if !request.is_empty() {
            self.requests.push_back(request);
        }
        turn
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.shared.queue.lock().closed = true;
        self.shared.more.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use seabag_protocol::host::bag::SealedHead;

    fn bag(number: u64) -> Bag {
        let head = Bytes::copy_from_slice(&number.to_be_bytes());
        Bag {
            sealed: SealedHead { signature: [0; 64], derivation: number.to_be_bytes(), head },
            body: Bytes::new(),
        }
    }

    #[tokio::test]
    async fn bags_come_back_in_their_order_and_the_unsigned_ones_are_marked() {
        let verifier = Verifier::start().unwrap();
        for count in [0, 1, 15, 16, 17, 100] {
            let bags: Vec<_> = (0..count).map(bag).collect();
            let checked = verifier.check_bags(PublicKey([0; 32]), bags.clone()).await.unwrap();
            assert!(checked.iter().all(|checked| !checked.signed));
            assert_eq!(checked.into_iter().map(|checked| checked.bag).collect::<Vec<_>>(), bags);
        }
    }

    #[tokio::test]
    async fn a_check_that_panics_is_an_answer_and_the_thread_lives_on() {
        let verifier = Verifier::start().unwrap();
        for _ in 0..64 {
            assert_eq!(verifier.check::<()>(|| panic!("on purpose")).await, Err(Status::InternalError));
        }
        assert_eq!(
            verifier.check::<()>(|| Err(Status::InvalidSignature)).await,
            Err(Status::InvalidSignature)
        );
        assert_eq!(verifier.check(|| Ok(())).await, Ok(()));
    }

    #[tokio::test]
    async fn a_wrong_time_is_told_before_any_bag_is() {
        let verifier = Verifier::start().unwrap();
        let auth = SignedTimestamp { public: PublicKey([0; 32]), signature: [0; 64], time_ms: 1 };
        let checked = verifier.check_small(auth, vec![bag(1)]).await;
        assert_eq!(checked.err(), Some(Status::InvalidSignature));
    }

    #[test]
    fn a_small_request_has_its_turn_between_those_of_a_large_one() {
        let order = Arc::new(Mutex::new(Vec::new()));
        let turn = |name: &'static str| -> Turn {
            let order = Arc::clone(&order);
            Box::new(move || order.lock().push(name))
        };
        let mut queue = Queue::default();
        queue.requests.push_back((0..3).map(|_| turn("large")).collect());
        queue.requests.push_back(VecDeque::from([turn("small")]));
        while let Some(turn) = queue.next() {
            turn();
        }
        assert_eq!(*order.lock(), ["large", "small", "large", "large"]);
    }
}

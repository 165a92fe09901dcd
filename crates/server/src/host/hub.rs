//! An account's listeners: each with a bounded queue of notices. One that lags is ended with a reason; no notice is
//! ever left out for it in silence.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use seabag_protocol::error::Refusal;
use seabag_protocol::limits::Limits;
use tokio::sync::Notify;

use crate::feed::slow_reader;

/// The listeners of one account.
#[derive(Default)]
pub(crate) struct Hub {
    listeners: Mutex<Vec<Arc<Queue>>>,
}

/// One listener's notices.
struct Queue {
    waiting: Mutex<Waiting>,
    more: Notify,
    frames_max: usize,
    bytes_max: usize,
}

#[derive(Default)]
struct Waiting {
    frames: VecDeque<Bytes>,
    bytes: usize,
    /// Why the listener ends, once it does.
    ended: Option<Refusal>,
    /// It ends because it lags: what it is being sent is of no use any more.
    lags: bool,
}

/// A listener's end of its queue. It leaves its hub when it is dropped.
pub(crate) struct Listener {
    queue: Arc<Queue>,
    hub: Arc<Hub>,
}

/// What a listener is to do next.
pub(crate) enum Next {
    /// Send these frames.
    Frames(Vec<Bytes>),
    /// End, for this reason.
    End(Refusal),
}

impl Hub {
    /// Lets a listener join, unless there are as many as there may be.
    pub(crate) fn join(self: &Arc<Self>, limits: &Limits) -> Option<Listener> {
        let mut listeners = self.listeners.lock();
        let most = usize::try_from(limits.account_listeners_max).unwrap_or(usize::MAX);
        if listeners.len() >= most {
            return None;
        }
        let size = |limit: u64| usize::try_from(limit.max(1)).unwrap_or(usize::MAX);
        let queue = Arc::new(Queue {
            waiting: Mutex::default(),
            more: Notify::new(),
            frames_max: size(limits.notice_queue_max),
            bytes_max: size(limits.ring_bytes_max),
        });
        listeners.push(Arc::clone(&queue));
        Some(Listener { queue, hub: Arc::clone(self) })
    }

    /// Hands a frame to every listener. How many take it.
    pub(crate) fn send(&self, frame: &Bytes) -> usize {
        self.listeners.lock().iter().filter(|queue| queue.push(frame.clone())).count()
    }

    /// Ends every listener behind the notices that it has.
    pub(crate) fn end(&self, reason: &Refusal) {
        for queue in self.listeners.lock().iter() {
            queue.end(reason.clone());
        }
    }
}

impl Queue {
    fn push(&self, frame: Bytes) -> bool {
        let mut waiting = self.waiting.lock();
        if waiting.ended.is_some() {
            return false;
        }
        let full = waiting.frames.len() >= self.frames_max || waiting.bytes >= self.bytes_max;
        if full {
            *waiting = Waiting { ended: Some(slow_reader()), lags: true, ..Waiting::default() };
        } else {
            waiting.bytes += frame.len();
            waiting.frames.push_back(frame);
        }
        drop(waiting);
        self.more.notify_one();
        !full
    }

    fn end(&self, reason: Refusal) {
        self.waiting.lock().ended.get_or_insert(reason);
        self.more.notify_one();
    }
}

impl Listener {
    /// Waits for what is next. May be dropped at any time.
    pub(crate) async fn next(&self) -> Next {
        loop {
            {
                let mut waiting = self.queue.waiting.lock();
                if !waiting.frames.is_empty() {
                    waiting.bytes = 0;
                    return Next::Frames(waiting.frames.drain(..).collect());
                }
                if let Some(reason) = &waiting.ended {
                    return Next::End(reason.clone());
                }
            }
            self.queue.more.notified().await;
        }
    }
}

impl Listener {
    /// Waits until it lags too far behind, for the reason to end with. May be dropped at any time.
    pub(crate) async fn lags(&self) -> Refusal {
        loop {
            if self.queue.waiting.lock().lags {
                return slow_reader();
            }
            self.queue.more.notified().await;
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.hub.listeners.lock().retain(|other| !Arc::ptr_eq(other, &self.queue));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seabag_protocol::error::Code;

    fn limits() -> Limits {
        Limits { account_listeners_max: 2, notice_queue_max: 3, ..Limits::default() }
    }

    #[tokio::test]
    async fn a_listener_that_lags_is_ended_and_the_others_hear_everything() {
        let hub = Arc::new(Hub::default());
        let (slow, quick) = (hub.join(&limits()).unwrap(), hub.join(&limits()).unwrap());
        assert!(hub.join(&limits()).is_none(), "there may be two");
        let mut heard = 0;
        for number in 0..5_u8 {
            let takers = hub.send(&Bytes::from(vec![number]));
            assert_eq!(takers, if number < 3 { 2 } else { 1 });
            let Next::Frames(frames) = quick.next().await else { panic!("it was ended") };
            heard += frames.len();
        }
        assert_eq!(heard, 5);
        let Next::End(reason) = slow.next().await else { panic!("it goes on with a gap") };
        assert_eq!(reason.code, Code::SlowReader);
        drop(slow);
        assert!(hub.join(&limits()).is_some(), "its place is free");
    }

    #[tokio::test]
    async fn what_came_before_the_end_is_heard_first() {
        let hub = Arc::new(Hub::default());
        let listener = hub.join(&limits()).unwrap();
        hub.send(&Bytes::from_static(b"x"));
        hub.end(&Refusal::new(Code::GoingAway, "later"));
        assert!(matches!(listener.next().await, Next::Frames(frames) if frames.len() == 1));
        assert!(matches!(listener.next().await, Next::End(reason) if reason.code == Code::GoingAway));
        drop(listener);
        assert!(hub.listeners.lock().is_empty());
    }
}

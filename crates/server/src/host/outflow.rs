//! A large answer, read piece by piece while it is sent: what waits in memory is bounded, a peer that does not take
//! it is cut, and an answer that cannot be read to its end never looks whole.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use seabag_protocol::host::status::Status;
use seabag_store::{Snapshot, StoreError};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::read::Reader;

/// Pieces that wait for the peer. The next one is read when there is a place for it: a single body may be large.
const PIECES_WAITING: usize = 1;

/// Part of an answer.
pub(crate) struct Piece {
    /// May have no bytes, and yet not be the last.
    pub(crate) bytes: Bytes,
    pub(crate) then: Then,
}

/// What follows a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Another.
    More,
    /// Nothing: the answer is whole.
    End,
    /// Nothing, though the answer is not whole: more was asked than is given.
    Cut,
}

/// Where the pieces come from.
pub(crate) trait Source: Send + 'static {
    /// The next piece. May block.
    fn next(&mut self, snapshot: &dyn Snapshot) -> Result<Piece, StoreError>;
}

/// An answer whose first piece has been read.
pub(crate) struct Outflow {
    first: Piece,
    rest: Rest,
}

struct Rest {
    reader: Reader,
    snapshot: Arc<dyn Snapshot>,
    source: Box<dyn Source>,
}

impl Rest {
    async fn next(self) -> Result<(Piece, Self), Status> {
        let Self { reader, snapshot, mut source } = self;
        let read = reader.run(Some(Arc::clone(&snapshot)), move |snapshot| {
            let piece = source.next(snapshot)?;
            Ok((piece, source))
        });
        let (piece, source) = read.await.map_err(|_| Status::StorageError)?;
        Ok((piece, Self { reader, snapshot, source }))
    }
}

/// What reaches the connection. Without the end it is cut.
enum Sent {
    Piece(Bytes),
    End,
}

impl Outflow {
    /// Reads the first piece: the whole answer, if it is short.
    pub(crate) async fn begin(
        reader: &Reader,
        snapshot: Arc<dyn Snapshot>,
        source: Box<dyn Source>,
    ) -> Result<Result<Bytes, Self>, Status> {
        let (first, rest) = Rest { reader: reader.clone(), snapshot, source }.next().await?;
        Ok(if first.then == Then::End { Ok(first.bytes) } else { Err(Self { first, rest }) })
    }

    /// Sends it. The store is read no further ahead than a few pieces, and a peer that takes none for `stall` is cut.
    pub(crate) fn send(self, stall: Duration) -> impl Stream<Item = io::Result<Bytes>> {
        let (sender, pieces) = mpsc::channel(PIECES_WAITING);
        tokio::spawn(read_on(self, sender, stall));
        stream::unfold(Some(pieces), |pieces| async {
            let mut pieces = pieces?;
            match pieces.recv().await {
                Some(Sent::Piece(bytes)) => Some((Ok(bytes), Some(pieces))),
                Some(Sent::End) => None,
                None => Some((Err(io::Error::other("the answer was cut off")), None)),
            }
        })
    }
}

/// Reads piece after piece until the end, or until the peer does not take them.
async fn read_on(outflow: Outflow, sender: mpsc::Sender<Sent>, stall: Duration) {
    let Outflow { first: mut piece, mut rest } = outflow;
    loop {
        if !piece.bytes.is_empty() && sender.send_timeout(Sent::Piece(piece.bytes), stall).await.is_err() {
            return;
        }
        // A peer that is slow keeps a state of the store alive, and with it what was superseded since.
        let Ok(Ok(place)) = timeout(stall, sender.reserve()).await else { return };
        match piece.then {
            Then::More => {}
            Then::End => return place.send(Sent::End),
            Then::Cut => return,
        }
        let Ok(next) = rest.next().await else { return };
        (piece, rest) = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;
    use seabag_store::{LocalStore, Options, Store};

    /// So many pieces, and then the end or a failure.
    struct Countdown {
        left: u8,
        fails: bool,
    }

    impl Source for Countdown {
        fn next(&mut self, _: &dyn Snapshot) -> Result<Piece, StoreError> {
            if self.left == 0 && self.fails {
                return Err(StoreError::Damaged("on purpose".into()));
            }
            self.left = self.left.saturating_sub(1);
            let then = if self.left > 0 || self.fails { Then::More } else { Then::End };
            // Every third piece is empty.
            let bytes = if self.left % 3 == 2 { Vec::new() } else { vec![self.left] };
            Ok(Piece { bytes: bytes.into(), then })
        }
    }

    async fn begin(left: u8, fails: bool) -> Result<Bytes, Outflow> {
        let store = LocalStore::in_memory(&Options::default()).unwrap();
        let source = Box::new(Countdown { left, fails });
        Outflow::begin(&Reader::new(1), store.snapshot(), source).await.unwrap()
    }

    #[tokio::test]
    async fn an_answer_that_can_be_read_is_sent_to_its_end() {
        assert_eq!(begin(1, false).await.ok(), Some(Bytes::from_static(&[0])), "one piece is whole at once");
        let outflow = begin(20, false).await.err().unwrap();
        let sent: Vec<_> = outflow.send(Duration::from_secs(60)).map(|piece| piece.unwrap()).collect().await;
        assert_eq!(sent.concat(), (0..20).rev().filter(|left| left % 3 != 2).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn an_answer_whose_reading_fails_ends_with_an_error_and_not_as_if_it_were_whole() {
        let outflow = begin(5, true).await.err().unwrap();
        let sent: Vec<_> = outflow.send(Duration::from_secs(60)).collect().await;
        assert_eq!(sent.len(), 5);
        assert!(sent.last().unwrap().is_err());
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_is_cut() {
        let outflow = begin(50, false).await.err().unwrap();
        let mut sending = Box::pin(outflow.send(Duration::from_millis(10)));
        assert!(sending.next().await.unwrap().is_ok());
        // A machine that stood still may take a pause for none at all: no matter, as long as one counts.
        for taken in 0.. {
            tokio::time::sleep(Duration::from_millis(200)).await;
            match sending.next().await {
                Some(Ok(_)) => {}
                Some(Err(_)) => return assert!(sending.next().await.is_none()),
                None => panic!("it looks whole after {taken} pieces"),
            }
        }
    }
}

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

use super::Host;
use crate::read::Reader;

/// Pieces that wait for the peer, beside the one that is being read.
const PIECES_WAITING: usize = 2;

/// Part of an answer.
pub(crate) struct Piece {
    pub(crate) bytes: Bytes,
    /// Whether another follows.
    pub(crate) more: bool,
}

/// Where the pieces come from.
pub(crate) trait Source: Send + 'static {
    /// The next piece. May block.
    fn next(&mut self, snapshot: &dyn Snapshot) -> Result<Piece, StoreError>;
}

/// An answer whose first piece has been read.
pub(crate) struct Outflow {
    first: Bytes,
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
        Ok(if first.more { Err(Self { first: first.bytes, rest }) } else { Ok(first.bytes) })
    }

    /// Sends it. The store is read no further ahead than a few pieces.
    pub(crate) fn send(self, host: &Host) -> impl Stream<Item = io::Result<Bytes>> + use<> {
        let stall = Duration::from_millis(host.limits().write_stall_ms.max(1));
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
    let Outflow { first, rest } = outflow;
    let mut reading = Some(rest);
    let mut next = Sent::Piece(first);
    loop {
        // A peer that is slow keeps a state of the store alive, and with it what was superseded since.
        if sender.send_timeout(next, stall).await.is_err() {
            return;
        }
        let Some(rest) = reading.take() else { return };
        let Ok((piece, rest)) = rest.next().await else { return };
        if !piece.bytes.is_empty() {
            next = Sent::Piece(piece.bytes);
            if piece.more {
                reading = Some(rest);
                continue;
            }
            if sender.send_timeout(next, stall).await.is_err() {
                return;
            }
        }
        next = Sent::End;
    }
}

//! A place outside memory for a section of the file that is not finished, filled through a small buffer.

use std::io::{self, Read, Seek, SeekFrom, Write};

/// Bytes that wait in memory before they are written.
const BUFFER_BYTES: usize = 64 * 1024;

/// What was appended, in order. Once a write has failed nothing more is accepted: what is there is not whole.
pub(super) struct Spool<S> {
    place: S,
    buffer: Vec<u8>,
    /// Bytes appended so far, the buffer's among them.
    length: u64,
    failed: bool,
}

impl<S: Read + Write + Seek> Spool<S> {
    /// At a place that holds nothing yet.
    pub(super) fn new(place: S) -> Self {
        Self { place, buffer: Vec::new(), length: 0, failed: false }
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.check()?;
        self.buffer.extend_from_slice(bytes);
        self.length += bytes.len() as u64;
        if self.buffer.len() >= BUFFER_BYTES { self.write_out() } else { Ok(()) }
    }

    /// Copies all of it.
    pub(super) fn copy_to(mut self, out: &mut impl Write) -> io::Result<()> {
        self.write_out()?;
        self.place.flush()?;
        self.place.seek(SeekFrom::Start(0))?;
        let copied = io::copy(&mut self.place.take(self.length), out)?;
        if copied == self.length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.check()?;
        let written = self.place.write_all(&self.buffer);
        self.failed = written.is_err();
        self.buffer.clear();
        written
    }

    fn check(&self) -> io::Result<()> {
        if self.failed { Err(io::Error::other("an earlier write of the spool failed")) } else { Ok(()) }
    }
}

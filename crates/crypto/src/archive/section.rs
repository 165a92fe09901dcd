//! A section of a file that may be larger than memory, read through a window.

use std::io::{self, Read, Seek, SeekFrom};

use bytes::Bytes;

/// Bytes that are read ahead.
const WINDOW_BYTES: usize = 64 * 1024;

/// Where a section is, and what of it was read last.
pub(super) struct Section {
    /// Its first byte's place in the file.
    start: u64,
    /// Bytes of it that the file has.
    length: u64,
    window: Bytes,
    /// The window's place in the section.
    window_at: u64,
}

impl Section {
    pub(super) fn new(start: u64, length: u64) -> Self {
        Self { start, length, window: Bytes::new(), window_at: 0 }
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The bytes at an offset: as many as asked for, or all up to the section's end when they are fewer. No
    /// memory is taken for bytes that the file does not have.
    pub(super) fn read<R: Read + Seek>(
        &mut self,
        input: &mut R,
        offset: u64,
        length: u64,
    ) -> io::Result<Bytes> {
        let length = length.min(self.length.saturating_sub(offset));
        if let Some(found) = self.in_window(offset, length) {
            return Ok(found);
        }
        let ahead = length.max(WINDOW_BYTES as u64).min(self.length.saturating_sub(offset));
        input.seek(SeekFrom::Start(self.start.saturating_add(offset)))?;
        let mut window = Vec::with_capacity(WINDOW_BYTES);
        input.take(ahead).read_to_end(&mut window)?;
        (self.window, self.window_at) = (window.into(), offset);
        // The file was measured at the beginning: it has shrunk since.
        self.in_window(offset, length).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// The next window's worth of bytes, for reading a whole section in order.
    pub(super) fn read_on<R: Read + Seek>(&mut self, input: &mut R, offset: u64) -> io::Result<Bytes> {
        self.read(input, offset, WINDOW_BYTES as u64)
    }

    fn in_window(&self, offset: u64, length: u64) -> Option<Bytes> {
        let from = usize::try_from(offset.checked_sub(self.window_at)?).ok()?;
        let to = from.checked_add(usize::try_from(length).ok()?)?;
        (to <= self.window.len()).then(|| self.window.slice(from..to))
    }
}

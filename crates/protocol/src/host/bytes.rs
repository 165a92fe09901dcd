//! The primitives: varints (unsigned LEB128 of at most eight bytes), strings with a length in front, and a
//! reader that never reads past its end.

use bytes::{Buf, Bytes};

use super::status::Status;

/// The largest varint, 2^56-1.
pub const VARINT_MAX: u64 = (1 << 56) - 1;
/// The most bytes of a varint.
const VARINT_BYTES_MAX: usize = 8;

/// Reads from the front of bytes, which it shares instead of copying.
#[derive(Clone, Debug)]
pub struct Reader {
    rest: Bytes,
}

impl Reader {
    /// Reads these bytes.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self { rest: bytes.into() }
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is left.
    pub fn rest(&self) -> &Bytes {
        &self.rest
    }

    /// Refuses anything that is left, with `ExtraBodyContent`.
    pub fn end(&self) -> Result<(), Status> {
        if self.is_empty() { Ok(()) } else { Err(Status::ExtraBodyContent) }
    }

    /// Everything to the end, as a list: the protocol's lists have no count.
    pub fn list<T>(&mut self, read: impl Fn(&mut Self) -> Result<T, Status>) -> Result<Vec<T>, Status> {
        let mut items = Vec::new();
        while !self.is_empty() {
            items.push(read(self)?);
        }
        Ok(items)
    }

    /// The next `length` bytes; `OutOfBounds` when there are fewer.
    pub fn take(&mut self, length: usize) -> Result<Bytes, Status> {
        if length > self.rest.len() {
            return Err(Status::OutOfBounds);
        }
        Ok(self.rest.split_to(length))
    }

    /// The next bytes, as many as the array has.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Status> {
        self.take(N)?.as_ref().try_into().map_err(|_| Status::OutOfBounds)
    }

    /// The next byte.
    pub fn byte(&mut self) -> Result<u8, Status> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A varint. Overlong forms are read too. `InvalidMessage` when the input ends inside it,
    /// `VarLimitExceeded` when its eighth byte says that it goes on.
    pub fn varint(&mut self) -> Result<u64, Status> {
        let mut value = 0;
        for at in 0..VARINT_BYTES_MAX {
            let byte = *self.rest.get(at).ok_or(Status::InvalidMessage)?;
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                self.rest.advance(at + 1);
                return Ok(value);
            }
        }
        Err(Status::VarLimitExceeded)
    }

    /// A varint length, then so many bytes.
    pub fn var_bytes(&mut self) -> Result<Bytes, Status> {
        let length = self.varint()?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// A varint length, then so many bytes of UTF-8; what is not UTF-8 becomes U+FFFD, as upstream has it.
    pub fn var_string(&mut self) -> Result<String, Status> {
        Ok(String::from_utf8_lossy(&self.var_bytes()?).into_owned())
    }
}

/// Appends a varint in its shortest form; `VarLimitExceeded` above [`VARINT_MAX`].
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) -> Result<(), Status> {
    if value > VARINT_MAX {
        return Err(Status::VarLimitExceeded);
    }
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    Ok(())
}

/// Appends bytes with their length in front.
pub fn put_var_bytes(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Status> {
    put_varint(out, bytes.len() as u64)?;
    out.extend_from_slice(bytes);
    Ok(())
}

/// How many bytes [`put_varint`] appends.
pub fn varint_length(value: u64) -> usize {
    (64 - value.max(1).leading_zeros() as usize).div_ceil(7)
}

//! Where a msgpack value ends: a walk over any bytes that neither recurses nor builds anything.

/// How deeply arrays and maps may be nested. Far beyond what people write, and harmless to every later walk.
pub(crate) const DEPTH_MAX: usize = 128;

/// Length of the value at the front of these bytes. Text is not checked to be UTF-8: readers differ in what
/// they make of it, and it stays as it is.
pub(crate) fn value_length(bytes: &[u8]) -> Result<usize, &'static str> {
    let mut rest = bytes;
    // How many values each array or map that is open still lacks.
    let mut open: Vec<u64> = Vec::new();
    loop {
        let (marker, tail) = rest.split_first().ok_or(CUT)?;
        rest = tail;
        let mut inner = 0;
        match *marker {
            0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => {}
            0x80..=0x8f => inner = 2 * u64::from(marker & 0x0f),
            0x90..=0x9f => inner = u64::from(marker & 0x0f),
            0xa0..=0xbf => rest = skip(rest, u64::from(marker & 0x1f))?,
            0xc1 => return Err("it holds a byte that msgpack does not use"),
            0xc4 | 0xd9 => rest = skip_counted(rest, 1, 0)?,
            0xc5 | 0xda => rest = skip_counted(rest, 2, 0)?,
            0xc6 | 0xdb => rest = skip_counted(rest, 4, 0)?,
            0xc7 => rest = skip_counted(rest, 1, 1)?,
            0xc8 => rest = skip_counted(rest, 2, 1)?,
            0xc9 => rest = skip_counted(rest, 4, 1)?,
            0xcc | 0xd0 => rest = skip(rest, 1)?,
            0xcd | 0xd1 => rest = skip(rest, 2)?,
            0xca | 0xce | 0xd2 => rest = skip(rest, 4)?,
            0xcb | 0xcf | 0xd3 => rest = skip(rest, 8)?,
            0xd4..=0xd8 => rest = skip(rest, 1 + (1 << (marker - 0xd4)))?,
            0xdc => (inner, rest) = count(rest, 2)?,
            0xdd => (inner, rest) = count(rest, 4)?,
            0xde => {
                (inner, rest) = count(rest, 2)?;
                inner *= 2;
            }
            0xdf => {
                (inner, rest) = count(rest, 4)?;
                inner *= 2;
            }
        }
        if inner > 0 {
            if open.len() == DEPTH_MAX {
                return Err("it is nested too deeply");
            }
            open.push(inner);
            continue;
        }
        while let Some(lacking) = open.last_mut() {
            *lacking -= 1;
            if *lacking > 0 {
                break;
            }
            open.pop();
        }
        if open.is_empty() {
            return Ok(bytes.len() - rest.len());
        }
    }
}

/// Whether the bytes are exactly one value.
pub(crate) fn check_one(bytes: &[u8]) -> Result<(), &'static str> {
    if value_length(bytes)? == bytes.len() { Ok(()) } else { Err("bytes follow its end") }
}

const CUT: &str = "it ends too early";

fn skip(rest: &[u8], length: u64) -> Result<&[u8], &'static str> {
    usize::try_from(length).ok().and_then(|length| rest.get(length..)).ok_or(CUT)
}

fn skip_counted(rest: &[u8], width: usize, more: u64) -> Result<&[u8], &'static str> {
    let (length, rest) = count(rest, width)?;
    skip(rest, length + more)
}

fn count(rest: &[u8], width: usize) -> Result<(u64, &[u8]), &'static str> {
    let (count, rest) = rest.split_at_checked(width).ok_or(CUT)?;
    Ok((count.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)), rest))
}

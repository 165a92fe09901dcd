//! Sizes and durations as people write them: `64KiB`, `1GiB`, `500ms`, `24h`. Powers of two only, since `MB`
//! means two things.

const BYTES: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
const MILLISECONDS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a number of bytes: plain, or with a suffix.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    parse(text, &BYTES).ok_or_else(|| format!("{text:?} is no size: write 1048576, 64KiB, 1MiB or 1GiB"))
}

/// Reads a number of milliseconds: plain, or with a suffix.
pub(crate) fn parse_milliseconds(text: &str) -> Result<u64, String> {
    parse(text, &MILLISECONDS)
        .ok_or_else(|| format!("{text:?} is no duration: write 500ms, 20s, 5m, 24h or 7d"))
}

/// Reads a count.
pub(crate) fn parse_count(text: &str) -> Result<u64, String> {
    parse(text, &[]).ok_or_else(|| format!("{text:?} is no whole number"))
}

/// The shortest text that [`parse_bytes`] reads back as the same.
pub(crate) fn format_bytes(bytes: u64) -> String {
    format(bytes, &BYTES).unwrap_or_else(|| bytes.to_string())
}

/// The shortest text that [`parse_milliseconds`] reads back as the same.
pub(crate) fn format_milliseconds(milliseconds: u64) -> String {
    format(milliseconds, &MILLISECONDS).unwrap_or_else(|| milliseconds.to_string())
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits_end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (digits, suffix) = text.split_at_checked(digits_end)?;
    let number: u64 = digits.replace('_', "").parse().ok()?;
    let suffix = suffix.trim();
    if suffix.is_empty() {
        return Some(number);
    }
    let (_, factor) = units.iter().find(|(unit, _)| unit.eq_ignore_ascii_case(suffix))?;
    number.checked_mul(*factor)
}

fn format(number: u64, units: &[(&str, u64)]) -> Option<String> {
    let (unit, factor) = units.iter().find(|(_, factor)| number > 0 && number.is_multiple_of(*factor))?;
    Some(format!("{}{unit}", number / factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_are_read_and_written_back() {
        for (text, bytes) in [
            ("0", 0),
            ("1000", 1000),
            ("64KiB", 65_536),
            ("1mib", 1 << 20),
            ("1 GiB", 1 << 30),
            ("1_000", 1000),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
            assert_eq!(parse_bytes(&format_bytes(bytes)), Ok(bytes));
        }
        for (text, milliseconds) in [
            ("500ms", 500),
            ("20s", 20_000),
            ("5m", 300_000),
            ("24h", 86_400_000),
            ("7d", 604_800_000),
            ("50", 50),
        ] {
            assert_eq!(parse_milliseconds(text), Ok(milliseconds), "{text}");
            assert_eq!(parse_milliseconds(&format_milliseconds(milliseconds)), Ok(milliseconds));
        }
        assert_eq!((format_bytes(3 << 20), format_milliseconds(90_000)), ("3MiB".into(), "90s".into()));
    }

    #[test]
    fn what_could_mean_two_things_is_refused() {
        for text in ["", "1MB", "MiB", "-1", "1.5GiB", "20000000TiB", "0x10"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
        for text in ["", "1 year", "-5s", "1h30m"] {
            assert!(parse_milliseconds(text).is_err(), "{text}");
        }
    }
}

//! Times as people read and type them: dates in UTC, durations back from now, milliseconds. Written here because
//! the calendar is fifteen lines, and a date library is not.

pub(crate) use seabag_client::clock::now_ms;

use seabag_protocol::host::eid::TIME_MS_MAX;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// From when to when, milliseconds since 1970, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// The first millisecond.
    pub(crate) from_ms: u64,
    /// The last one.
    pub(crate) to_ms: u64,
}

/// Reads `A..B`, `A..`, `..B` or one moment's own range, such as a day. For clap.
pub(crate) fn parse_range(text: &str) -> Result<Range, String> {
    let now = now_ms();
    let range = match text.split_once("..") {
        None => moment(text, now)?,
        Some((from, to)) => Range {
            from_ms: if from.is_empty() { 0 } else { moment(from, now)?.from_ms },
            to_ms: if to.is_empty() { TIME_MS_MAX } else { moment(to, now)?.to_ms },
        },
    };
    if range.from_ms > range.to_ms { Err(format!("{text} ends before it begins")) } else { Ok(range) }
}

/// The milliseconds that a moment may mean: all of a day, all of a second, or one.
fn moment(text: &str, now: u64) -> Result<Range, String> {
    let wrong = || {
        format!(
            "{text:?} is no time: 2026-11-22, 2026-11-22T14:30Z, 90m, 2h, 3d (ago), now, or milliseconds since 1970"
        )
    };
    let at = |from_ms: u64, length: u64| Range { from_ms, to_ms: from_ms.saturating_add(length - 1) };
    if text == "now" {
        return Ok(at(now, 1));
    }
    if let Ok(milliseconds) = text.parse::<u64>() {
        return Ok(at(milliseconds, 1));
    }
    if let Some(ago) = duration(text) {
        return Ok(at(now.saturating_sub(ago), 1));
    }
    let (date, time) = text.split_once(['T', ' ']).map_or((text, None), |(date, time)| (date, Some(time)));
    let day = day(date).ok_or_else(wrong)?;
    match time {
        None => Ok(at(day, DAY)),
        Some(time) => {
            let (offset, length) = clock(time.strip_suffix('Z').unwrap_or(time)).ok_or_else(wrong)?;
            Ok(at(day + offset, length))
        }
    }
}

/// `90m` and the like, in milliseconds.
fn duration(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// Where a day begins. Howard Hinnant's `days_from_civil`, for the years 1970 to 9999.
fn day(text: &str) -> Option<u64> {
    let mut parts = text.split('-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if parts.next().is_some()
        || !(1970..=9999).contains(&year)
        || !(1..=12).contains(&month)
        || !(1..=days).contains(&day)
    {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    Some((era * 146_097 + of_era - 719_468) * DAY)
}

/// `14:30`, `14:30:05` or `14:30:05.123`: from midnight, and how long it lasts.
fn clock(text: &str) -> Option<(u64, u64)> {
    let mut parts = text.split(':');
    let number = |part: Option<&str>, below: u64| part?.parse::<u64>().ok().filter(|number| *number < below);
    let minutes = number(parts.next(), 24)? * HOUR + number(parts.next(), 60)? * MINUTE;
    let Some(seconds) = parts.next() else { return Some((minutes, MINUTE)) };
    if parts.next().is_some() {
        return None;
    }
    let Some((whole, fraction)) = seconds.split_once('.') else {
        return Some((minutes + number(Some(seconds), 60)? * SECOND, SECOND));
    };
    let thousandths = if fraction.len() == 3 { number(Some(fraction), 1_000)? } else { return None };
    Some((minutes + number(Some(whole), 60)? * SECOND + thousandths, 1))
}

/// A time as a date and a clock in UTC: `2026-11-22 14:30:05`.
pub(crate) fn print(time_ms: u64) -> String {
    let seconds = time_ms / SECOND;
    let (of_day, days) = (seconds % 86_400, seconds / 86_400 + 719_468);
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// How long ago a time is, in one unit: `now`, `12 s`, `5 min`, `3 h`, `9 d`; after a hundred days its date.
pub(crate) fn age(time_ms: u64, now_ms: u64) -> String {
    let Some(age) = now_ms.checked_sub(time_ms) else {
        let ahead = time_ms - now_ms;
        return if ahead < 2 * SECOND { "now".to_owned() } else { format!("in {}", unit(ahead)) };
    };
    match age {
        0..1_000 => "now".to_owned(),
        age if age >= 100 * DAY => print(time_ms).split(' ').next().unwrap_or_default().to_owned(),
        age => unit(age),
    }
}

fn unit(length: u64) -> String {
    match length {
        0..MINUTE => format!("{} s", length / SECOND),
        MINUTE..HOUR => format!("{} min", length / MINUTE),
        HOUR..DAY => format!("{} h", length / HOUR),
        _ => format!("{} d", length / DAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> (u64, u64) {
        let range = moment(text, 1_000_000_000_000).unwrap();
        (range.from_ms, range.to_ms)
    }

    #[test]
    fn a_moment_means_all_that_it_leaves_open() {
        assert_eq!(at("1970-01-01"), (0, DAY - 1));
        assert_eq!(at("2026-11-22"), (1_795_305_600_000, 1_795_391_999_999));
        assert_eq!(at("2026-11-22T14:30Z"), (1_795_357_800_000, 1_795_357_859_999));
        assert_eq!(at("2026-11-22 14:30:05"), (1_795_357_805_000, 1_795_357_805_999));
        assert_eq!(at("2026-11-22T14:30:05.123"), (1_795_357_805_123, 1_795_357_805_123));
        assert_eq!(at("12345"), (12_345, 12_345));
        assert_eq!(at("90m").0, 1_000_000_000_000 - 90 * MINUTE);
        assert_eq!(at("now").1, 1_000_000_000_000);
        assert_eq!(at("2024-02-29").0 + DAY, at("2024-03-01").0);
    }

    #[test]
    fn a_range_has_ends_or_not() {
        assert_eq!(parse_range("5..7").unwrap(), Range { from_ms: 5, to_ms: 7 });
        assert_eq!(parse_range("..7").unwrap().from_ms, 0);
        assert_eq!(parse_range("5..").unwrap().to_ms, TIME_MS_MAX);
        assert_eq!(parse_range("1970-01-02").unwrap(), Range { from_ms: DAY, to_ms: 2 * DAY - 1 });
        for text in
            ["7..5", "", "yesterday", "2026-13-01", "2026-02-30", "1969-01-01", "2026-11-22T25:00", "é"]
        {
            assert!(parse_range(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_printed_is_read_as_the_same() {
        for time in [0, 951_782_400_000, 1_709_164_800_000, 1_795_357_805_000, 4_102_444_799_000] {
            assert_eq!(at(&print(time)).0, time, "{}", print(time));
        }
        assert_eq!(print(1_795_357_805_000), "2026-11-22 14:30:05");
        assert_eq!(print(TIME_MS_MAX), "275760-09-13 00:00:00");
    }

    #[test]
    fn an_age_has_one_unit() {
        let now = 1_795_357_805_000;
        for (ago, words) in [
            (0, "now"),
            (12 * SECOND, "12 s"),
            (5 * MINUTE, "5 min"),
            (3 * HOUR, "3 h"),
            (9 * DAY, "9 d"),
            (200 * DAY, "2026-05-06"),
        ] {
            assert_eq!(age(now - ago, now), words);
        }
        assert_eq!(age(now + HOUR, now), "in 1 h");
    }
}

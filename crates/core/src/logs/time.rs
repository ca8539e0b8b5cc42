//! Times as logs write them.
//!
//! Only universal time: a log with a local time says too little. Does not know the present.

const DAY: i64 = 86_400;

/// Microseconds since 1970 of seconds (`1795250065.68`) or of a time of RFC 3339 that ends in `Z`
/// (`2026-11-21T08:34:18.05Z`).
pub fn parse(text: &str) -> Option<i64> {
    if text.contains('T') { rfc3339(text) } else { seconds(text) }
}

fn seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: i64 = digits(whole)?;
    whole.checked_mul(1_000_000)?.checked_add(micros(fraction)?)
}

fn rfc3339(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (hms, fraction) = time.split_once('.').unwrap_or((time, ""));
    let [year, month, day] = three(date, '-')?;
    let [hour, minute, second] = three(hms, ':')?;
    let valid = (1..=12).contains(&month) && (1..=31).contains(&day);
    if !valid || hour > 23 || minute > 59 || second > 60 || year > 9999 {
        return None;
    }
    let whole = days(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
    Some(whole * 1_000_000 + micros(fraction)?)
}

fn three(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut parts = text.split(separator).map(digits);
    let found = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(found)
}

fn digits(text: &str) -> Option<i64> {
    let all = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| text.parse().ok())?
}

/// The first six digits behind a point.
fn micros(fraction: &str) -> Option<i64> {
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let six: String = fraction.chars().chain("000000".chars()).take(6).collect();
    six.parse().ok()
}

/// Days since 1970 of a date in the Gregorian calendar (Howard Hinnant's `days_from_civil`,
/// <https://howardhinnant.github.io/date_algorithms.html>), for years from 0 on.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_read() {
        for (text, expected) in [
            ("1795250065.68", Some(1_795_250_065_680_000)),
            ("12", Some(12_000_000)),
            ("2026-11-21T08:34:18.053923689Z", Some(1_795_250_058_053_923)),
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T12:00:00Z", Some(951_825_600_000_000)),
            ("2026-11-21T08:34:18+01:00", None),
            ("2026-13-21T08:34:18Z", None),
            ("-5", None),
            ("", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[0-9TZ:.-]{0,40}|\\PC{0,30}") {
            let _ = parse(&text);
        }
    }
}

//! Dates for people and for signatures, without a time crate (its formatting costs tens of KB).

/// The month of this version, 2026-11-01, as seconds since 1970. Part of the source, so that every
/// build of a version has the same. A clock that shows an earlier time is wrong.
pub const RELEASED: u64 = 1_793_491_200;

/// Seconds since 1970 as `2026-11-23 10:00:00 UTC`.
pub fn utc(seconds: u64) -> String {
    // Days since 0000-03-01, so that the leap day ends a year. 48 bits of seconds fit easily.
    let seconds = seconds & 0xFFFF_FFFF_FFFF;
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (year, month) = match month {
        0..10 => (era * 400 + year, month + 3),
        _ => (era * 400 + year + 1, month - 9),
    };
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{date:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// The same as `20261123T100000Z`, or with `long` as `2026-11-23T10:00:00Z` (ISO 8601).
pub fn stamp(seconds: u64, long: bool) -> String {
    let text = utc(seconds);
    let mut out = String::with_capacity(20);
    for c in text.trim_end_matches(" UTC").chars() {
        match c {
            ' ' => out.push('T'),
            '-' | ':' if !long => {}
            c => out.push(c),
        }
    }
    out.push('Z');
    out
}

/// Seconds since 1970 from a header `Date` (RFC 9110 5.6.7): `Mon, 23 Nov 2026 16:44:26 GMT`.
pub fn read_date(text: &str) -> Option<u64> {
    let mut words = text.split_once(", ")?.1.split([' ', ':']);
    let date = words.next()?;
    let month = words.next().filter(|month| month.len() == 3)?;
    let month = "JanFebMarAprMayJunJulAugSepOctNovDec".find(month).filter(|at| at % 3 == 0)?;
    let month = u64::try_from(month / 3 + 1).ok()?;
    let [year, hour, minute, second] = [(); 4].map(|()| number(words.next()?));
    (words.next() == Some("GMT")).then_some(())?;
    seconds([year?, month, number(date)?, hour?, minute?, second?])
}

/// The last moment in a text that is written as by [`stamp`], either way.
pub fn last_stamp(text: &str) -> Option<u64> {
    text.rmatch_indices('Z').find_map(|(end, _)| {
        // YYYYMMDDhhmmss, from its end.
        let (mut fields, mut digits, mut marked) = ([0; 6], 0, false);
        for byte in text.as_bytes().get(..end)?.iter().rev() {
            match byte {
                b'0'..=b'9' => {
                    let (field, place) = (digits / 2, digits % 2);
                    let (at, power) = match field {
                        0..5 => (5 - field, place),
                        _ => (0, digits.min(14) - 10),
                    };
                    fields[at] += u64::from(byte - b'0') * [1, 10, 100, 1000, 0][power];
                    digits += 1;
                }
                b'T' => marked = true,
                b'-' | b':' => {}
                _ => break,
            }
        }
        (digits == 14 && marked).then_some(())?;
        seconds(fields)
    })
}

fn number(text: &str) -> Option<u64> {
    (text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(())?;
    text.parse().ok()
}

/// Year, month, day, hour, minute, second as seconds since 1970.
fn seconds([year, month, day, hour, minute, second]: [u64; 6]) -> Option<u64> {
    let real = (1970..10_000).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (hour < 24 && minute < 60 && second <= 60);
    // As above: the year begins in March.
    let (year, month) =
        if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    real.then_some(days.checked_sub(719_468)? * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_795_452_266, "2026-11-23 16:44:26 UTC"),
            (4_107_542_399, "2100-02-28 23:59:59 UTC"),
        ] {
            assert_eq!(utc(seconds), text);
        }
        assert_eq!(utc(RELEASED), "2026-11-01 00:00:00 UTC");
        assert!(!utc(u64::MAX).is_empty());
        assert!(!stamp(u64::MAX, true).is_empty());
    }

    #[test]
    fn stamps_there_and_back() {
        assert_eq!(stamp(1_795_452_266, false), "20261123T164426Z");
        assert_eq!(stamp(1_795_452_266, true), "2026-11-23T16:44:26Z");
        for at in [0, 951_782_399, 951_782_400, 1_795_452_266, 4_107_542_399, 4_107_542_400] {
            for long in [false, true] {
                assert_eq!(last_stamp(&stamp(at, long)), Some(at));
            }
        }
        let words = "Signature expired: 20150830T123600Z is now earlier than 20261123T163926Z \
                     (20261123T164426Z - 5 min.)";
        assert_eq!(last_stamp(words), Some(1_795_452_266));
        for text in ["", "T", "2026-13-01T00:00:00Z", "20261123 164426", "19691231T235959Z", "TZ-:"]
        {
            assert_eq!(last_stamp(text), None, "{text}");
        }
    }

    #[test]
    fn the_date_of_a_reply() {
        assert_eq!(read_date("Mon, 23 Nov 2026 16:44:26 GMT"), Some(1_795_452_266));
        assert_eq!(read_date("Tue, 29 Feb 2000 00:00:00 GMT"), Some(951_782_400));
        for text in [
            "",
            "now",
            "Mon, 23 Nov 2026",
            "Mon, 23 ovD 2026 16:44:26 GMT",
            "Mon, 23 Nov 2026 16:44:26 PST",
            "Mon, 23 Nov 2026 24:44:26 GMT",
            "Mon, 99999999999999999999 Nov 2026 16:44:26 GMT",
            "Monday, 23-Nov-26 16:44:26 GMT",
        ] {
            assert_eq!(read_date(text), None, "{text}");
        }
    }
}

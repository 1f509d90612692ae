//! Dates for people, without a time crate (its formatting costs tens of KB).

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

#[cfg(test)]
mod tests {
    use super::{RELEASED, utc};

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
    }
}

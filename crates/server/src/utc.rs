//! Times of day as text, always in UTC.

/// `2026-11-24T19:43:08.999Z`; the argument is milliseconds since 1970.
pub(crate) fn iso8601(wall_ms: i64) -> String {
    let Civil { year, month, day, hour, minute, second } = civil(wall_ms);
    let millis = wall_ms.rem_euclid(1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Java's `EEE MMM dd HH:mm:ss zzz yyyy`; the argument is milliseconds since 1970.
pub(crate) fn java_date(wall_ms: i64) -> String {
    let Civil { year, month, day, hour, minute, second } = civil(wall_ms);
    let days = wall_ms.div_euclid(86_400_000);
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][days.rem_euclid(7) as usize];
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    format!("{weekday} {} {day:02} {hour:02}:{minute:02}:{second:02} UTC {year}", months[month - 1])
}

/// A moment in the Gregorian calendar.
struct Civil {
    year: i64,
    /// From 1.
    month: usize,
    /// From 1.
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

fn civil(wall_ms: i64) -> Civil {
    let seconds = wall_ms.div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Years that start in March have their leap day last, so months have fixed offsets.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    Civil {
        year: era * 400 + year_of_era + i64::from(month <= 2),
        month: month as usize,
        day: day_of_year - (153 * from_march + 2) / 5 + 1,
        hour: second / 3600,
        minute: second / 60 % 60,
        second: second % 60,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_dates() {
        assert_eq!(java_date(0), "Thu Jan 01 00:00:00 UTC 1970");
        assert_eq!(java_date(1_795_549_388_999), "Tue Nov 24 19:43:08 UTC 2026");
        assert_eq!(java_date(951_782_400_000), "Tue Feb 29 00:00:00 UTC 2000");
        assert_eq!(java_date(4_107_542_399_000), "Sun Feb 28 23:59:59 UTC 2100");
        assert_eq!(java_date(-1), "Wed Dec 31 23:59:59 UTC 1969");
    }

    #[test]
    fn iso_dates_have_milliseconds() {
        assert_eq!(iso8601(1_795_549_388_007), "2026-11-24T19:43:08.007Z");
        assert_eq!(iso8601(-1), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn any_time_is_survived() {
        for wall_ms in [i64::MIN, i64::MAX, 0] {
            assert!(!java_date(wall_ms).is_empty() && !iso8601(wall_ms).is_empty());
        }
    }
}

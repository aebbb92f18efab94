//! Times as Apache's tools print them, always in UTC.

use std::fmt;

const MS_PER_DAY: i64 = 86_400_000;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// A moment in milliseconds since 1970, as `Sun Nov 22 23:18:28 UTC 2026`.
pub struct JavaDate(pub i64);

/// The same, as `11/22/26, 11:18:28 PM UTC`.
pub struct ShortDate(pub i64);

/// The same, as `2026-11-22T23:18:28.123Z`.
pub struct IsoDate(pub i64);

struct Civil {
    year: i64,
    /// 1 to 12.
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    ms: i64,
    weekday: &'static str,
}

/// The proleptic Gregorian calendar, by counting 400-year cycles from a first of March.
fn civil(ms: i64) -> Civil {
    let days = ms.div_euclid(MS_PER_DAY);
    let of_day = ms.rem_euclid(MS_PER_DAY);
    let from_march = days + 719_468;
    let cycle = from_march.div_euclid(146_097);
    let day_of_cycle = from_march.rem_euclid(146_097);
    let year_of_cycle =
        (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    Civil {
        year: year_of_cycle + cycle * 400 + i64::from(month <= 2),
        month,
        day: day_of_year - (153 * shifted + 2) / 5 + 1,
        hour: of_day / 3_600_000,
        minute: of_day / 60_000 % 60,
        second: of_day / 1000 % 60,
        ms: of_day % 1000,
        weekday: DAYS[days.rem_euclid(7) as usize],
    }
}

impl fmt::Display for JavaDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, hour, minute, second, weekday, .. } = civil(self.0);
        let month = MONTHS[(month - 1) as usize];
        write!(f, "{weekday} {month} {day:02} {hour:02}:{minute:02}:{second:02} UTC {year:04}")
    }
}

impl fmt::Display for ShortDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, hour, minute, second, .. } = civil(self.0);
        let (hour12, half) = ((hour + 11) % 12 + 1, if hour < 12 { "AM" } else { "PM" });
        write!(f, "{month}/{day}/{:02}, {hour12}:{minute:02}:{second:02} {half} UTC", year.rem_euclid(100))
    }
}

impl fmt::Display for IsoDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, hour, minute, second, ms, .. } = civil(self.0);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_read_as_java_prints_them() {
        let ms = 1_795_389_508_000;
        assert_eq!(JavaDate(ms).to_string(), "Sun Nov 22 23:18:28 UTC 2026");
        assert_eq!(ShortDate(ms).to_string(), "11/22/26, 11:18:28 PM UTC");
        assert_eq!(IsoDate(ms + 7).to_string(), "2026-11-22T23:18:28.007Z");
        assert_eq!(JavaDate(0).to_string(), "Thu Jan 01 00:00:00 UTC 1970");
        assert_eq!(ShortDate(0).to_string(), "1/1/70, 12:00:00 AM UTC");
        assert_eq!(JavaDate(951_782_400_000).to_string(), "Tue Feb 29 00:00:00 UTC 2000");
        assert_eq!(JavaDate(-1000).to_string(), "Wed Dec 31 23:59:59 UTC 1969");
    }

    #[test]
    fn no_moment_is_out_of_range() {
        for ms in [i64::MIN, i64::MAX] {
            assert!(!JavaDate(ms).to_string().is_empty());
        }
    }
}

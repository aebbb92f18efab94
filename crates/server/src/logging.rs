//! The log: one line per event on standard error, with Apache's columns so that the same greps find the same things
//! (reference: operations §7).
//!
//! ```text
//! 2026-11-24T19:43:08.007Z [myid:] - INFO  [server::listen] - binding to port /127.0.0.1:2181
//! ```

use crate::config::Notice;
use crate::utc::iso8601;
use env_logger::{Builder, Target};
use log::{Level, LevelFilter, Record};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

/// The variable that says what is logged when the command line does not.
pub const VARIABLE: &str = "HEADKEEPER_LOG";

/// Starts logging. `wanted` is `--log-level` or else the value of [`VARIABLE`]: a level (`error`, `warn`, `info`, `debug`,
/// `trace`, `off`), or levels by module such as `info,node=debug`; without either it is `info`. `my_id` is shown in every
/// line of an ensemble's server. Does nothing when logging is already there.
///
/// # Errors
/// A level that does not exist; the text says which.
pub fn init(wanted: Option<&str>, my_id: Option<i64>) -> Result<(), String> {
    let wanted = wanted.map(str::trim).filter(|text| !text.is_empty()).unwrap_or("info");
    check(wanted)?;
    let my_id = my_id.map(|id| id.to_string()).unwrap_or_default();
    let mut builder = Builder::new();
    builder.parse_filters(wanted).target(Target::Stderr);
    builder.format(move |out, record| out.write_all(line(wall_ms(), &my_id, record).as_bytes()));
    let _ = builder.try_init();
    Ok(())
}

/// Logs what the configuration had to say.
pub fn log_notices(notices: &[Notice]) {
    for notice in notices {
        log::log!(target: "server::config", notice.level, "{}", notice.text);
    }
}

/// Every part is a level or `module=level`.
fn check(wanted: &str) -> Result<(), String> {
    for part in wanted.split(',').map(str::trim) {
        let level = part.split_once('=').map_or(part, |(_, level)| level);
        if level.parse::<LevelFilter>().is_err() {
            return Err(format!(
                "log level {part:?} is not one of off, error, warn, info, debug, trace, or module=level"
            ));
        }
    }
    Ok(())
}

fn line(wall_ms: i64, my_id: &str, record: &Record<'_>) -> String {
    let level = match record.level() {
        Level::Error => "ERROR",
        Level::Warn => "WARN ",
        Level::Info => "INFO ",
        Level::Debug => "DEBUG",
        Level::Trace => "TRACE",
    };
    let mut text = format!("{} [myid:{my_id}] - {level} [{}] - ", iso8601(wall_ms), record.target());
    push_on_one_line(&mut text, &record.args().to_string());
    text.push('\n');
    text
}

/// What a client sent may be in the message: it must not look like a line of ours.
fn push_on_one_line(text: &mut String, message: &str) {
    for c in message.chars() {
        match c {
            '\t' => text.push(c),
            '\n' => text.push_str("\\n"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                let _ = write!(text, "\\u{{{:x}}}", u32::from(c));
            }
            c => text.push(c),
        }
    }
}

fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Makes sure that what was logged has been written, before the process ends.
pub fn flush() {
    log::logger().flush();
    let _ = io::stderr().flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(level: Level, target: &str, message: &str, my_id: &str) -> String {
        let arguments = format_args!("{message}");
        line(1_795_549_388_007, my_id, &Record::builder().level(level).target(target).args(arguments).build())
    }

    #[test]
    fn a_line_has_time_id_level_target_and_message() {
        assert_eq!(
            logged(Level::Info, "server::listen", "binding to port /0.0.0.0:2181", ""),
            "2026-11-24T19:43:08.007Z [myid:] - INFO  [server::listen] - binding to port /0.0.0.0:2181\n"
        );
        assert!(logged(Level::Error, "x", "y", "3").contains("Z [myid:3] - ERROR [x] - y\n"));
    }

    #[test]
    fn a_message_stays_on_its_line() {
        let text = logged(Level::Warn, "x", "a\nb\r\u{1b}[0m\u{2028}c\td", "");
        assert!(text.ends_with(" - a\\nb\\u{d}\\u{1b}[0m\\u{2028}c\td\n"), "{text:?}");
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn levels_are_checked_before_they_are_used() {
        for good in ["info", "DEBUG", "off", "info,node=debug", "warn, server::net=trace"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["loud", "info,node=loud", "", "info,"] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        assert!(init(Some("loud"), None).unwrap_err().contains("\"loud\""));
    }

    #[test]
    fn starting_twice_is_harmless() {
        assert_eq!(init(None, None), Ok(()));
        assert_eq!(init(Some("warn"), Some(1)), Ok(()));
        log_notices(&[Notice::info("hello")]);
        flush();
    }
}

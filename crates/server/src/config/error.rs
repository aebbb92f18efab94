//! What the parser says: one error that stops the start, or notices for the log.

use log::Level;
use std::fmt;

/// A line for the log that does not stop the start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// How loud.
    pub level: Level,
    /// The whole line.
    pub text: String,
}

impl Notice {
    /// Worth knowing.
    pub fn info(text: impl Into<String>) -> Notice {
        Notice { level: Level::Info, text: text.into() }
    }

    /// Probably not what the operator meant.
    pub fn warn(text: impl Into<String>) -> Notice {
        Notice { level: Level::Warn, text: text.into() }
    }

    /// Surely not what the operator meant, but Apache starts with it too.
    pub fn error(text: impl Into<String>) -> Notice {
        Notice { level: Level::Error, text: text.into() }
    }
}

/// Where a setting was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// In the file, on a line counted from 1.
    Line(usize),
    /// As `-Dname=value`.
    Flag,
    /// As one of the positional arguments `port datadir [ticktime] [maxcnxns]`.
    Argument,
}

/// Why the server does not start: exit code [`ConfigError::EXIT_CODE`]. Its texts are boxed slices to keep results small.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError {
    /// The configuration file as the operator named it; empty when there is none.
    pub file: Box<str>,
    /// Where, if it is about one setting.
    pub origin: Option<Origin>,
    /// The key as written, if it is about one.
    pub key: Option<Box<str>>,
    /// The value as written; secrets are masked.
    pub value: Option<Box<str>>,
    /// What is wrong, in Apache's words where it has some.
    pub message: Box<str>,
    /// What would be right; empty when the message says it all.
    pub allowed: Box<str>,
}

impl ConfigError {
    /// What the process ends with (reference: operations §2.4).
    pub const EXIT_CODE: i32 = 2;

    /// An error about the file as a whole.
    pub fn whole(file: &str, message: impl Into<String>) -> ConfigError {
        ConfigError {
            file: file.into(),
            origin: None,
            key: None,
            value: None,
            message: message.into().into(),
            allowed: Box::default(),
        }
    }

    /// An error about a place in the file.
    pub fn at_line(file: &str, line: usize, message: impl Into<String>) -> ConfigError {
        ConfigError { origin: Some(Origin::Line(line)), ..ConfigError::whole(file, message) }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.origin, self.file.is_empty()) {
            (Some(Origin::Line(line)), _) => write!(f, "{}, line {line}: ", self.file)?,
            (Some(Origin::Flag), _) => f.write_str("-D: ")?,
            (Some(Origin::Argument), _) => f.write_str("argument: ")?,
            (None, false) => write!(f, "{}: ", self.file)?,
            (None, true) => {}
        }
        if let Some(key) = &self.key {
            write!(f, "{key}={}: ", self.value.as_deref().unwrap_or_default())?;
        }
        f.write_str(&self.message)?;
        if !self.allowed.is_empty() {
            write!(f, " (allowed: {})", self.allowed)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_file_line_key_value_and_what_is_allowed() {
        let error = ConfigError {
            key: Some("tickTime".into()),
            value: Some("abc".into()),
            allowed: "a number".into(),
            ..ConfigError::at_line("zoo.cfg", 3, "For input string: \"abc\"")
        };
        let text = error.to_string();
        assert_eq!(text, "zoo.cfg, line 3: tickTime=abc: For input string: \"abc\" (allowed: a number)");
        let flag = ConfigError { origin: Some(Origin::Flag), ..error };
        assert_eq!(flag.to_string(), "-D: tickTime=abc: For input string: \"abc\" (allowed: a number)");
        assert_eq!(
            ConfigError::whole("zoo.cfg", "dataDir is not set").to_string(),
            "zoo.cfg: dataDir is not set"
        );
    }
}

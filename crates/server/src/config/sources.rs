//! Which of several writings of a key counts (reference: operations §1.0).
//!
//! A key may be written in the file and as a flag, with and without the `zookeeper.` prefix, under the name that the
//! public documentation uses by mistake, and more than once. Apache honours some of these and drops the others in
//! silence; here the ones Apache drops count too where nothing better is written, and the log says so.

use super::Config;
use super::error::{ConfigError, Notice, Origin};
use super::key::{Class, Key, Kind, Trouble, Verdict};
use super::numbers;
use super::properties::Entry;
use super::table;

/// A key with the value that counts.
#[derive(Clone)]
pub struct Setting {
    /// The key.
    pub key: &'static Key,
    /// The rest of the name if the key is a family.
    pub suffix: String,
    /// As the operator wrote the name.
    pub written: String,
    /// As the operator wrote the value.
    pub value: String,
    /// Where.
    pub origin: Origin,
    /// Stronger writings win; of equal ones the last.
    strength: u8,
}

/// The settings that count, in the order in which they were written, the flags first.
pub fn choose(
    file: &str,
    entries: &[Entry],
    flags: &[(String, String)],
    notices: &mut Vec<Notice>,
) -> Vec<Setting> {
    let mut chosen: Vec<Setting> = Vec::new();
    for (name, value) in flags {
        if let Some(setting) = from_flag(name, value, notices) {
            add(file, &mut chosen, setting, notices);
        }
    }
    for entry in entries {
        if let Some(setting) = from_file(file, entry, notices) {
            add(file, &mut chosen, setting, notices);
        }
    }
    chosen
}

/// A positional argument, which is as good as a line of the file.
pub fn argument(name: &str, value: &str) -> Option<Setting> {
    let (key, _) = table::find(name)?;
    let (written, value) = (name.to_owned(), value.to_owned());
    Some(Setting { key, suffix: String::new(), written, value, origin: Origin::Argument, strength: 4 })
}

fn add(file: &str, chosen: &mut Vec<Setting>, new: Setting, notices: &mut Vec<Notice>) {
    let same = |old: &Setting| old.key.name == new.key.name && old.suffix == new.suffix;
    let Some(at) = chosen.iter().position(same) else { return chosen.push(new) };
    let old = chosen[at].clone();
    let (winner, loser) = if new.strength >= old.strength { (new, old) } else { (old, new) };
    if winner.origin != Origin::Flag || loser.origin != Origin::Flag {
        let text = format!("{} has no effect: {} counts", loser.place(file), winner.place(file));
        notices.push(Notice::warn(text));
    }
    chosen.remove(at);
    chosen.push(winner);
}

fn from_file(file: &str, entry: &Entry, notices: &mut Vec<Notice>) -> Option<Setting> {
    let name = entry.name.as_str();
    let place = format!("{file}, line {}: {name}", entry.line);
    let setting = |key: &'static Key, suffix: &str, strength| Setting {
        key,
        suffix: suffix.to_owned(),
        written: entry.name.clone(),
        value: entry.value.clone(),
        origin: Origin::Line(entry.line),
        strength,
    };
    if let Some((key, suffix)) = table::find(name) {
        if key.class == Class::System {
            let flag = key.flag().unwrap_or_default();
            notices.push(Notice::warn(format!(
                "{place}: honoured here, but Apache ZooKeeper only takes it as {flag}"
            )));
            return Some(setting(key, suffix, 2));
        }
        return Some(setting(key, suffix, 4));
    }
    // Apache takes anything that begins like a group or a weight for one, and stops at the missing number.
    for family in ["group.*", "weight.*"] {
        if name.starts_with(family.trim_end_matches(".*"))
            && let Some((key, _)) = table::find(family)
        {
            return Some(setting(key, name.split_once('.').map_or(name, |(_, suffix)| suffix), 4));
        }
    }
    if let Some((key, suffix)) = name.strip_prefix("zookeeper.").and_then(table::find) {
        let text =
            format!("{place}: honoured here, but Apache ZooKeeper takes it in the file only as {}", key.name);
        notices.push(Notice::warn(text));
        return Some(setting(key, suffix, 1));
    }
    if let Some(key) = friendly(name) {
        let text = format!("{place}: honoured here, but Apache ZooKeeper only takes it as {}", key.name);
        notices.push(Notice::warn(text));
        return Some(setting(key, "", 1));
    }
    notices.push(Notice::warn(format!("{place}: unknown key, ignored{}", suggestion(name))));
    None
}

fn from_flag(name: &str, value: &str, notices: &mut Vec<Notice>) -> Option<Setting> {
    let setting = |key: &'static Key, suffix: &str, strength| Setting {
        key,
        suffix: suffix.to_owned(),
        written: name.to_owned(),
        value: value.trim().to_owned(),
        origin: Origin::Flag,
        strength,
    };
    let bare = name.strip_prefix("zookeeper.");
    if let Some((key, suffix)) = table::find_flag(name) {
        let second_choice = bare.is_none() && key.class != Class::System;
        return Some(setting(key, suffix, if second_choice { 1 } else { 3 }));
    }
    if let Some(key) = bare.and_then(friendly) {
        notices.push(Notice::warn(format!(
            "-D{name}: honoured here, but Apache ZooKeeper takes it as {}",
            key.name
        )));
        return Some(setting(key, "", 1));
    }
    let known = table::find(bare.unwrap_or(name)).map(|(key, _)| key);
    notices.push(match (known, bare) {
        (Some(key), _) => match key.flag() {
            Some(flag) => Notice::warn(format!("-D{name}: ignored, it must be {flag}")),
            None => Notice::warn(format!("-D{name}: ignored, {} is only read from the file", key.name)),
        },
        (None, Some(bare)) => {
            Notice::warn(format!("-D{name}: unknown property, ignored{}", suggestion(bare)))
        }
        (None, None) => Notice::info(format!("-D{name}: there is no JVM here, ignored")),
    });
    None
}

fn friendly(name: &str) -> Option<&'static Key> {
    let (_, real) = table::FRIENDLY.iter().find(|(friendly, _)| *friendly == name)?;
    table::find(real).map(|(key, _)| key)
}

/// `; did you mean …?` for a name that is nearly one of ours.
fn suggestion(name: &str) -> String {
    if name.len() > 80 {
        return String::new();
    }
    let lower = name.to_lowercase();
    let tolerated = |key: &Key| 1 + key.name.len() / 8;
    let near = table::keys()
        .filter(|key| !key.name.ends_with('*') && key.name.len().abs_diff(lower.len()) <= tolerated(key))
        .map(|key| (distance(&lower, &key.name.to_lowercase()), key))
        .filter(|(distance, key)| *distance <= tolerated(key))
        .min_by_key(|(distance, _)| *distance);
    near.map(|(_, key)| format!("; did you mean {}?", key.name)).unwrap_or_default()
}

/// Levenshtein's distance in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let cost = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

impl Setting {
    /// Reads the value and puts it where it belongs.
    pub fn apply(
        &self,
        file: &str,
        config: &mut Config,
        notices: &mut Vec<Notice>,
    ) -> Result<(), ConfigError> {
        if let Verdict::Rejected(why) = self.key.verdict {
            return Err(ConfigError { allowed: Box::default(), ..self.error(file, why) });
        }
        self.read(file, config, notices)?;
        match self.key.verdict {
            Verdict::Ignored(why) => {
                notices.push(Notice::info(format!("{}: accepted without effect, {why}", self.place(file))));
            }
            Verdict::Later(feature) if self.value != self.key.default => {
                let text = format!("{}: no effect, {feature} is not part of this version", self.place(file));
                notices.push(Notice::warn(text));
            }
            _ => {}
        }
        Ok(())
    }

    fn read(&self, file: &str, config: &mut Config, notices: &mut Vec<Notice>) -> Result<(), ConfigError> {
        let value = self.value.as_str();
        match self.key.kind {
            Kind::Int(min, max, set) => {
                let number = self.integer(file, i64::from(min), i64::from(max), notices)?;
                number.and_then(|number| i32::try_from(number).ok()).into_iter().for_each(|n| set(config, n));
            }
            Kind::Long(min, max, set) => {
                self.integer(file, min, max, notices)?.into_iter().for_each(|number| set(config, number));
            }
            Kind::Fraction(min, max, set) => match numbers::parse_fraction(value) {
                Some(number) if (min..=max).contains(&number) => set(config, number),
                Some(_) => return Err(self.error(file, "out of range")),
                None => return Err(self.error(file, format!("For input string: {value:?}"))),
            },
            Kind::Switch(set) => match numbers::parse_switch(value) {
                Some(on) => set(config, on),
                None if self.strict() => {
                    let text =
                        format!("Invalid option {value} for {}. Choose 'true' or 'false.'", self.key.name);
                    return Err(self.error(file, text));
                }
                None => {
                    notices.push(self.doubt(file, "taken as false, as Apache does"));
                    set(config, false);
                }
            },
            Kind::UnlessNo(set) => {
                self.expect_yes_or_no(file, notices);
                set(config, value != "no");
            }
            Kind::OnlyYes(set) => {
                self.expect_yes_or_no(file, notices);
                set(config, value == "yes");
            }
            Kind::Text(_, set) => self.settle(file, set(config, value), notices)?,
            Kind::Family(_, set) => self.settle(file, set(config, &self.suffix, value), notices)?,
            Kind::Unread => {}
        }
        Ok(())
    }

    /// A number, or the error, or a warning and nothing: the default stays.
    fn integer(
        &self,
        file: &str,
        min: i64,
        max: i64,
        notices: &mut Vec<Notice>,
    ) -> Result<Option<i64>, ConfigError> {
        let value = self.value.as_str();
        let number = if self.strict() { numbers::parse_decimal(value) } else { numbers::decode(value) };
        if let Some(number) = number.filter(|number| (min..=max).contains(number)) {
            if !self.strict() && numbers::parse_decimal(value) != Some(number) {
                notices.push(self.doubt(file, &format!("read as {number}, as Java reads it")));
            }
            return Ok(Some(number));
        }
        if !self.strict() {
            let default = if self.key.default.is_empty() { "unset" } else { self.key.default };
            notices.push(self.doubt(file, &format!("not a valid value, the default is used: {default}")));
            return Ok(None);
        }
        let fits = |number: &i64| max != i64::from(i32::MAX) || i32::try_from(*number).is_ok();
        Err(match number.filter(fits) {
            Some(number) if max == 65_535 => self.error(file, format!("port out of range:{number}")),
            Some(_) => self.error(file, "out of range"),
            None => self.error(file, format!("For input string: {value:?}")),
        })
    }

    /// The typed keys of the file must be right; properties fall back.
    fn strict(&self) -> bool {
        matches!(self.key.class, Class::File | Class::FileOrFlag)
    }

    fn expect_yes_or_no(&self, file: &str, notices: &mut Vec<Notice>) {
        if self.value != "yes" && self.value != "no" {
            let text = format!("neither yes nor no, the default is used: {}", self.key.default);
            notices.push(self.doubt(file, &text));
        }
    }

    fn settle(
        &self,
        file: &str,
        result: Result<(), Trouble>,
        notices: &mut Vec<Notice>,
    ) -> Result<(), ConfigError> {
        match result {
            Ok(()) => Ok(()),
            Err(Trouble::Doubt(text)) => {
                notices.push(self.remark(file, &text));
                Ok(())
            }
            Err(Trouble::Wrong(text)) => Err(self.error(file, text)),
        }
    }

    /// The error about this setting.
    pub fn error(&self, file: &str, message: impl Into<String>) -> ConfigError {
        ConfigError {
            origin: Some(self.origin.clone()),
            key: Some(self.written.as_str().into()),
            value: Some(self.shown().into()),
            allowed: self.key.allowed().into(),
            ..ConfigError::whole(file, message)
        }
    }

    /// A warning about this setting.
    pub fn remark(&self, file: &str, text: &str) -> Notice {
        Notice::warn(format!("{}: {text}", self.place(file)))
    }

    /// The warning that the value is not what one may write.
    fn doubt(&self, file: &str, text: &str) -> Notice {
        self.remark(file, &format!("{text} (allowed: {})", self.key.allowed()))
    }

    /// `zoo.cfg, line 3: tickTime=2000` or `-Dzookeeper.snapCount=5`.
    fn place(&self, file: &str) -> String {
        let (written, value) = (&self.written, self.shown());
        match self.origin {
            Origin::Line(line) => format!("{file}, line {line}: {written}={value}"),
            Origin::Flag => format!("-D{written}={value}"),
            Origin::Argument => format!("argument {written}={value}"),
        }
    }

    fn shown(&self) -> &str {
        if self.key.secret { "***" } else { &self.value }
    }
}

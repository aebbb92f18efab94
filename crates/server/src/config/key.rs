//! What a configuration key is. The keys themselves are in [`super::table`].

use super::Config;

/// How a name reaches the server (reference: operations §1.0).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Written in the file under its own name, and only there; malformed values stop the start.
    File,
    /// As [`Class::File`], with `-Dzookeeper.<name>` as a weaker second way.
    FileOrFlag,
    /// Written in the file under its own name, or given as `-Dzookeeper.<name>`; the file wins. Malformed numbers fall
    /// back to the default.
    Property,
    /// Given as `-D<name>`. Apache does not see it in the file; here it may stand there too and the flag wins.
    System,
}

/// What this server does with a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It has its effect.
    Honoured,
    /// Checked and kept; it matters only to an ensemble, so a standalone server says nothing about it.
    Ensemble,
    /// Accepted without effect, for this reason; the log says so once.
    Ignored(&'static str),
    /// The named feature is not part of this version: any value but the default is worth a warning.
    Later(&'static str),
    /// The start is refused, for this reason.
    Rejected(&'static str),
}

/// How a value is read and where it goes.
#[derive(Clone, Copy)]
pub enum Kind {
    /// A Java `int` in a range, ends included.
    Int(i32, i32, fn(&mut Config, i32)),
    /// A Java `long` in a range, ends included.
    Long(i64, i64, fn(&mut Config, i64)),
    /// A number with a fraction, in a range, ends included. A malformed one stops the start, whatever the class.
    Fraction(f64, f64, fn(&mut Config, f64)),
    /// `true` or `false` in any case. For a property everything but `true` is false.
    Switch(fn(&mut Config, bool)),
    /// On unless the value is exactly `no`.
    UnlessNo(fn(&mut Config, bool)),
    /// Off unless the value is exactly `yes`.
    OnlyYes(fn(&mut Config, bool)),
    /// A text with its own rules, described by the first part.
    Text(&'static str, fn(&mut Config, &str) -> Result<(), Trouble>),
    /// A family `name.<suffix>`: rules, then a setter that is given the suffix and the value.
    Family(&'static str, fn(&mut Config, &str, &str) -> Result<(), Trouble>),
    /// Not looked at.
    Unread,
}

/// What a setter thinks of a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// It is used or replaced as described: a warning.
    Doubt(String),
    /// The start must stop.
    Wrong(String),
}

/// One key that Apache knows.
#[derive(Clone, Copy)]
pub struct Key {
    /// As written in the file; a name ending in `.*` stands for a family.
    pub name: &'static str,
    /// How it reaches the server.
    pub class: Class,
    /// What is done with it.
    pub verdict: Verdict,
    /// How it is read.
    pub kind: Kind,
    /// The value it has when nobody sets it, as one would write it; empty for none.
    pub default: &'static str,
    /// One line for the operator, with the unit.
    pub doc: &'static str,
    /// Its value never appears in a message.
    pub secret: bool,
}

impl Key {
    /// A key whose value may be shown.
    pub const fn new(
        name: &'static str,
        class: Class,
        verdict: Verdict,
        kind: Kind,
        default: &'static str,
        doc: &'static str,
    ) -> Key {
        Key { name, class, verdict, kind, default, doc, secret: false }
    }

    /// The same key with a value that must not be shown.
    pub const fn secret(mut self) -> Key {
        self.secret = true;
        self
    }

    /// What one may write.
    pub fn allowed(&self) -> String {
        match self.kind {
            Kind::Int(min, max, _) => range(&i64::from(min), &i64::from(max)),
            Kind::Long(min, max, _) => range(&min, &max),
            Kind::Fraction(min, max, _) => format!("a number from {min} to {max}"),
            Kind::Switch(_) => "true or false".to_owned(),
            Kind::UnlessNo(_) | Kind::OnlyYes(_) => "yes or no".to_owned(),
            Kind::Text(rules, _) | Kind::Family(rules, _) => rules.to_owned(),
            Kind::Unread => "anything".to_owned(),
        }
    }

    /// How the name looks as a flag, if it can be one.
    pub fn flag(&self) -> Option<String> {
        match self.class {
            Class::File => None,
            Class::FileOrFlag | Class::Property => Some(format!("-Dzookeeper.{}", self.name)),
            Class::System => Some(format!("-D{}", self.name)),
        }
    }
}

fn range(min: &i64, max: &i64) -> String {
    let open_below = *min == i64::MIN || *min == i64::from(i32::MIN);
    let open_above = *max == i64::MAX || *max == i64::from(i32::MAX);
    match (open_below, open_above) {
        (true, true) => "an integer".to_owned(),
        (true, false) => format!("an integer up to {max}"),
        (false, true) if *max == i64::MAX => format!("an integer from {min}"),
        (false, _) => format!("an integer from {min} to {max}"),
    }
}

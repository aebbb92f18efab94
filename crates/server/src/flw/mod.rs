//! Four-letter words: what an operator types into the client port, and Apache's exact answers
//! (reference: operations §3; checked line by line against a running Apache 3.9.5).
//!
//! Everything here is a pure function from a view of the server to text; only [`facts`] looks at the process. The node
//! recognises the words on the wire, the shell looks up the view, and the answer is written without length or end mark,
//! then the connection is closed. Words that change something ([`Word::Crst`], [`Word::Srst`], [`Word::Stmk`]) are done
//! by the caller; here is only what they answer.

mod conf;
mod desk;
mod dump;
pub mod facts;
mod metrics;
mod mntr;
mod stat;
mod text;

pub use conf::{conf, dirs, envi};
pub use desk::{Answer, Desk};
pub use dump::{Dump, SessionTracker, dump, hash, wchc, wchp, wchs};
pub use mntr::{Monitor, QuotaGauges, mntr};
pub use stat::{cons, srvr, stat};
pub use text::java_address;

/// What this server calls itself to monitors and clients, which parse `x.y.z-` off the front.
pub const VERSION: &str =
    concat!("3.9.5-headkeeper-", env!("CARGO_PKG_VERSION"), ", built on ", env!("HEADKEEPER_BUILT_ON"));

/// The answer to everything but a few words while the database is not served.
pub const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests\n";

/// The answer to `ruok`, whether serving or not.
pub const RUOK: &str = "imok";

/// The answer to `crst`.
pub const CRST: &str = "Connection stats reset.\n";

/// The answer to `srst`.
pub const SRST: &str = "Server stats reset.\n";

/// What a telnet client sends on interrupt. Apache takes it for a word, so that it is answered and closed.
pub const TELNET_CLOSE: [u8; 4] = [0xff, 0xf4, 0xff, 0xfd];

/// A word that is answered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[allow(missing_docs, reason = "the names are the words")]
pub enum Word {
    Conf,
    Cons,
    Crst,
    Dirs,
    Dump,
    Envi,
    Gtmk,
    Hash,
    Isro,
    Mntr,
    Ruok,
    Srst,
    Srvr,
    Stat,
    Stmk,
    Wchc,
    Wchp,
    Wchs,
    /// [`TELNET_CLOSE`]; allowed only by `*`, and then answered with nothing.
    TelnetClose,
}

impl Word {
    /// Every word.
    pub const ALL: [Word; 19] = [
        Word::Conf,
        Word::Cons,
        Word::Crst,
        Word::Dirs,
        Word::Dump,
        Word::Envi,
        Word::Gtmk,
        Word::Hash,
        Word::Isro,
        Word::Mntr,
        Word::Ruok,
        Word::Srst,
        Word::Srvr,
        Word::Stat,
        Word::Stmk,
        Word::Wchc,
        Word::Wchp,
        Word::Wchs,
        Word::TelnetClose,
    ];

    /// The word in the first four bytes of a connection; `None` is the length of a connect request, sane or not.
    pub fn recognise(bytes: [u8; 4]) -> Option<Word> {
        if bytes == TELNET_CLOSE {
            return Some(Word::TelnetClose);
        }
        Word::ALL.into_iter().find(|word| word.name().as_bytes() == bytes)
    }

    /// As typed, and as logged and refused.
    pub fn name(self) -> &'static str {
        match self {
            Word::Conf => "conf",
            Word::Cons => "cons",
            Word::Crst => "crst",
            Word::Dirs => "dirs",
            Word::Dump => "dump",
            Word::Envi => "envi",
            Word::Gtmk => "gtmk",
            Word::Hash => "hash",
            Word::Isro => "isro",
            Word::Mntr => "mntr",
            Word::Ruok => "ruok",
            Word::Srst => "srst",
            Word::Srvr => "srvr",
            Word::Stat => "stat",
            Word::Stmk => "stmk",
            Word::Wchc => "wchc",
            Word::Wchp => "wchp",
            Word::Wchs => "wchs",
            Word::TelnetClose => "telnet close",
        }
    }

    /// What it answers while the database is not served; `None` if that makes no difference.
    pub fn not_serving(self) -> Option<&'static str> {
        match self {
            Word::Ruok | Word::Envi | Word::Gtmk | Word::Stmk | Word::TelnetClose => None,
            Word::Isro => Some("null"),
            Word::Hash => Some(NOT_SERVING.trim_ascii_end()),
            _ => Some(NOT_SERVING),
        }
    }

    /// The line an operator finds in the log.
    pub fn log_line(self, peer: std::net::SocketAddr) -> String {
        format!("Processing {} command from {}", self.name(), java_address(peer))
    }
}

/// The answer to `isro`.
pub fn isro(read_only: bool) -> &'static str {
    if read_only { "ro" } else { "rw" }
}

/// Which words are answered (`4lw.commands.whitelist`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Whitelist {
    allowed: Vec<Word>,
}

impl Whitelist {
    /// From the configured list, or Apache's default. `srvr` is always in, and `isro` where reads may be served without a
    /// quorum.
    pub fn new(configured: Option<&str>, read_only_mode: bool) -> Whitelist {
        let listed: Vec<&str> = configured.unwrap_or_default().split(',').map(str::trim).collect();
        let all = listed.contains(&"*");
        let always = |word: Word| word == Word::Srvr || (word == Word::Isro && read_only_mode);
        let allows = |word: &Word| all || always(*word) || listed.contains(&word.name());
        Whitelist { allowed: Word::ALL.into_iter().filter(allows).collect() }
    }

    /// Whether the word is answered.
    pub fn allows(&self, word: Word) -> bool {
        self.allowed.contains(&word)
    }

    /// What it is answered if not.
    pub fn refusal(word: Word) -> String {
        format!("{} is not executed because it is not in the whitelist.\n", word.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_four_bytes_and_admin_commands_are_not_words() {
        assert_eq!(Word::recognise(*b"ruok"), Some(Word::Ruok));
        for word in Word::ALL.into_iter().filter(|word| *word != Word::TelnetClose) {
            let bytes: [u8; 4] = word.name().as_bytes().try_into().unwrap();
            assert_eq!(Word::recognise(bytes), Some(word));
        }
        for bytes in [*b"lead", *b"lsnp", *b"obsr", *b"orst", *b"sysp", *b"RUOK", [0, 0, 0, 44]] {
            assert_eq!(Word::recognise(bytes), None);
        }
        assert_eq!(Word::recognise([0xff, 0xf4, 0xff, 0xfd]), Some(Word::TelnetClose));
    }

    #[test]
    fn only_srvr_is_answered_by_default() {
        let whitelist = Whitelist::new(None, false);
        let allowed: Vec<Word> = Word::ALL.into_iter().filter(|word| whitelist.allows(*word)).collect();
        assert_eq!(allowed, [Word::Srvr]);
        assert!(Whitelist::new(None, true).allows(Word::Isro));
    }

    #[test]
    fn a_list_is_trimmed_and_a_star_anywhere_is_everything() {
        let whitelist = Whitelist::new(Some(" ruok, mntr ,nonsense"), false);
        assert!(whitelist.allows(Word::Ruok) && whitelist.allows(Word::Mntr) && whitelist.allows(Word::Srvr));
        assert!(!whitelist.allows(Word::Stat));
        assert!(Word::ALL.into_iter().all(|word| Whitelist::new(Some("ruok, *"), false).allows(word)));
        assert!(!Whitelist::new(Some(""), false).allows(Word::Ruok));
    }

    #[test]
    fn a_refusal_names_the_word() {
        assert_eq!(
            Whitelist::refusal(Word::Crst),
            "crst is not executed because it is not in the whitelist.\n"
        );
        let text = "telnet close is not executed because it is not in the whitelist.\n";
        assert_eq!(Whitelist::refusal(Word::TelnetClose), text);
    }

    #[test]
    fn before_serving_most_words_say_so() {
        assert_eq!(
            Word::Srvr.not_serving(),
            Some("This ZooKeeper instance is not currently serving requests\n")
        );
        assert_eq!(
            Word::Hash.not_serving(),
            Some("This ZooKeeper instance is not currently serving requests")
        );
        assert_eq!((Word::Isro.not_serving(), Word::Ruok.not_serving()), (Some("null"), None));
    }

    #[test]
    fn clients_find_the_version_they_look_for() {
        let (digits, rest) = VERSION.split_once('-').unwrap();
        assert_eq!(digits, "3.9.5");
        let built = rest.split_once(", built on ").unwrap().1;
        let is_like_apaches = built.len() == "2026-11-24 00:00 UTC".len() && built.ends_with(" UTC");
        assert!(is_like_apaches || built == "an unknown date", "{built}");
    }
}

//! The desk where words are answered: from a node and the process to text.

use super::facts::{DirectorySizes, Environment, Process};
use super::{CRST, Dump, Monitor, QuotaGauges, RUOK, SRST, Whitelist, Word};
use super::{conf, cons, dirs, dump, envi, hash, isro, mntr, srvr, stat, wchc, wchp, wchs};
use crate::config::Config;
use node::{Admin, Node};

/// What a server needs to answer words.
#[derive(Clone, Debug)]
pub struct Desk {
    config: Config,
    whitelist: Whitelist,
}

/// What goes back, and what the node must be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Written as it is; then the connection is closed.
    pub text: String,
    /// What the word asks for besides an answer.
    pub admin: Option<Admin>,
}

impl Desk {
    /// A desk for a server with this configuration.
    pub fn new(config: &Config) -> Desk {
        let operations = &config.operations;
        let whitelist = Whitelist::new(operations.words_whitelist.as_deref(), operations.read_only_mode);
        Desk { config: config.clone(), whitelist }
    }

    /// The answer to a word that the node recognised.
    pub fn answer(&self, node: &Node, word: [u8; 4]) -> Answer {
        let text = match Word::recognise(word) {
            Some(word) if self.whitelist.allows(word) => self.allowed(node, word),
            Some(word) => return Answer { text: Whitelist::refusal(word), admin: None },
            None => String::new(),
        };
        let admin = match Word::recognise(word) {
            Some(Word::Crst) => Some(Admin::ResetConnectionStats),
            Some(Word::Srst) => Some(Admin::ResetServerStats),
            _ => None,
        };
        Answer { text, admin }
    }

    fn allowed(&self, node: &Node, word: Word) -> String {
        match word {
            Word::Conf => conf(&self.config, DirectorySizes::measure(&self.config)),
            Word::Cons => cons(&node.connections().collect::<Vec<_>>()),
            Word::Crst => CRST.to_owned(),
            Word::Dirs => dirs(DirectorySizes::measure(&self.config)),
            Word::Dump => dump(&Dump {
                sessions: node.session_expiry(),
                ephemerals: node.ephemerals(),
                connections: node.connection_expiry(),
            }),
            Word::Envi => envi(&Environment::observe()),
            Word::Gtmk | Word::Stmk => node.trace_mask().to_string(),
            Word::Hash => hash(node.digests()),
            Word::Isro => isro(false).to_owned(),
            Word::Mntr => mntr(&Monitor {
                stats: &node.server_stats(),
                metrics: node.metrics(),
                process: Process::observe(),
                quotas: &QuotaGauges::of(&node.tree().quotas()),
            }),
            Word::Ruok => RUOK.to_owned(),
            Word::Srst => SRST.to_owned(),
            Word::Srvr => srvr(&node.server_stats(), false),
            Word::Stat => stat(&node.server_stats(), &node.connections().collect::<Vec<_>>(), false),
            Word::TelnetClose => String::new(),
            Word::Wchc => wchc(&node.watches_by_session()),
            Word::Wchp => wchp(&node.watches_by_path()),
            Word::Wchs => wchs(&node.watch_summary()),
        }
    }
}

//! The desk where words are answered: from a node and the process to text.

use super::facts::{DirectorySizes, Environment, Process};
use super::{CRST, Dump, Monitor, QuotaGauges, RUOK, SRST, SessionTracker, Whitelist, Word};
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
            Some(word) if self.whitelist.allows(word) => {
                if let Some(text) = word.not_serving().filter(|_| !node.is_serving()) {
                    return Answer { text: text.to_owned(), admin: None };
                }
                self.allowed(node, word)
            }
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
            Word::Conf => {
                let sizes = DirectorySizes::measure(&self.config);
                conf(&self.config, node.ensemble(), node.is_read_only(), sizes)
            }
            Word::Cons => cons(&node.connections().collect::<Vec<_>>()),
            Word::Crst => CRST.to_owned(),
            Word::Dirs => dirs(DirectorySizes::measure(&self.config)),
            Word::Dump => dump(&Dump {
                sessions: if node.expires_sessions() {
                    SessionTracker::Expiring(node.session_expiry())
                } else {
                    SessionTracker::Global(node.global_sessions().collect())
                },
                local_sessions: node.local_session_expiry(),
                ephemerals: node.ephemerals(),
                connections: node.connection_expiry(),
            }),
            Word::Envi => envi(&Environment::observe()),
            Word::Gtmk | Word::Stmk => node.trace_mask().to_string(),
            Word::Hash => hash(node.digests()),
            Word::Isro => isro(node.is_read_only()).to_owned(),
            Word::Mntr => mntr(&Monitor {
                stats: &node.server_stats(),
                metrics: node.metrics(),
                process: Process::observe(),
                quotas: &QuotaGauges::of(&node.tree().quotas()),
            }),
            Word::Ruok => RUOK.to_owned(),
            Word::Srst => SRST.to_owned(),
            Word::Srvr => srvr(&node.server_stats(), node.is_read_only()),
            Word::Stat => {
                stat(&node.server_stats(), &node.connections().collect::<Vec<_>>(), node.is_read_only())
            }
            Word::TelnetClose => String::new(),
            Word::Wchc => wchc(&node.watches_by_session()),
            Word::Wchp => wchp(&node.watches_by_path()),
            Word::Wchs => wchs(&node.watch_summary()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Server;
    use crate::testing::{TempDir, TestServer};

    /// What a fresh server with this whitelist answers.
    fn answers(whitelist: Option<&str>, words: &[&[u8; 4]]) -> Vec<Answer> {
        let dir = TempDir::new();
        let mut config = TestServer::config(&dir);
        config.operations.words_whitelist = whitelist.map(str::to_owned);
        let server = Server::open(&config).unwrap();
        let desk = Desk::new(&config);
        words.iter().map(|word| desk.answer(server.node(), **word)).collect()
    }

    #[test]
    fn a_fresh_server_answers_every_word() {
        let words: Vec<[u8; 4]> =
            Word::ALL.into_iter().filter_map(|word| word.name().as_bytes().try_into().ok()).collect();
        let asked: Vec<&[u8; 4]> = words.iter().collect();
        for (word, answer) in words.iter().zip(answers(Some("*"), &asked)) {
            let text = answer.text;
            let expected = match word {
                b"conf" => "clientPort=",
                b"crst" => "Connection stats reset.\n",
                b"dirs" => "datadir_size: ",
                b"dump" => "SessionTracker dump:\nSession Sets (0)/(0):\n",
                b"envi" => "Environment:\nzookeeper.version=",
                b"gtmk" | b"stmk" => "306",
                b"isro" => "rw",
                b"mntr" => "zk_version\t",
                b"ruok" => "imok",
                b"srst" => "Server stats reset.\n",
                b"srvr" => "Zookeeper version: ",
                b"stat" => "Zookeeper version: ",
                b"wchs" => "0 connections watching 0 paths\nTotal watches:0\n",
                b"cons" | b"wchc" | b"wchp" => "\n",
                b"hash" => "",
                other => panic!("no expectation for {other:?}"),
            };
            assert!(text.starts_with(expected), "{}: {text:?}", String::from_utf8_lossy(word));
            assert_eq!(text.is_empty(), word == b"hash", "no transaction has left a digest yet");
            assert!(!text.contains("not in the whitelist"));
        }
    }

    /// A member without a leader: every word but those that need no tree says so, and changes nothing.
    #[test]
    fn without_a_quorum_most_words_say_that_nobody_is_served() {
        let dir = TempDir::new();
        let mut config = TestServer::config(&dir);
        config.operations.words_whitelist = Some("*".to_owned());
        // The system chooses an election port; nobody is dialled before the server runs.
        for (key, line) in [("server.1", "127.0.0.1:1:0"), ("server.2", "127.0.0.1:2:3")] {
            config.ensemble.members.set(key, line).unwrap();
        }
        (config.ensemble.my_id, config.ensemble.init_limit, config.ensemble.sync_limit) = (Some(1), 5, 2);
        let server = Server::open(&config).unwrap();
        let desk = Desk::new(&config);
        for word in Word::ALL.into_iter().filter(|word| *word != Word::TelnetClose) {
            let answer = desk.answer(server.node(), word.name().as_bytes().try_into().unwrap());
            match word {
                Word::Ruok => assert_eq!(answer.text, "imok"),
                Word::Isro => assert_eq!(answer.text, "null"),
                Word::Gtmk | Word::Stmk => assert_eq!(answer.text, "306"),
                Word::Envi => assert!(answer.text.starts_with("Environment:\n")),
                Word::Hash => {
                    let text = "This ZooKeeper instance is not currently serving requests";
                    assert_eq!(answer.text, text);
                }
                _ => {
                    let text = "This ZooKeeper instance is not currently serving requests\n";
                    assert_eq!(answer, Answer { text: text.to_owned(), admin: None }, "{word:?}");
                }
            }
        }
    }

    #[test]
    fn a_fresh_tree_counts_as_apaches() {
        let texts = answers(Some("*"), &[b"srvr", b"mntr"]).into_iter().map(|answer| answer.text);
        let [srvr, mntr] = texts.collect::<Vec<_>>().try_into().unwrap();
        assert!(srvr.ends_with("Zxid: 0x0\nMode: standalone\nNode count: 5\n"), "{srvr}");
        for line in [
            "zk_znode_count\t5",
            "zk_approximate_data_size\t44",
            "zk_ephemerals_count\t0",
            "zk_watch_count\t0",
            "zk_last_client_response_size\t-1",
            "zk_cnt_dbinittime\t1",
            "zk_snap_count\t0",
        ] {
            assert!(mntr.lines().any(|printed| printed == line), "{line} in {mntr}");
        }
    }

    #[test]
    fn words_that_change_something_say_so_to_the_node() {
        let wishes: Vec<Option<Admin>> =
            answers(Some("*"), &[b"crst", b"srst", b"mntr"]).into_iter().map(|answer| answer.admin).collect();
        assert_eq!(wishes, [Some(Admin::ResetConnectionStats), Some(Admin::ResetServerStats), None]);
    }

    #[test]
    fn what_is_not_in_the_whitelist_is_refused_and_has_no_effect() {
        let refused = answers(None, &[b"srst", b"ruok", &[0xff, 0xf4, 0xff, 0xfd], b"srvr"]);
        assert_eq!(refused[0], Answer { text: Whitelist::refusal(Word::Srst), admin: None });
        assert_eq!(refused[1].text, "ruok is not executed because it is not in the whitelist.\n");
        assert_eq!(refused[2].text, "telnet close is not executed because it is not in the whitelist.\n");
        assert!(refused[3].text.starts_with("Zookeeper version: "));
    }
}

//! The node behind the event loop, and its four-letter words.

use crate::config::Config;
use crate::flw::{Desk, Word};
use crate::machine::Machine;
use node::{Admin, ConnId, Input, Node, Now, Outputs, WORD_BUFFER_BYTES};

/// The machine of a production server.
pub struct Serving {
    node: Node,
    desk: Desk,
}

impl Serving {
    /// `config` is what the words tell: with the port that was taken.
    pub(crate) fn new(node: Node, config: &Config) -> Serving {
        Serving { node, desk: Desk::new(config) }
    }

    /// The node itself, to look at.
    pub fn node(&self) -> &Node {
        &self.node
    }

    fn log_word(&self, conn: ConnId, word: [u8; 4]) {
        if log::log_enabled!(log::Level::Info)
            && let Some(word) = Word::recognise(word)
            && let Some(asking) = self.node.connections().find(|view| view.conn == conn)
        {
            log::info!("{}", word.log_line(asking.peer));
        }
    }
}

impl Machine for Serving {
    fn step(&mut self, now: Now, input: Input<'_>, out: &mut Outputs) {
        self.node.step(now, input, out);
    }

    fn word(&mut self, now: Now, conn: ConnId, word: [u8; 4], out: &mut Outputs) -> Vec<u8> {
        self.log_word(conn, word);
        let answer = self.desk.answer(&self.node, word);
        if let Some(wish) = answer.admin {
            self.node.step(now, Input::Admin(wish), out);
        }
        let buffers = answer.text.len().div_ceil(WORD_BUFFER_BYTES) as u64;
        self.node.step(now, Input::Admin(Admin::WordAnswered { buffers }), out);
        answer.text.into_bytes()
    }
}

//! What the event loop drives: the node in production, a toy in the loop's own tests.

use node::{ConnId, Input, Now, Outputs};

/// A pure machine behind sockets and disks.
pub trait Machine {
    /// Takes one input; what shall happen is added to `out`. A round of inputs ends with [`Input::Flush`].
    fn step(&mut self, now: Now, input: Input<'_>, out: &mut Outputs);

    /// The answer to a four-letter word; the connection is closed behind it.
    fn word(&mut self, now: Now, conn: ConnId, word: [u8; 4], out: &mut Outputs) -> Vec<u8>;
}

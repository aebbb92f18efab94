//! Sockets: listening, connections and what is queued on them.

pub(crate) mod conn;
pub(crate) mod dial;
pub(crate) mod listen;
pub(crate) mod peers;
pub(crate) mod table;

//! One server as a pure machine: sessions, watches, client connections, request order.

mod io;

pub use io::{Admin, ConnId, Halt, Input, Note, NoteLevel, Now, Outputs};

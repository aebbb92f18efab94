//! The program `headkeeper`; its table of contents is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    headkeeper::run()
}

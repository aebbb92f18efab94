//! What takes apart the text that people type, open to tests with hostile input and to nobody else.

use crate::{base64, shell};
use wire::Acl;

/// A line at the shell's prompt: is it a command?
///
/// # Errors
/// What the shell prints instead.
pub fn shell_line(line: &str) -> Result<(), String> {
    shell::script::parse(line).map(drop)
}

/// An ACL as the shell reads it.
///
/// # Errors
/// What the shell prints instead.
pub fn acl(text: &str) -> Result<Vec<Acl<'static>>, String> {
    shell::acl::parse(text)
}

/// The bytes behind base64 text, if it is such.
pub fn base64(text: &str) -> Option<Vec<u8>> {
    base64::decode(text)
}

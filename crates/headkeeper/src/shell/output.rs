//! Results, as text and as JSON at once.

use crate::base64;
use crate::time::JavaDate;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{self, Write};
use wire::Stat;

/// What a command has to say.
#[derive(Debug, Default)]
pub struct Output {
    /// For people: printed as it is.
    pub text: Vec<u8>,
    /// For programs; null prints nothing.
    pub json: Value,
}

impl Output {
    /// Nothing to say but that it is done.
    pub fn done(json: Value) -> Output {
        Output { text: Vec::new(), json }
    }

    /// Lines of text.
    pub fn text(text: impl Into<String>, json: Value) -> Output {
        Output { text: text.into().into_bytes(), json }
    }

    /// Prints it on stdout. A reader that went away is not our trouble.
    pub fn print(&self, json: bool) {
        let _ = self.try_print(json);
    }

    /// Prints it on stdout.
    ///
    /// # Errors
    /// When nobody reads there any more.
    pub fn try_print(&self, json: bool) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match (json, &self.json) {
            (true, Value::Null) => {}
            (true, value) => writeln!(out, "{value}")?,
            (false, _) => out.write_all(&self.text)?,
        }
        out.flush()
    }
}

/// zkCli's block of eleven lines.
pub fn stat_text(stat: &Stat) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(out, "{name} = {value}");
    };
    line("cZxid", &format_args!("{:#x}", stat.czxid));
    line("ctime", &JavaDate(stat.ctime));
    line("mZxid", &format_args!("{:#x}", stat.mzxid));
    line("mtime", &JavaDate(stat.mtime));
    line("pZxid", &format_args!("{:#x}", stat.pzxid));
    line("cversion", &stat.cversion);
    line("dataVersion", &stat.version);
    line("aclVersion", &stat.aversion);
    line("ephemeralOwner", &format_args!("{:#x}", stat.ephemeral_owner));
    line("dataLength", &stat.data_length);
    line("numChildren", &stat.num_children);
    out
}

/// The same for programs: ids as hex text, because they do not fit a float.
pub fn stat_json(stat: &Stat) -> Value {
    json!({
        "czxid": hex(stat.czxid),
        "ctime_ms": stat.ctime,
        "mzxid": hex(stat.mzxid),
        "mtime_ms": stat.mtime,
        "pzxid": hex(stat.pzxid),
        "cversion": stat.cversion,
        "version": stat.version,
        "aversion": stat.aversion,
        "ephemeral_owner": hex(stat.ephemeral_owner),
        "data_length": stat.data_length,
        "num_children": stat.num_children,
    })
}

/// An id as text.
pub fn hex(id: i64) -> String {
    format!("{id:#x}")
}

/// Data as JSON members: `data` as text or null, or `data_base64` when it is not text.
pub fn put_data(object: &mut Value, data: Option<&[u8]>) {
    match data.map(std::str::from_utf8) {
        None => object["data"] = Value::Null,
        Some(Ok(text)) => object["data"] = json!(text),
        Some(Err(_)) => object["data_base64"] = json!(base64::encode(data.unwrap_or_default())),
    }
}

/// Sixteen bytes a line: offset, hex, printable characters.
pub fn hex_dump(data: &[u8]) -> String {
    let mut out = String::new();
    for (i, line) in data.chunks(16).enumerate() {
        let hex: Vec<String> = line.iter().map(|b| format!("{b:02x}")).collect();
        let shown: String = line
            .iter()
            .map(|b| if b.is_ascii_graphic() || *b == b' ' { char::from(*b) } else { '.' })
            .collect();
        let _ = writeln!(out, "{:08x}  {:<47}  |{shown}|", i * 16, hex.join(" "));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stat_block_has_zkcli_labels() {
        let stat = Stat { czxid: 2, ctime: 1_795_390_731_000, ephemeral_owner: -1, ..Stat::default() };
        let text = stat_text(&stat);
        assert_eq!(text.lines().count(), 11);
        assert!(text.starts_with("cZxid = 0x2\nctime = Sun Nov 22 23:38:51 UTC 2026\nmZxid = 0x0\n"));
        assert!(text.contains("ephemeralOwner = 0xffffffffffffffff\n"));
    }

    #[test]
    fn data_that_is_no_text_is_base64() {
        let mut object = json!({});
        put_data(&mut object, Some(&[0xff, 0]));
        assert_eq!(object, json!({"data_base64": "/wA="}));
        put_data(&mut object, Some(b"x"));
        assert_eq!(object["data"], "x");
        assert_eq!(hex_dump(b"ab\n"), format!("00000000  {:<47}  |ab.|\n", "61 62 0a"));
    }
}

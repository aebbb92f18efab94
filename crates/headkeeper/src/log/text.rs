//! A transaction as a line: Apache's words (reference: storage-formats §9), and JSON.

use crate::base64;
use crate::time::{IsoDate, ShortDate};
use serde_json::{Value, json};
use std::fmt::Write;
use wire::{Acl, Buffer, ErrorCode, OpCode, Txn, TxnRecord, Ustring};

/// `<date> session 0x… cxid 0x… zxid 0x… <name> <body>`
pub fn line(record: &TxnRecord<'_>) -> String {
    let h = &record.header;
    let (name, body) = (name(&record.txn), body(&record.txn));
    let space = if body.is_empty() { "" } else { " " };
    format!(
        "{} session {:#x} cxid {:#x} zxid {:#x} {name}{space}{body}",
        ShortDate(h.time_ms),
        h.client_id.0,
        h.cxid,
        h.zxid.0
    )
}

fn name(txn: &Txn<'_>) -> &'static str {
    match txn {
        Txn::Error { .. } => "error",
        txn => OpCode::from_code(txn.txn_type()).map_or("unknown", OpCode::name),
    }
}

fn body(txn: &Txn<'_>) -> String {
    match txn {
        Txn::Create { create: c, .. } => format!(
            "{},{},{},{},{}",
            text(&c.path),
            data(&c.data),
            acl_list(c.acl.as_deref()),
            c.ephemeral,
            c.parent_cversion
        ),
        Txn::CreateContainer { path, data: d, acl, parent_cversion } => {
            format!("{},{},{},{parent_cversion}", text(path), data(d), acl_list(acl.as_deref()))
        }
        Txn::CreateTtl { path, data: d, acl, parent_cversion, ttl_ms } => {
            format!("{},{},{},{parent_cversion},{ttl_ms}", text(path), data(d), acl_list(acl.as_deref()))
        }
        Txn::SetData { path, data: d, version } | Txn::Reconfig { path, data: d, version } => {
            format!("{},{},{version}", text(path), data(d))
        }
        Txn::Delete { path } | Txn::DeleteContainer { path } => csv(path),
        Txn::SetAcl { path, acl, version } => format!("{},{},{version}", csv(path), csv_acl(acl.as_deref())),
        Txn::Check { path, version } => format!("{},{version}", csv(path)),
        Txn::Error { code } => code.to_string(),
        Txn::CreateSession { timeout_ms } => timeout_ms.to_string(),
        Txn::CloseSession { paths: None } => String::new(),
        Txn::CloseSession { paths: Some(paths) } => {
            format!("v{{{}}}", paths.iter().map(csv).collect::<Vec<_>>().join(","))
        }
        // 3.9 prints the sub-transactions' raw bytes; this is readable instead, as 3.10 made it.
        Txn::Multi { ops } => {
            ops.iter().map(|op| format!("{}:{}", name(op), body(op))).collect::<Vec<_>>().join(";")
        }
    }
}

fn text<'a>(s: &'a Ustring<'_>) -> &'a str {
    s.as_deref().unwrap_or("")
}

fn data(d: &Buffer<'_>) -> String {
    String::from_utf8_lossy(d.as_deref().unwrap_or_default()).into_owned()
}

/// Java's list of ACL records; each record's text ends with a newline.
fn acl_list(acl: Option<&[Acl<'_>]>) -> String {
    let entries: Vec<String> = acl.unwrap_or_default().iter().map(|acl| csv_entry(acl, "") + "\n").collect();
    format!("[{}]", entries.join(", "))
}

fn csv_acl(acl: Option<&[Acl<'_>]>) -> String {
    let entries: Vec<String> =
        acl.unwrap_or_default().iter().map(|acl| format!("s{{{}}}", csv_entry(acl, ""))).collect();
    format!("v{{{}}}", entries.join(","))
}

fn csv_entry(acl: &Acl<'_>, before: &str) -> String {
    format!("{before}{},s{{{},{}}}", acl.perms, csv(&acl.id.scheme), csv(&acl.id.id))
}

/// A string in jute's CSV: a quote, and percent signs for what would confuse a reader.
fn csv(s: &Ustring<'_>) -> String {
    let mut out = String::from("'");
    for c in text(s).chars() {
        match c {
            '\0' | '\n' | '\r' | ',' | '}' | '%' => {
                let _ = write!(out, "%{:02X}", c as u32);
            }
            c => out.push(c),
        }
    }
    out
}

/// The same for programs.
pub fn json(record: &TxnRecord<'_>) -> Value {
    let h = &record.header;
    let mut value = json!({
        "zxid": format!("{:#x}", h.zxid.0),
        "session": format!("{:#x}", h.client_id.0),
        "cxid": h.cxid,
        "time": IsoDate(h.time_ms).to_string(),
    });
    put_txn(&mut value, &record.txn);
    value["digest"] = record.digest.as_ref().map_or(Value::Null, |digest| json!(digest.tree_digest));
    value
}

fn put_txn(value: &mut Value, txn: &Txn<'_>) {
    value["type"] = json!(name(txn));
    match txn {
        Txn::Create { create: c, .. } => {
            put_node(value, &c.path, &c.data, c.acl.as_deref());
            value["ephemeral"] = json!(c.ephemeral);
            value["parent_cversion"] = json!(c.parent_cversion);
        }
        Txn::CreateContainer { path, data, acl, parent_cversion } => {
            put_node(value, path, data, acl.as_deref());
            value["parent_cversion"] = json!(parent_cversion);
        }
        Txn::CreateTtl { path, data, acl, parent_cversion, ttl_ms } => {
            put_node(value, path, data, acl.as_deref());
            value["parent_cversion"] = json!(parent_cversion);
            value["ttl_ms"] = json!(ttl_ms);
        }
        Txn::SetData { path, data, version } | Txn::Reconfig { path, data, version } => {
            value["path"] = json!(path.as_deref());
            put_data(value, data);
            value["version"] = json!(version);
        }
        Txn::Delete { path } | Txn::DeleteContainer { path } => value["path"] = json!(path.as_deref()),
        Txn::SetAcl { path, acl, version } => {
            value["path"] = json!(path.as_deref());
            value["acl"] = acl_json(acl.as_deref());
            value["version"] = json!(version);
        }
        Txn::Check { path, version } => {
            value["path"] = json!(path.as_deref());
            value["version"] = json!(version);
        }
        Txn::Error { code } => {
            value["error"] = json!(code);
            value["error_name"] = json!(ErrorCode::from_code(*code).map(ErrorCode::name));
        }
        Txn::CreateSession { timeout_ms } => value["timeout_ms"] = json!(timeout_ms),
        Txn::CloseSession { paths } => {
            let paths = paths.as_ref().map(|paths| paths.iter().map(|p| p.as_deref()).collect::<Vec<_>>());
            value["paths"] = json!(paths);
        }
        Txn::Multi { ops } => {
            let op = |op: &Txn<'_>| {
                let mut value = json!({});
                put_txn(&mut value, op);
                value
            };
            value["ops"] = Value::Array(ops.iter().map(op).collect());
        }
    }
}

fn put_node(value: &mut Value, path: &Ustring<'_>, data: &Buffer<'_>, acl: Option<&[Acl<'_>]>) {
    value["path"] = json!(path.as_deref());
    put_data(value, data);
    value["acl"] = acl_json(acl);
}

/// `data` as text or null, or `data_base64` when it is not text.
fn put_data(value: &mut Value, data: &Buffer<'_>) {
    match data.as_deref().map(std::str::from_utf8) {
        None => value["data"] = Value::Null,
        Some(Ok(text)) => value["data"] = json!(text),
        Some(Err(_)) => {
            value["data_base64"] = json!(base64::encode(data.as_deref().unwrap_or_default()));
        }
    }
}

fn acl_json(acl: Option<&[Acl<'_>]>) -> Value {
    acl.map_or(Value::Null, |acl| {
        acl.iter()
            .map(|acl| {
                json!({
                    "scheme": acl.id.scheme.as_deref(), "id": acl.id.id.as_deref(), "perms": acl.perms,
                })
            })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_strings_are_quoted() {
        assert_eq!(csv(&Some("/a,b}%\n".into())), "'/a%2Cb%7D%25%0A");
        assert_eq!(csv(&None), "'");
    }
}

//! Commands that change.

use super::acl as acl_text;
use super::command::{AddAuth, Create, Delete, DeleteAll, Set, SetAcl};
use super::failure::Failure;
use super::output::{Output, stat_json, stat_text};
use super::target::{Target, unexpected};
use crate::base64;
use client::subtree;
use serde_json::json;
use std::fs;
use std::io::Read;
use std::path::Path;
use wire::{Acl, CreateMode, ErrorCode, OpCode, Request, Response};

/// `create`
pub fn create(target: &Target, args: &Create) -> Result<Output, Failure> {
    // A sequential node's name may be nothing but the number.
    let path = match args.sequential && args.path.starts_with('/') {
        true => target.below_chroot(args.path.strip_suffix('/').map_or(args.path.as_str(), |_| &args.path)),
        false => target.absolute(&args.path)?,
    };
    let data = data(args.data.as_deref(), args.file.as_deref(), args.base64)?;
    let acl =
        args.acl.as_deref().map_or(Ok(vec![Acl::open()]), acl_text::parse).map_err(Failure::arguments)?;
    if args.parents {
        create_parents(target, &path)?;
    }
    let mode = match (args.container, args.ttl, args.ephemeral, args.sequential) {
        (true, ..) => CreateMode::Container,
        (_, Some(_), _, false) => CreateMode::PersistentWithTtl,
        (_, Some(_), _, true) => CreateMode::PersistentSequentialWithTtl,
        (_, _, true, false) => CreateMode::Ephemeral,
        (_, _, true, true) => CreateMode::EphemeralSequential,
        (_, _, _, true) => CreateMode::PersistentSequential,
        _ => CreateMode::Persistent,
    };
    let op = match mode {
        CreateMode::Container => OpCode::CreateContainer,
        mode if mode.is_ttl() => OpCode::CreateTtl,
        _ => OpCode::Create2,
    };
    let request = Request::Create {
        op,
        path: Some(path.into()),
        data: data.map(Into::into),
        acl: Some(acl),
        flags: mode.flags(),
        ttl: args.ttl.unwrap_or(-1),
    };
    let reply = target.call(&args.path, &request).map_err(|failure| match failure.code() {
        Some(ErrorCode::NoNode) => failure.with_hint("its parent does not exist; -p creates it too"),
        Some(ErrorCode::BadArguments) if args.ttl.is_some() => {
            failure.with_hint("a TTL is from 1 to 1099511627775 ms")
        }
        _ => failure,
    })?;
    match reply.response().map_err(|e| Failure::of(e, &args.path))? {
        Response::PathStat(Some(path), stat) => {
            let path = target.shown(&path);
            Ok(Output::text(format!("Created {path}\n"), json!({ "path": path, "stat": stat_json(&stat) })))
        }
        other => Err(unexpected(&args.path, &other)),
    }
}

fn create_parents(target: &Target, path: &str) -> Result<(), Failure> {
    for (end, _) in path.match_indices('/').skip(1) {
        let parent = &path[..end];
        let request = Request::Create {
            op: OpCode::Create,
            path: Some(parent.into()),
            data: None,
            acl: Some(vec![Acl::open()]),
            flags: 0,
            ttl: -1,
        };
        match target.call(&target.shown(parent), &request) {
            Err(failure) if failure.code() != Some(ErrorCode::NodeExists) => return Err(failure),
            _ => {}
        }
    }
    Ok(())
}

/// `set`
pub fn set(target: &Target, args: &Set) -> Result<Output, Failure> {
    let path = target.absolute(&args.path)?;
    let data = data(args.data.as_deref(), args.file.as_deref(), args.base64)?;
    let request = Request::SetData {
        path: Some(path.into()),
        data: data.map(Into::into),
        version: args.version.unwrap_or(-1),
    };
    let reply = target.call(&args.path, &request).map_err(|failure| match failure.code() {
        Some(ErrorCode::NoNode) => failure.with_hint("`create` makes it"),
        _ => failure,
    })?;
    match reply.response().map_err(|e| Failure::of(e, &args.path))? {
        Response::Stat(stat) => {
            let text = if args.stat { stat_text(&stat) } else { String::new() };
            Ok(Output::text(text, json!({ "path": args.path, "stat": stat_json(&stat) })))
        }
        other => Err(unexpected(&args.path, &other)),
    }
}

/// `delete`
pub fn delete(target: &Target, args: &Delete) -> Result<Output, Failure> {
    let path = target.absolute(&args.path)?;
    let request = Request::Delete { path: Some(path.into()), version: args.version.unwrap_or(-1) };
    target.call(&args.path, &request)?;
    Ok(Output::done(json!({ "path": args.path, "deleted": 1 })))
}

/// `deleteall`
pub fn delete_all(target: &Target, args: &DeleteAll) -> Result<Output, Failure> {
    let paths = target.subtree(&args.path)?;
    let (kept, doomed): (Vec<String>, Vec<String>) = paths.into_iter().partition(|path| is_system(path));
    let mut caller = target.session().as_ref();
    let gone =
        subtree::delete_all(&mut caller, &doomed, args.batch).map_err(|e| Failure::of(e, &args.path))?;
    let json = json!({ "path": args.path, "deleted": gone });
    if gone < doomed.len() {
        let message =
            format!("Failed to delete some node(s) in the subtree! {gone} of {} deleted", doomed.len());
        return Err(Failure::refused(message, "permissions, or someone creates nodes there meanwhile"));
    }
    let text = match kept.len() {
        0 => String::new(),
        _ => format!("{gone} nodes deleted; {} stay, because the server needs them\n", kept.join(" ")),
    };
    Ok(Output::text(text, json))
}

fn is_system(path: &str) -> bool {
    matches!(path, "/" | "/zookeeper" | "/zookeeper/config" | "/zookeeper/quota")
}

/// `setAcl`
pub fn set_acl(target: &Target, args: &SetAcl) -> Result<Output, Failure> {
    let acl = acl_text::parse(&args.acl).map_err(Failure::arguments)?;
    let path = target.absolute(&args.path)?;
    if args.recursive {
        return set_acl_recursive(target, args, &acl);
    }
    let request =
        Request::SetAcl { path: Some(path.into()), acl: Some(acl), version: args.version.unwrap_or(-1) };
    let reply = target.call(&args.path, &request)?;
    match reply.response().map_err(|e| Failure::of(e, &args.path))? {
        Response::Stat(stat) => {
            let text = if args.stat { stat_text(&stat) } else { String::new() };
            Ok(Output::text(text, json!({ "path": args.path, "stat": stat_json(&stat) })))
        }
        other => Err(unexpected(&args.path, &other)),
    }
}

fn set_acl_recursive(target: &Target, args: &SetAcl, acl: &[Acl<'static>]) -> Result<Output, Failure> {
    let paths = target.subtree(&args.path)?;
    let mut done = 0;
    for path in &paths {
        let acl = Some(acl.to_vec());
        let request = Request::SetAcl { path: Some(path.into()), acl, version: args.version.unwrap_or(-1) };
        match target.call(&target.shown(path), &request) {
            Err(failure) if failure.code() == Some(ErrorCode::NoNode) && done > 0 => {}
            Err(failure) if done > 0 => {
                return Err(failure.with_hint(format!("{done} nodes were changed before it")));
            }
            result => drop(result?),
        }
        done += 1;
    }
    Ok(Output::done(json!({ "path": args.path, "changed": done })))
}

/// `addauth`
pub fn add_auth(target: &Target, args: &AddAuth) -> Result<Output, Failure> {
    target.session().authenticate(&args.scheme, args.auth.as_bytes()).map_err(|e| Failure::of(e, ""))?;
    Ok(Output::done(json!({ "scheme": args.scheme, "added": true })))
}

/// The data of a create or set, from wherever the arguments say.
fn data(inline: Option<&str>, file: Option<&Path>, is_base64: bool) -> Result<Option<Vec<u8>>, Failure> {
    let bytes = match (inline, file) {
        (_, Some(path)) if path == Path::new("-") => {
            let mut bytes = Vec::new();
            let read = std::io::stdin().read_to_end(&mut bytes);
            read.map_err(|e| Failure::arguments(format!("cannot read standard input: {e}")))?;
            bytes
        }
        (_, Some(path)) => {
            fs::read(path).map_err(|e| Failure::arguments(format!("cannot read {}: {e}", path.display())))?
        }
        (Some(text), None) => text.as_bytes().to_vec(),
        (None, None) => return Ok(None),
    };
    if !is_base64 {
        return Ok(Some(bytes));
    }
    let text = String::from_utf8_lossy(&bytes);
    match base64::decode(text.trim()) {
        Some(bytes) => Ok(Some(bytes)),
        None => Err(Failure::arguments("the data is not base64")),
    }
}

//! Access control lists (reference: client-protocol §4.1, security §1.4, §1.5).

use std::net::IpAddr;
use wire::{Acl, ErrorCode, Id};

/// May a caller with these credentials do one of `perms`?
pub(crate) fn allows(acl: &[Acl<'_>], perms: i32, credentials: &[Id<'_>]) -> bool {
    if acl.is_empty() || credentials.iter().any(|id| text(&id.scheme) == "super") {
        return true;
    }
    acl.iter().filter(|entry| entry.perms & perms != 0).any(|entry| {
        let (scheme, id) = (text(&entry.id.scheme), text(&entry.id.id));
        let world = scheme == "world" && id == "anyone";
        world
            || credentials.iter().any(|credential| {
                text(&credential.scheme) == scheme
                    && match scheme {
                        "ip" => ip_matches(id, text(&credential.id)),
                        _ => text(&credential.id) == id,
                    }
            })
    })
}

/// Checks the list of a create or setACL, drops duplicates, and puts the caller's credentials in the place of `auth`.
pub(crate) fn normalised(
    acl: Option<&Vec<Acl<'_>>>,
    credentials: &[Id<'_>],
) -> Result<Vec<Acl<'static>>, ErrorCode> {
    let mut once: Vec<Acl<'static>> = Vec::new();
    for entry in acl.into_iter().flatten() {
        let entry = entry.clone().into_owned();
        if !once.contains(&entry) {
            once.push(entry);
        }
    }
    if once.is_empty() {
        return Err(ErrorCode::InvalidAcl);
    }
    let mut list = Vec::new();
    for entry in once {
        if text(&entry.id.scheme) == "auth" {
            let mine = credentials.iter().filter(|id| text(&id.scheme) == "digest");
            let before = list.len();
            list.extend(mine.map(|id| Acl { perms: entry.perms, id: id.clone().into_owned() }));
            if list.len() == before {
                return Err(ErrorCode::InvalidAcl);
            }
        } else if is_valid(&entry.id) {
            list.push(entry);
        } else {
            return Err(ErrorCode::InvalidAcl);
        }
    }
    Ok(list)
}

/// The list as somebody without ADMIN sees it.
pub(crate) fn masked(acl: &[Acl<'static>]) -> Vec<Acl<'static>> {
    let mut list = acl.to_vec();
    for entry in list.iter_mut().filter(|entry| text(&entry.id.scheme) == "digest") {
        let user = text(&entry.id.id).split(':').next().unwrap_or_default().to_owned();
        entry.id.id = Some(format!("{user}:x").into());
    }
    list
}

fn text<'a>(text: &'a wire::Ustring<'_>) -> &'a str {
    text.as_deref().unwrap_or("")
}

fn is_valid(id: &Id<'_>) -> bool {
    let value = text(&id.id);
    match text(&id.scheme) {
        "world" => value == "anyone",
        "digest" => {
            let parts: Vec<&str> = value.trim_end_matches(':').split(':').collect();
            parts.len() == 2
        }
        "ip" => network(value).is_some(),
        _ => false,
    }
}

/// The address as bits from the left, and how many of them count.
fn network(text: &str) -> Option<(Vec<bool>, usize)> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<usize>().ok()?)),
        None => (text, None),
    };
    let bytes = match address.parse::<IpAddr>().ok()? {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    let bits: Vec<bool> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect();
    let length = length.unwrap_or(bits.len());
    (length <= bits.len()).then_some((bits, length))
}

fn ip_matches(entry: &str, caller: &str) -> bool {
    let (Some((entry, length)), Some((caller, _))) = (network(entry), network(caller)) else { return false };
    entry.len() == caller.len() && entry[..length] == caller[..length]
}

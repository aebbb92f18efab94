//! Access control lists: checking, normalising, masking (reference: client-protocol §4.1, security §1.4, §1.5, §1.8).

use crate::auth::{self, Schemes};
use std::borrow::Cow;
use std::collections::BTreeSet;
use wire::{Acl, ErrorCode, Id, perms};

/// An entry nobody matches: the list of a node whose own list is lost, so that only a superuser gets at it.
pub(crate) static DENY: [Acl<'static>; 1] =
    [Acl { perms: 0, id: Id { scheme: Some(Cow::Borrowed("world")), id: Some(Cow::Borrowed("anyone")) } }];

/// `world:anyone` with all permissions: the list of nodes that were created without one.
pub(crate) static OPEN: [Acl<'static>; 1] = [Acl {
    perms: perms::ALL,
    id: Id { scheme: Some(Cow::Borrowed("world")), id: Some(Cow::Borrowed("anyone")) },
}];

/// `world:anyone` with READ: the list of `/zookeeper/config`.
pub(crate) static READ_ONLY: [Acl<'static>; 1] = [Acl {
    perms: perms::READ,
    id: Id { scheme: Some(Cow::Borrowed("world")), id: Some(Cow::Borrowed("anyone")) },
}];

/// Do the credentials give any of the permission bits `wanted`? An empty list gives all to everybody, and a credential
/// of scheme `super` passes everywhere.
pub fn allows(skip_acl: bool, acl: &[Acl<'_>], wanted: i32, credentials: &[Id<'_>]) -> bool {
    skip_acl
        || acl.is_empty()
        || acl.iter().any(|entry| entry.perms & wanted != 0 && is_world(&entry.id))
        || credentials.iter().any(|credential| credential.scheme.as_deref() == Some("super"))
        || acl.iter().any(|entry| entry.perms & wanted != 0 && is_held(&entry.id, credentials))
}

/// Is it `world:anyone`?
fn is_world(id: &Id<'_>) -> bool {
    id.scheme.as_deref() == Some("world") && id.id.as_deref() == Some("anyone")
}

fn is_held(entry: &Id<'_>, credentials: &[Id<'_>]) -> bool {
    let (Some(scheme), Some(expression)) = (entry.scheme.as_deref(), entry.id.as_deref()) else {
        return false;
    };
    credentials.iter().any(|credential| {
        credential.scheme.as_deref() == Some(scheme)
            && auth::matches(scheme, credential.id.as_deref().unwrap_or(""), expression)
    })
}

/// Normalises the list of a create or setACL: drops exact duplicates and puts the connection's authenticated
/// credentials in the place of each `auth` entry.
///
/// # Errors
/// `InvalidAcl` for an absent or empty list and for an entry no scheme accepts; `MarshallingError` for an entry without
/// an id under a scheme that needs one, which is what Apache answers.
pub fn fixup<'r>(
    acl: Option<Vec<Acl<'r>>>,
    schemes: &Schemes,
    credentials: &[Id<'_>],
) -> Result<Vec<Acl<'r>>, ErrorCode> {
    let mut list = acl.unwrap_or_default();
    if list.is_empty() {
        return Err(ErrorCode::InvalidAcl);
    }
    refuse_incomparable(&list)?;
    drop_duplicates(&mut list);
    if list.iter().any(|entry| entry.id.scheme.as_deref() == Some("auth")) {
        return expand_auth(list, schemes, credentials);
    }
    list.iter().try_for_each(|entry| validate(&entry.id, schemes))?;
    Ok(list)
}

/// Apache's server trips over an entry without a scheme or an id when it compares it with an earlier one of the same
/// permissions and scheme, and answers MARSHALLINGERROR.
fn refuse_incomparable(list: &[Acl<'_>]) -> Result<(), ErrorCode> {
    if list.len() == 1 || list.iter().all(|entry| entry.id.scheme.is_some() && entry.id.id.is_some()) {
        return Ok(());
    }
    let mut perms = BTreeSet::new();
    let mut schemes = BTreeSet::new();
    for entry in list {
        let scheme = entry.id.scheme.as_deref();
        let meets_one = match scheme {
            None => perms.contains(&entry.perms),
            Some(_) => entry.id.id.is_none() && schemes.contains(&(entry.perms, scheme)),
        };
        if meets_one {
            return Err(ErrorCode::MarshallingError);
        }
        perms.insert(entry.perms);
        schemes.insert((entry.perms, scheme));
    }
    Ok(())
}

/// Keeps the first of equal entries. Lists are short, but a client may send a long one: then they are sorted first.
fn drop_duplicates(list: &mut Vec<Acl<'_>>) {
    if list.len() == 1 {
        return;
    }
    if list.len() <= 16 {
        let mut kept = 0;
        while kept < list.len() {
            let (before, rest) = list.split_at(kept);
            if before.contains(&rest[0]) {
                list.remove(kept);
            } else {
                kept += 1;
            }
        }
        return;
    }
    let mut order: Vec<usize> = (0..list.len()).collect();
    order.sort_by(|&a, &b| list[a].cmp(&list[b]).then(a.cmp(&b)));
    let mut doubled = vec![false; list.len()];
    for pair in order.windows(2) {
        doubled[pair[1]] = list[pair[0]] == list[pair[1]];
    }
    let mut flags = doubled.into_iter();
    list.retain(|_| !flags.next().unwrap_or(false));
}

fn expand_auth<'r>(
    list: Vec<Acl<'r>>,
    schemes: &Schemes,
    credentials: &[Id<'_>],
) -> Result<Vec<Acl<'r>>, ErrorCode> {
    let mut expanded = Vec::with_capacity(list.len());
    for entry in list {
        if entry.id.scheme.as_deref() != Some("auth") {
            validate(&entry.id, schemes)?;
            expanded.push(entry);
            continue;
        }
        let before = expanded.len();
        for credential in credentials {
            if schemes.authenticates(credential.scheme.as_deref().unwrap_or("")) {
                expanded.push(Acl { perms: entry.perms, id: credential.clone().into_owned() });
            }
        }
        if expanded.len() == before {
            return Err(ErrorCode::InvalidAcl);
        }
    }
    Ok(expanded)
}

fn validate(id: &Id<'_>, schemes: &Schemes) -> Result<(), ErrorCode> {
    let scheme = id.scheme.as_deref().ok_or(ErrorCode::InvalidAcl)?;
    if !schemes.is_known(scheme) {
        return Err(ErrorCode::InvalidAcl);
    }
    let expression = id.id.as_deref().ok_or(ErrorCode::MarshallingError)?;
    if schemes.is_valid(scheme, expression) { Ok(()) } else { Err(ErrorCode::InvalidAcl) }
}

/// A list as getACL shows it to a caller without ADMIN: the hash of every `digest` entry is replaced by `x`.
pub fn mask_digests<'a>(acl: &'a [Acl<'_>]) -> Vec<Acl<'a>> {
    acl.iter()
        .map(|entry| {
            let (scheme, id) = (entry.id.scheme.as_deref(), entry.id.id.as_deref());
            let id = match (scheme, id) {
                (Some("digest"), Some(text)) => match text.split_once(':') {
                    Some((user, _)) => Some(Cow::Owned(format!("{user}:x"))),
                    None => Some(Cow::Borrowed(text)),
                },
                _ => id.map(Cow::Borrowed),
            };
            Acl { perms: entry.perms, id: Id { scheme: scheme.map(Cow::Borrowed), id } }
        })
        .collect()
}

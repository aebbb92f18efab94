//! What people type: commands of the shell, lists of servers, ACLs, base64.

use headkeeper::inputs;
use tree::acl;
use tree::auth::Schemes;
use wire::{Acl, ErrorCode, Id};

/// A line at the shell's prompt, and its parts by themselves.
pub fn shell(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let _ = inputs::shell_line(&text);
    let _ = text.parse::<client::Servers>();
    if let Some(bytes) = inputs::base64(&text) {
        assert!(bytes.len() <= text.len());
    }
    if let Ok(list) = inputs::acl(&text) {
        assert!(!list.is_empty());
    }
}

/// An ACL as text, given to a node by somebody who has shown three credentials.
pub fn acl(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let list: Vec<Acl<'_>> = text
        .lines()
        .map(|line| {
            let mut parts = line.splitn(3, ' ');
            let perms = parts.next().and_then(|number| number.parse().ok()).unwrap_or(31);
            let part = |text: Option<&str>| text.map(|text| text.to_owned().into());
            Acl { perms, id: Id { scheme: part(parts.next()), id: part(parts.next()) } }
        })
        .collect();
    let schemes = Schemes::default();
    let peer = Id::new("ip", "10.0.0.1");
    let mut credentials = vec![peer.clone()];
    credentials.extend(schemes.authenticate("digest", Some(input), &peer).unwrap_or_default());
    let _ = acl::mask_digests(&list);
    match acl::fixup(Some(list.clone()), &schemes, &credentials) {
        Err(code) => assert!(matches!(code, ErrorCode::InvalidAcl | ErrorCode::MarshallingError)),
        Ok(fixed) => {
            assert!(!fixed.is_empty());
            let _ = acl::allows(false, &fixed, 1, &credentials);
        }
    }
    let _ = acl::allows(false, &list, 31, &credentials);
}

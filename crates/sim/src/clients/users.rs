//! Who clients are, for access control.

use wire::{Id, Request};

/// Somebody with a password, in the scheme `digest`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum User {
    /// One.
    Alice,
    /// Another one.
    Bob,
}

impl User {
    /// The packet that proves it.
    pub fn auth(self) -> Request<'static> {
        let secret: &[u8] = match self {
            User::Alice => b"alice:secret",
            User::Bob => b"bob:hidden",
        };
        Request::Auth { auth_type: 0, scheme: Some("digest".into()), auth: Some(secret.into()) }
    }

    /// What an ACL names: name and SHA-1 of the secret.
    pub fn id(self) -> Id<'static> {
        let id = match self {
            User::Alice => "alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E=",
            User::Bob => "bob:t6EE4g1VcSWwVE0HlwKXoBOX6Vk=",
        };
        Id::new("digest", id)
    }
}

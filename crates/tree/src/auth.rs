//! Authentication schemes: what an auth packet proves, which ids an ACL may name, and when the two match
//! (reference: client-protocol §4.1, §4.9, security §1.3, §1.6, §1.9, §1.10).

mod digest;
mod ip;

pub use digest::{DigestAlgorithm, DigestScheme};
pub use ip::ip_id;

use wire::Id;

/// The schemes a server knows. `world`, `auth` and `ip` are always there.
#[derive(Clone, Debug)]
pub struct Schemes {
    /// `digest`, unless `DigestAuthenticationProvider.enabled=false`.
    pub digest: Option<DigestScheme>,
}

impl Default for Schemes {
    fn default() -> Self {
        Schemes { digest: Some(DigestScheme::default()) }
    }
}

/// An auth packet that proves nothing: AUTHFAILED, and the connection is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuthFailed;

impl Schemes {
    /// What an auth packet of this scheme adds to the connection's credentials (a set: the caller drops doubles).
    /// `peer` is the connection's own `ip` credential.
    ///
    /// # Errors
    /// For schemes that take no auth packets, and for a digest packet without data.
    pub fn authenticate(
        &self,
        scheme: &str,
        auth: Option<&[u8]>,
        peer: &Id<'_>,
    ) -> Result<Vec<Id<'static>>, AuthFailed> {
        match (scheme, &self.digest) {
            ("ip", _) => Ok(vec![peer.clone().into_owned()]),
            ("digest", Some(digest)) => Ok(digest.authenticate(auth.ok_or(AuthFailed)?)),
            _ => Err(AuthFailed),
        }
    }

    /// Do credentials of this scheme stand for an authenticated identity, such as `auth` entries expand to?
    pub fn authenticates(&self, scheme: &str) -> bool {
        scheme == "digest" && self.digest.is_some()
    }

    /// May ACL entries and auth packets name it?
    pub fn is_known(&self, scheme: &str) -> bool {
        matches!(scheme, "world" | "auth" | "ip") || (scheme == "digest" && self.digest.is_some())
    }

    /// May an ACL entry of this scheme carry this id?
    pub fn is_valid(&self, scheme: &str, id: &str) -> bool {
        match scheme {
            "world" => id == "anyone",
            "auth" => true,
            "ip" => ip::is_valid(id),
            "digest" => self.digest.is_some() && digest::is_valid(id),
            _ => false,
        }
    }
}

/// Does a credential's id match an ACL entry's, both of this scheme?
pub(crate) fn matches(scheme: &str, credential: &str, expression: &str) -> bool {
    match scheme {
        "ip" => ip::matches(credential, expression),
        "digest" => credential == expression,
        _ => false,
    }
}

/// The name whoAmI shows for a credential: for digest what stands before the colon, for ip the address, for a
/// superuser nothing.
pub fn display_name<'a>(credential: &'a Id<'_>) -> &'a str {
    let id = credential.id.as_deref().unwrap_or("");
    match credential.scheme.as_deref() {
        Some("digest") => id.split(':').next().unwrap_or(""),
        Some("ip" | "sasl" | "x509") => id,
        _ => "",
    }
}

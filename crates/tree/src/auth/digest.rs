//! The digest scheme: `user:base64(hash("user:password"))`.

use sha2::Digest;
use std::borrow::Cow;
use wire::Id;

/// A hash function for digest ids: `DigestAuthenticationProvider.digestAlg`. All servers must agree on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "the names are the standards' own")]
pub enum DigestAlgorithm {
    Md5,
    #[default]
    Sha1,
    Sha256,
    Sha384,
    Sha512,
    Sha3_256,
    Sha3_512,
}

impl DigestAlgorithm {
    /// The names a configuration may use, for messages.
    pub const NAMES: &[&str] =
        &["SHA1", "SHA-1", "SHA-256", "SHA-384", "SHA-512", "SHA3-256", "SHA3-512", "MD5"];

    /// The algorithm of a JCA name, in any case.
    pub fn from_name(name: &str) -> Option<DigestAlgorithm> {
        Some(match name.to_ascii_uppercase().as_str() {
            "SHA1" | "SHA-1" | "SHA" => DigestAlgorithm::Sha1,
            "SHA-256" => DigestAlgorithm::Sha256,
            "SHA-384" => DigestAlgorithm::Sha384,
            "SHA-512" => DigestAlgorithm::Sha512,
            "SHA3-256" => DigestAlgorithm::Sha3_256,
            "SHA3-512" => DigestAlgorithm::Sha3_512,
            "MD5" => DigestAlgorithm::Md5,
            _ => return None,
        })
    }

    fn hash(self, text: &[u8]) -> Vec<u8> {
        match self {
            DigestAlgorithm::Md5 => md5::Md5::digest(text).to_vec(),
            DigestAlgorithm::Sha1 => sha1::Sha1::digest(text).to_vec(),
            DigestAlgorithm::Sha256 => sha2::Sha256::digest(text).to_vec(),
            DigestAlgorithm::Sha384 => sha2::Sha384::digest(text).to_vec(),
            DigestAlgorithm::Sha512 => sha2::Sha512::digest(text).to_vec(),
            DigestAlgorithm::Sha3_256 => sha3::Sha3_256::digest(text).to_vec(),
            DigestAlgorithm::Sha3_512 => sha3::Sha3_512::digest(text).to_vec(),
        }
    }

    /// The id for `user:password`: `user:base64(hash("user:password"))`. Without a colon the whole text is the user.
    pub fn id(self, user_password: &[u8]) -> String {
        // Java decodes the packet leniently and hashes the text encoded again.
        let text = wire::java_text(user_password);
        let user = text.split(':').next().unwrap_or("");
        format!("{user}:{}", base64(&self.hash(text.as_bytes())))
    }
}

/// The digest scheme's settings.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DigestScheme {
    /// The hash function.
    pub algorithm: DigestAlgorithm,
    /// `DigestAuthenticationProvider.superDigest`: whoever proves this `name:base64` is a superuser.
    pub super_digest: Option<String>,
}

impl DigestScheme {
    /// The credentials that `user:password` proves.
    pub(super) fn authenticate(&self, user_password: &[u8]) -> Vec<Id<'static>> {
        let id = self.algorithm.id(user_password);
        let is_super = self.super_digest.as_ref().is_some_and(|s| same(s.as_bytes(), id.as_bytes()));
        let mut credentials = Vec::with_capacity(2);
        if is_super {
            credentials.push(Id::new("super", ""));
        }
        credentials.push(Id { scheme: Some(Cow::Borrowed("digest")), id: Some(Cow::Owned(id)) });
        credentials
    }
}

/// Compares in a time that does not tell where the difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |sum, (x, y)| sum | (x ^ y)) == 0
}

/// Exactly two parts around colons, once trailing empty ones are dropped, as Java's `split` does it.
pub(super) fn is_valid(id: &str) -> bool {
    let trimmed = id.trim_end_matches(':');
    trimmed.split(':').count() == 2
}

/// Standard base64 with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |sum, &b| (sum << 8) | u32::from(b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            if i <= chunk.len() {
                out.push(char::from(ALPHABET[(group >> (18 - 6 * i)) as usize & 63]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_apache_computes() {
        assert_eq!(DigestAlgorithm::Sha1.id(b"bob:secret"), "bob:fyVmFCwVbTJYrznoSu1koqYEYF0=");
        assert_eq!(DigestAlgorithm::Sha1.id(b"super:test"), "super:D/InIHSb7yEEbrWz8b9l71RjZJU=");
        assert_eq!(DigestAlgorithm::Sha1.id(b"alice:secret"), "alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E=");
    }

    #[test]
    fn a_packet_without_a_colon_is_all_user() {
        assert!(DigestAlgorithm::Sha1.id(b"bob").starts_with("bob:"));
        assert!(DigestAlgorithm::Sha1.id(b"").starts_with(':'));
    }

    #[test]
    fn every_algorithm_has_a_name_and_hashes() {
        for name in DigestAlgorithm::NAMES {
            let algorithm = DigestAlgorithm::from_name(&name.to_lowercase()).expect("a known name");
            assert!(algorithm.id(b"a:b").len() >= 2 + 24, "{name}");
        }
        assert_eq!(DigestAlgorithm::from_name("CRC32"), None);
        assert_eq!(DigestAlgorithm::Md5.id(b"a:b"), "a:2BYMmz3CDU6TGutPRSYhVQ==");
    }

    #[test]
    fn base64_pads() {
        assert_eq!(base64(b""), "");
        assert_eq!(base64(b"f"), "Zg==");
        assert_eq!(base64(b"fo"), "Zm8=");
        assert_eq!(base64(b"foo"), "Zm9v");
        assert_eq!(base64(b"foob"), "Zm9vYg==");
    }

    #[test]
    fn an_entry_has_two_parts_once_trailing_empty_ones_are_dropped() {
        for good in [":b", "a:b", "a:b:", "a:b::"] {
            assert!(is_valid(good), "{good}");
        }
        for bad in ["a", "a:", "a::b", "a:b:c", "", ":", "::"] {
            assert!(!is_valid(bad), "{bad}");
        }
    }

    #[test]
    fn the_super_digest_adds_the_super_credential() {
        let scheme = DigestScheme {
            super_digest: Some("super:D/InIHSb7yEEbrWz8b9l71RjZJU=".to_owned()),
            ..DigestScheme::default()
        };
        assert_eq!(
            scheme.authenticate(b"super:test"),
            [Id::new("super", ""), Id::new("digest", "super:D/InIHSb7yEEbrWz8b9l71RjZJU=")]
        );
        assert_eq!(scheme.authenticate(b"super:other").len(), 1);
    }
}

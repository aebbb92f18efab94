//! Access control lists, good and bad, and the credentials that go with them.

use crate::rng::Rng;
use wire::{Acl, Id};

/// Digest ids of the users `u1:p1`, `u2:p2`, `u3:p3`: SHA-1 and base64 as every ZooKeeper client does it.
pub(super) const USERS: &[(&str, &str)] = &[
    ("u1:p1", "u1:fpT/y03U+EjItKZOSLGvjnJlyng="),
    ("u2:p2", "u2:o9NxcCGDPOlcV7JVhmKHOf5ctVE="),
    ("u3:p3", "u3:Im5xY/YYc2xRYjWcy4eAeBEG1fk="),
];

/// An entry that the server accepts from somebody with a digest credential.
fn good(rng: &mut Rng) -> Acl<'static> {
    let perms = *rng.pick(&[31, 31, 31, 1, 2, 4, 8, 16, 3, 15, 27, 0, 1 << 20 | 31, -1, 17]);
    match rng.below(10) {
        0..3 => Acl::new(perms, "world", "anyone"),
        3..6 => Acl::new(perms, "digest", rng.pick(USERS).1),
        6 => Acl::new(
            perms,
            "ip",
            *rng.pick(&["127.0.0.1", "127.0.0.0/8", "10.0.0.0/8", "0.0.0.0/0", "::1", "fe80::/10"]),
        ),
        7 => Acl::new(perms, "digest", *rng.pick(&["a:b", ":b", "a:b:"])),
        _ => Acl::new(perms, "auth", *rng.pick(&["", "x"])),
    }
}

fn bad(rng: &mut Rng) -> Acl<'static> {
    match rng.below(10) {
        0 => Acl::new(31, "world", *rng.pick(&["someone", ""])),
        1 => Acl::new(31, "digest", *rng.pick(&["u", "a:", "a::b", "a:b:c", ""])),
        2 => Acl::new(
            31,
            "ip",
            *rng.pick(&[
                "10.0.0.0/33",
                "/",
                "/-1",
                "localhost",
                "1.2.3",
                "1.2.3.4.5",
                "1.2.3.256",
                "::1/129",
                ":::",
                "",
            ]),
        ),
        3 => Acl::new(31, *rng.pick(&["super", "sasl", "x509", "foo", ""]), "x"),
        4 => Acl { perms: 31, id: Id { scheme: None, id: Some("anyone".into()) } },
        5 => Acl {
            perms: 31,
            id: Id { scheme: Some((*rng.pick(&["world", "digest", "ip"])).into()), id: None },
        },
        6 => Acl { perms: 31, id: Id { scheme: Some("auth".into()), id: None } },
        7 => Acl { perms: 31, id: Id { scheme: None, id: None } },
        8 => Acl { perms: 31, id: Id { scheme: Some("foo".into()), id: None } },
        _ => Acl::new(31, "auth", ""),
    }
}

/// A list for create or setACL.
pub(super) fn any(rng: &mut Rng) -> Option<Vec<Acl<'static>>> {
    match rng.below(100) {
        0..74 => Some(vec![Acl::open()]),
        74..91 => Some((0..rng.between(1, 3)).map(|_| good(rng)).collect()),
        91..93 => {
            let entry = good(rng);
            Some(vec![entry.clone(), good(rng), entry])
        }
        93..98 => {
            let mut list: Vec<_> = (0..rng.below(3)).map(|_| good(rng)).collect();
            list.insert(rng.below(list.len() + 1), bad(rng));
            Some(list)
        }
        98 => Some(vec![]),
        _ => None,
    }
}

//! ACLs: who may do what, normalising, masking, and the other checks of writes (reference: client-protocol §4.1, §4.4
//! to §4.6, §15).

mod world;

use tree::auth::{AuthFailed, Schemes, display_name, ip_id};
use tree::{TreeConfig, acl};
use wire::ErrorCode::*;
use wire::{Acl, Id, Request, perms};
use world::*;

fn digest(user: &'static str) -> Id<'static> {
    Id::new("digest", format!("{user}:hash"))
}

fn only(perms: i32) -> Vec<Acl<'static>> {
    vec![Acl::new(perms, "world", "anyone")]
}

fn owned_by(perms: i32, id: Id<'static>) -> Vec<Acl<'static>> {
    vec![Acl { perms, id }]
}

#[test]
fn allowing() {
    let [alice, ip, superuser] = [digest("alice"), ip_id([10, 0, 0, 7].into()), Id::new("super", "")];
    let allows =
        |list: &[Acl<'_>], wanted, credentials: &[Id<'_>]| acl::allows(false, list, wanted, credentials);
    assert!(allows(&[], perms::ADMIN, &[]));
    assert!(allows(&only(perms::READ), perms::READ, &[]));
    assert!(!allows(&only(perms::READ), perms::WRITE, std::slice::from_ref(&alice)));
    assert!(allows(&only(perms::READ), perms::READ | perms::ADMIN, &[]));
    assert!(allows(&only(0), perms::READ, &[superuser]));
    assert!(!allows(&only(0), perms::ALL, &[]));
    assert!(acl::allows(true, &only(0), perms::READ, &[]));
    let of_alice = owned_by(31, digest("alice"));
    assert!(allows(&of_alice, perms::READ, &[ip.clone(), alice.clone()]));
    assert!(!allows(&of_alice, perms::READ, &[ip.clone(), digest("bob")]));
    let net = owned_by(31, Id::new("ip", "10.0.0.0/8"));
    assert!(allows(&net, perms::READ, std::slice::from_ref(&ip)));
    assert!(!allows(&net, perms::READ, std::slice::from_ref(&alice)));
    for scheme in ["sasl", "x509", "auth", "super"] {
        let of_scheme = owned_by(31, Id::new(scheme, "a"));
        assert!(!allows(&of_scheme, perms::READ, &[Id::new("sasl", "a"), Id::new("x509", "a")]), "{scheme}");
    }
}

#[test]
fn an_entry_without_scheme_or_id_behind_a_comparable_one_is_a_marshalling_error() {
    let schemes = Schemes::default();
    let entry = |perms, scheme: Option<&'static str>, id: Option<&'static str>| Acl {
        perms,
        id: Id { scheme: scheme.map(Into::into), id: id.map(Into::into) },
    };
    let fixup =
        |list: Vec<Acl<'static>>| acl::fixup(Some(list), &schemes, &[ip_id([1, 2, 3, 4].into())]).map(|_| ());
    let world = entry(4, Some("world"), Some("anyone"));
    let auth = |id| entry(31, Some("auth"), id);
    assert_eq!(fixup(vec![world.clone(), auth(Some("")), auth(None)]), Err(MarshallingError));
    assert_eq!(fixup(vec![world.clone(), entry(4, None, Some("x"))]), Err(MarshallingError));
    assert_eq!(
        fixup(vec![world.clone(), auth(None)]),
        Err(InvalidAcl),
        "other permissions: refused for being empty"
    );
    assert_eq!(fixup(vec![world.clone(), entry(4, Some("sasl"), None)]), Err(InvalidAcl), "another scheme");
    assert_eq!(fixup(vec![auth(None), world]), Err(InvalidAcl), "the first of its kind");
}

#[test]
fn normalising_refuses_what_no_scheme_accepts() {
    let schemes = Schemes::default();
    let fixup = |list: Option<Vec<Acl<'static>>>| acl::fixup(list, &schemes, &[ip_id([1, 2, 3, 4].into())]);
    let none = |scheme: Option<&'static str>, id: Option<&'static str>| {
        Some(vec![Acl { perms: 1, id: Id { scheme: scheme.map(Into::into), id: id.map(Into::into) } }])
    };
    assert_eq!(fixup(None), Err(InvalidAcl));
    assert_eq!(fixup(Some(vec![])), Err(InvalidAcl));
    assert_eq!(fixup(none(None, Some("x"))), Err(InvalidAcl));
    for scheme in ["sasl", "x509", "super", "key", "", "WORLD"] {
        assert_eq!(fixup(none(Some(scheme), Some("x"))), Err(InvalidAcl), "{scheme}");
        assert_eq!(fixup(none(Some(scheme), None)), Err(InvalidAcl), "{scheme}");
    }
    for (scheme, id) in [("world", "someone"), ("digest", "u"), ("ip", "10.0.0.0/33"), ("auth", "")] {
        assert_eq!(fixup(none(Some(scheme), Some(id))), Err(InvalidAcl), "{scheme}:{id}");
    }
    for scheme in ["world", "ip", "digest"] {
        assert_eq!(fixup(none(Some(scheme), None)), Err(MarshallingError), "{scheme}");
    }
    assert_eq!(fixup(Some(only(-77))), Ok(only(-77)));
    let no_digest = Schemes { digest: None };
    assert_eq!(acl::fixup(Some(owned_by(1, digest("a"))), &no_digest, &[]), Err(InvalidAcl));
}

/// Surprise 60.
#[test]
fn auth_stands_for_every_authenticated_credential() {
    let schemes = Schemes::default();
    let credentials = [ip_id([1, 2, 3, 4].into()), digest("a"), Id::new("super", ""), digest("b")];
    let [auth, other_auth] = [Acl::new(3, "auth", "x"), Acl::new(3, "auth", "y")];
    let list = vec![Acl::new(1, "world", "anyone"), auth.clone(), auth, Acl::new(1, "world", "anyone")];
    let expanded = vec![
        Acl::new(1, "world", "anyone"),
        Acl { perms: 3, id: digest("a") },
        Acl { perms: 3, id: digest("b") },
    ];
    assert_eq!(acl::fixup(Some(list.clone()), &schemes, &credentials), Ok(expanded));
    let doubled = acl::fixup(Some(vec![Acl::new(3, "auth", "x"), other_auth]), &schemes, &credentials);
    assert_eq!(doubled.map(|list| list.len()), Ok(4));
    let null_id = Acl { perms: 3, id: Id { scheme: Some("auth".into()), id: None } };
    assert!(acl::fixup(Some(vec![null_id]), &schemes, &credentials).is_ok());
    assert_eq!(acl::fixup(Some(list), &schemes, &credentials[..1]), Err(InvalidAcl));
}

#[test]
fn duplicates_go_whatever_the_length() {
    let schemes = Schemes::default();
    for length in [2, 5, 16, 17, 300] {
        let list: Vec<Acl<'static>> = (0..length).map(|i| Acl::new(i % 7, "world", "anyone")).collect();
        let kept = acl::fixup(Some(list.clone()), &schemes, &[]).expect("valid");
        assert_eq!(kept, list[..(length as usize).min(7)], "{length}");
    }
}

/// Surprise 59.
#[test]
fn digest_ids_are_masked() {
    let list =
        [Acl::new(31, "digest", "bob:a:b"), Acl::new(1, "ip", "1.2.3.4"), Acl::new(1, "digest", "odd")];
    let masked = acl::mask_digests(&list);
    let ids: Vec<&str> = masked.iter().filter_map(|entry| entry.id.id.as_deref()).collect();
    assert_eq!(ids, ["bob:x", "1.2.3.4", "odd"]);
}

#[test]
fn auth_packets() {
    let schemes = Schemes::default();
    let peer = ip_id([9, 8, 7, 6].into());
    assert_eq!(schemes.authenticate("ip", None, &peer), Ok(vec![Id::new("ip", "9.8.7.6")]));
    let alice = schemes.authenticate("digest", Some(b"alice:secret"), &peer);
    assert_eq!(alice, Ok(vec![Id::new("digest", "alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E=")]));
    for (scheme, data) in
        [("world", None), ("sasl", Some(&b"x"[..])), ("nope", None), ("digest", None), ("auth", None)]
    {
        assert_eq!(schemes.authenticate(scheme, data, &peer), Err(AuthFailed), "{scheme}");
    }
    assert_eq!(Schemes { digest: None }.authenticate("digest", Some(b"a:b"), &peer), Err(AuthFailed));
    assert_eq!(display_name(&digest("alice")), "alice");
    assert_eq!(display_name(&peer), "9.8.7.6");
    assert_eq!(display_name(&Id::new("super", "")), "");
}

/// Surprises 19 and 20.
#[test]
fn delete_needs_delete_on_the_parent() {
    let mut world = World::fresh();
    world.write(create("/a", "")).stat();
    world.write(create_acl("/a/zero", only(0))).stat();
    assert_eq!(world.write(delete("/a/zero", -1)), Outcome::Done);
    world.write(create_acl("/p", only(perms::ALL & !perms::DELETE))).stat();
    world.write(create("/p/c", "")).stat();
    assert_eq!(world.write(delete("/nope/x", -1)), error(NoNode));
    assert_eq!(world.write(delete("/p/nope", -1)), error(NoAuth));
    assert_eq!(world.write(delete("/p/c", 9)), error(NoAuth));
    world.write(create("/p/c/d", "")).stat();
    assert_eq!(world.write(delete("/p/c", 9)), error(NoAuth));
    assert_eq!(world.write(delete("/p", 9)), error(BadVersion));
    assert_eq!(world.write(delete("/p", 0)), error(NotEmpty));
    for path in ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config", "x", "/a\0"] {
        assert_eq!(world.write(delete(path, -1)), error(BadArguments), "{path}");
    }
    assert_eq!(world.write(Request::Delete { path: None, version: -1 }), error(MarshallingError));
}

#[test]
fn set_data_checks_in_order() {
    let mut world = World::fresh();
    let null = Request::SetData { path: None, data: None, version: 0 };
    assert_eq!(world.write(null), error(BadArguments));
    assert_eq!(world.write(set("/nope/", "", -1)), error(BadArguments));
    assert_eq!(world.write(set("/nope", "", -1)), error(NoNode));
    world.write(create_acl("/r", only(perms::READ))).stat();
    assert_eq!(world.write(set("/r", "", 9)), error(NoAuth));
    assert_eq!(world.write(set("/zookeeper/config", "", -1)), error(NoAuth));
    for path in ["/", "/zookeeper", "/zookeeper/quota"] {
        let stat = world.write(set(path, "mine", -1)).stat();
        assert_eq!((stat.version, stat.data_length), (1, 4), "{path}");
    }
    world.write(set("/", "yours", 1)).stat();
    assert_eq!(world.changes, ["data / in /"]);
    world.credentials.push(Id::new("super", ""));
    world.write(set("/zookeeper/config", "x", -1)).stat();
}

/// Surprises 14, 15 and 16.
#[test]
fn set_acl_counts_in_aversion_alone() {
    let mut world = World::fresh();
    assert_eq!(world.write(set_acl("/nope", vec![], -1)), error(InvalidAcl));
    assert_eq!(world.write(set_acl("/nope", only(1), -1)), error(NoNode));
    let null = Request::SetAcl { path: None, acl: None, version: 0 };
    assert_eq!(world.write(null), error(BadArguments));
    world.write(create("/a", "x")).stat();
    world.write(set("/a", "y", -1)).stat();
    let before = world.node("/a").stat();
    assert_eq!(world.write(set_acl("/a", only(31), 1)), error(BadVersion));
    let stat = world.write(set_acl("/a", only(15), 0)).stat();
    assert_eq!(world.changes, Vec::<String>::new());
    assert_eq!(stat, wire::Stat { aversion: 1, ..before });
    assert_eq!(world.node("/a").acl(), only(15));
    assert_eq!(world.write(set_acl("/a", only(31), 9)), error(NoAuth));
}

/// Apache judges by the old list until the new one is applied.
#[test]
fn an_outstanding_set_acl_counts_at_once() {
    let mut world = World::fresh();
    world.write(create("/a", "x")).stat();
    world.prepare(set_acl("/a", only(perms::READ), -1));
    world.prepare(set("/a", "y", -1));
    world.prepare(create("/a/b", ""));
    world.apply_next().stat();
    assert_eq!(world.apply_next(), error(NoAuth));
    assert_eq!(world.apply_next(), error(NoAuth));
}

#[test]
fn an_outstanding_nodes_own_list_counts_for_its_children() {
    let mut world = World::fresh();
    world.credentials.push(digest("alice"));
    world.prepare(create_acl("/a", vec![Acl::new(31, "auth", "")]));
    world.prepare(create("/a/b", ""));
    world.credentials.pop();
    world.prepare(create("/a/c", ""));
    world.apply_next().stat();
    assert_eq!(world.node("/a").acl(), owned_by(31, digest("alice")));
    world.apply_next().stat();
    assert_eq!(world.apply_next(), error(NoAuth));
}

#[test]
fn skip_acl_skips_all() {
    let mut world = World::new(TreeConfig { skip_acl: true, ..TreeConfig::default() });
    world.write(create_acl("/a", only(0))).stat();
    world.write(set("/a", "x", -1)).stat();
    world.write(set("/zookeeper/config", "x", -1)).stat();
}

/// Surprise 56; a standalone server answers so.
#[test]
fn reconfig_on_a_standalone_server() {
    let reconfig = || Request::Reconfig { joining: None, leaving: None, new_members: None, config_id: -1 };
    assert_eq!(World::fresh().write(reconfig()), error(ReconfigDisabled));
    let mut world = World::new(TreeConfig { reconfig_enabled: true, ..TreeConfig::default() });
    assert_eq!(world.write(reconfig()), error(Unimplemented));
    world.session_state = tree::SessionState::Closing;
    assert_eq!(world.write(reconfig()), error(SessionExpired));
}

#[test]
fn requests_that_are_no_writes_of_clients_are_refused() {
    let mut world = World::fresh();
    world.write(container("/c")).stat();
    for request in [
        Request::DeleteContainer { path: Some("/c".into()) },
        Request::Ping,
        Request::CreateSession { timeout_ms: 1 },
        Request::GetData { path: Some("/c".into()), watch: false },
    ] {
        assert_eq!(world.write(request), error(Unimplemented));
    }
    assert!(world.tree.node("/c").is_some());
}

/// Surprise 4.
#[test]
fn a_failing_write_is_a_record_without_digest() {
    let mut world = World::fresh();
    let record = world.prepare(create("/a/b", ""));
    assert_eq!((record.header.txn_type, record.header.zxid.0, record.digest), (-1, 1, None));
    assert_eq!(record.txn, wire::Txn::Error { code: -101 });
    world.apply_next();
    assert_eq!(world.tree.last_zxid().0, 1);
}

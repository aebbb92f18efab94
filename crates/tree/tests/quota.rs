//! Quotas (reference: client-protocol §9, §15).

mod world;

use tree::TreeConfig;
use wire::ErrorCode::*;
use wire::MultiResult;
use world::*;

fn with_quota(limits: &'static str, enforce_quota: bool) -> World {
    let mut world = World::new(TreeConfig { enforce_quota, ..TreeConfig::default() });
    for (path, data) in [
        ("/a", "12345"),
        ("/a/b", "123"),
        ("/ab", "outside"),
        ("/zookeeper/quota/a", ""),
        ("/zookeeper/quota/a/zookeeper_limits", limits),
        ("/zookeeper/quota/a/zookeeper_stats", "count=0,bytes=0"),
    ] {
        world.write(create(path, data)).stat();
    }
    world
}

const STATS: &str = "/zookeeper/quota/a/zookeeper_stats";
const LIMITS: &str = "/zookeeper/quota/a/zookeeper_limits";

#[test]
fn the_stats_node_tells_the_real_usage() {
    let mut world = with_quota("count=100,bytes=1000", false);
    assert_eq!(world.data(STATS), "count=2,bytes=8");
    world.write(create("/a/c", "1234")).stat();
    assert_eq!(world.data(STATS), "count=3,bytes=12");
    world.write(set("/a/c", "1", -1)).stat();
    assert_eq!(world.data(STATS), "count=3,bytes=9");
    world.write(delete("/a/b", -1));
    assert_eq!(world.data(STATS), "count=2,bytes=6");
    world.write(set("/a", "", -1)).stat();
    assert_eq!(world.data(STATS), "count=2,bytes=1");
    world.write(create("/ab/c", "12345")).stat();
    assert_eq!(world.data(STATS), "count=2,bytes=1");
}

/// As Apache's server answers: the usage replaces the data only behind the reply's stat.
#[test]
fn creating_a_stats_node_tells_the_length_that_was_asked_for() {
    let mut world = with_quota("count=100,bytes=1000", false);
    world.write(delete(STATS, -1));
    let Outcome::Created(_, stat) = world.write(create(STATS, "a text of twenty-six bytes")) else {
        panic!("not created")
    };
    assert_eq!(stat.data_length, 26);
    assert_eq!(world.data(STATS), "count=2,bytes=8");
    assert_eq!(world.node(STATS).stat().data_length, 15);
}

/// Surprise 38.
#[test]
fn the_stats_nodes_stat_stays_and_nobody_is_told() {
    let mut world = with_quota("count=100,bytes=1000", false);
    let before = world.node(STATS).stat();
    world.write(create("/a/c", "1234")).stat();
    assert_eq!(world.changes, ["created /a/c in /a"]);
    let after = world.node(STATS).stat();
    assert_eq!(after, wire::Stat { data_length: after.data_length, ..before });
    assert_eq!(after.data_length, "count=3,bytes=12".len() as i32);
}

#[test]
fn without_limits_there_is_no_control() {
    let mut world = with_quota("count=100,bytes=1000", false);
    world.write(delete(LIMITS, -1));
    world.write(create("/a/c", "1234")).stat();
    assert_eq!(world.data(STATS), "count=2,bytes=8");
    world.write(create(LIMITS, "count=5")).stat();
    world.write(create("/a/d", "1234")).stat();
    assert_eq!(world.data(STATS), "count=3,bytes=12");
}

#[test]
fn the_deepest_quota_alone_counts() {
    let mut world = with_quota("countHardLimit=0", true);
    for (path, data) in [
        ("/zookeeper/quota/a/b", ""),
        ("/zookeeper/quota/a/b/zookeeper_limits", "count=-1"),
        ("/zookeeper/quota/a/b/zookeeper_stats", ""),
    ] {
        world.write(create(path, data)).stat();
    }
    world.write(create("/a/b/c", "1")).stat();
    assert_eq!(world.data(STATS), "count=2,bytes=8");
    assert_eq!(world.data("/zookeeper/quota/a/b/zookeeper_stats"), "count=2,bytes=4");
    assert_eq!(world.write(create("/a/x", "")), error(QuotaExceeded));
}

/// Surprises 39 and 40.
#[test]
fn hard_limits_stop_creates_and_growth() {
    let limits = "count=-1,bytes=-1=;byteHardLimit=10;countHardLimit=3";
    let mut world = with_quota(limits, true);
    assert_eq!(world.write(set("/a", "12345678", 99)), error(QuotaExceeded));
    assert_eq!(world.write(set("/a", "1234567", 99)), error(BadVersion));
    world.write(set("/a", "1234567", -1)).stat();
    assert_eq!(world.write(create("/a/c", "1")), error(QuotaExceeded));
    world.write(create("/a/c", "")).stat();
    assert_eq!(world.write(create("/a/d", "")), error(QuotaExceeded));
    world.write(set("/a", "7654321", -1)).stat();
    world.write(delete("/a/c", -1));
    let mut relaxed = with_quota(limits, false);
    relaxed.write(create("/a/c", "12345678901")).stat();
    assert_eq!(relaxed.write(create("/a/d", "")).path(), "/a/d");
}

#[test]
fn a_shrinking_set_above_the_limit_fails_too() {
    let mut world = with_quota("byteHardLimit=3", true);
    assert_eq!(world.write(set("/a", "123", -1)), error(QuotaExceeded));
    world.write(set("/a", "12345", -1)).stat();
    world.write(set("/a", "", -1)).stat();
}

#[test]
fn a_multi_may_overshoot() {
    let mut world = with_quota("countHardLimit=3", true);
    let Outcome::Multi(results) = world.write(multi(vec![create("/a/1", ""), create("/a/2", "")])) else {
        panic!("a multi")
    };
    assert!(results.iter().all(|result| matches!(result, MultiResult::Create { .. })));
    assert_eq!(world.data(STATS), "count=4,bytes=8");
    assert_eq!(world.write(create("/a/3", "")), error(QuotaExceeded));
}

#[test]
fn nonsense_in_quota_nodes_hurts_nobody() {
    let mut world = with_quota("countHardLimit=many,byteHardLimit=9", true);
    world.write(create("/zookeeper/quota/zookeeper_limits", "count=1")).stat();
    world.write(create("/zookeeper/quota/zookeeper_stats", "mine")).stat();
    assert_eq!(world.data("/zookeeper/quota/zookeeper_stats"), "mine");
    world.write(create("/b", "")).stat();
    world.write(set(STATS, "garbage", -1)).stat();
    world.write(create("/a/c", "1")).stat();
    assert_eq!(world.data(STATS), "count=3,bytes=9");
    assert_eq!(world.write(create("/a/d", "1")), error(QuotaExceeded));
    world.write(delete("/zookeeper/quota/zookeeper_limits", -1));
    world.write(delete(STATS, -1));
    world.write(create("/a/d", "12345")).stat();
    world.write(create(STATS, "")).stat();
    assert_eq!(world.data(STATS), "count=4,bytes=14");
}

#[test]
fn the_limits_of_a_node_that_is_not_there_wait_for_it() {
    let mut world = World::new(TreeConfig { enforce_quota: true, ..TreeConfig::default() });
    for (path, data) in [
        ("/zookeeper/quota/n", ""),
        ("/zookeeper/quota/n/zookeeper_limits", "countHardLimit=1"),
        ("/zookeeper/quota/n/zookeeper_stats", "x"),
    ] {
        world.write(create(path, data)).stat();
    }
    assert_eq!(world.data("/zookeeper/quota/n/zookeeper_stats"), "count=0,bytes=0");
    world.write(create("/n", "12")).stat();
    assert_eq!(world.data("/zookeeper/quota/n/zookeeper_stats"), "count=1,bytes=2");
    assert_eq!(world.write(create("/n/m", "")), error(QuotaExceeded));
}

//! Where a key may come from, and by which names.

use super::*;

#[test]
fn the_file_wins_over_a_flag_for_properties() {
    let (config, notices) = parsed("", &[("zookeeper.snapCount", "5")]);
    assert_eq!((config.storage.snap_count, notices.len()), (5, 0));
    let (config, notices) = parsed("snapCount=7", &[("zookeeper.snapCount", "5")]);
    assert_eq!(config.storage.snap_count, 7);
    assert_eq!(notices, ["WARN -Dzookeeper.snapCount=5 has no effect: zoo.cfg, line 4: snapCount=7 counts"]);
}

#[test]
fn the_last_flag_wins_over_the_ones_before() {
    let (config, notices) = parsed("", &[("zookeeper.snapCount", "5"), ("zookeeper.snapCount", "6")]);
    assert_eq!((config.storage.snap_count, notices.len()), (6, 0));
}

#[test]
fn system_properties_are_flags_and_count_in_the_file_only_here() {
    let (config, notices) = parsed("", &[("jute.maxbuffer", "4194304")]);
    assert_eq!((config.storage.jute_max_buffer, notices.len()), (4_194_304, 0));
    let (config, notice) = noticed("jute.maxbuffer=2000000");
    assert_eq!(config.storage.jute_max_buffer, 2_000_000);
    assert!(
        notice.ends_with(
            "jute.maxbuffer: honoured here, but Apache ZooKeeper only takes it as -Djute.maxbuffer"
        )
    );
    let (config, notices) = parsed("jute.maxbuffer=2000000", &[("jute.maxbuffer", "3000000")]);
    assert_eq!(config.storage.jute_max_buffer, 3_000_000, "the flag is the one Apache knows");
    assert_eq!(notices.len(), 2);
    let (config, notices) = parsed("", &[("zookeeper.jute.maxbuffer", "5")]);
    assert_eq!(config.storage.jute_max_buffer, 1_048_575);
    assert_eq!(notices, ["WARN -Dzookeeper.jute.maxbuffer: ignored, it must be -Djute.maxbuffer"]);
}

#[test]
fn a_redundant_prefix_is_honoured_with_a_warning_unless_the_right_name_is_there() {
    let (config, notice) = noticed("zookeeper.snapCount=9");
    assert_eq!(config.storage.snap_count, 9);
    assert!(notice.contains("only as snapCount"), "{notice}");
    assert_eq!(parsed("snapCount=8\nzookeeper.snapCount=9", &[]).0.storage.snap_count, 8);
    assert_eq!(parsed("zookeeper.snapCount=9", &[("zookeeper.snapCount", "7")]).0.storage.snap_count, 7);
}

#[test]
fn typed_keys_are_only_read_from_the_file() {
    let (config, notices) = parsed("", &[("zookeeper.tickTime", "5"), ("tickTime", "5")]);
    assert_eq!(config.sessions.tick_time_ms, 3000);
    assert_eq!(notices[0], "WARN -Dzookeeper.tickTime: ignored, tickTime is only read from the file");
    assert_eq!(notices.len(), 2);
    let (config, notices) = parsed("", &[("zookeeper.multiAddress.enabled", "true")]);
    assert!(config.ensemble.multi_address, "one of three that may be flags too");
    assert!(notices.is_empty());
}

#[test]
fn some_properties_have_a_second_name_without_prefix() {
    let (config, notices) = parsed("", &[("fsync.warningthresholdms", "50")]);
    assert_eq!((config.storage.fsync_warning_threshold_ms, notices.len()), (50, 0));
    let both = [("zookeeper.fsync.warningthresholdms", "60"), ("fsync.warningthresholdms", "50")];
    assert_eq!(parsed("", &both).0.storage.fsync_warning_threshold_ms, 60);
    let (config, notices) = parsed("", &[("snapCount", "5")]);
    assert_eq!(config.storage.snap_count, 100_000);
    assert_eq!(notices, ["WARN -DsnapCount: ignored, it must be -Dzookeeper.snapCount"]);
}

#[test]
fn names_from_the_documentation_are_honoured_with_a_warning() {
    let (config, notice) = noticed("requestThrottleLimit=10");
    assert_eq!(config.requests.throttle_max_requests, 10);
    assert!(notice.ends_with("Apache ZooKeeper only takes it as request_throttle_max_requests"), "{notice}");
    let both = "request_throttle_max_requests=3\nrequestThrottleLimit=10";
    assert_eq!(parsed(both, &[]).0.requests.throttle_max_requests, 3);
}

#[test]
fn unknown_keys_get_one_line_each_and_a_guess() {
    let (_, notices) = parsed("ticktime=2000\nfoo=bar\nautopurge.snapRetianCount=5", &[]);
    assert_eq!(
        notices,
        [
            "WARN zoo.cfg, line 4: ticktime: unknown key, ignored; did you mean tickTime?",
            "WARN zoo.cfg, line 5: foo: unknown key, ignored",
            "WARN zoo.cfg, line 6: autopurge.snapRetianCount: unknown key, ignored; did you mean \
             autopurge.snapRetainCount?",
        ]
    );
    let (_, notices) = parsed("", &[("zookeeper.snapcount", "5"), ("java.net.preferIPv4Stack", "true")]);
    assert_eq!(
        notices,
        [
            "WARN -Dzookeeper.snapcount: unknown property, ignored; did you mean snapCount?",
            "INFO -Djava.net.preferIPv4Stack: there is no JVM here, ignored",
        ]
    );
}

#[test]
fn a_duplicate_is_worth_a_warning_and_the_last_one_counts() {
    let (config, notice) = noticed("tickTime=1000\ntickTime=2000");
    assert_eq!(config.sessions.tick_time_ms, 2000);
    assert_eq!(
        notice,
        "WARN zoo.cfg, line 4: tickTime=1000 has no effect: zoo.cfg, line 5: tickTime=2000 counts"
    );
    assert!(wrong("tickTime=1000\ntickTime=x").contains("line 5"));
    assert_eq!(
        parsed("tickTime=x\ntickTime=2000", &[]).0.sessions.tick_time_ms,
        2000,
        "Java forgets the first"
    );
}

#[test]
fn knobs_of_a_jvm_are_accepted_with_one_line_each() {
    let (_, notices) =
        parsed("nio.numWorkerThreads=4\njvm.pause.monitor=true", &[("zookeeper.jmx.log4j.disable", "true")]);
    assert_eq!(
        notices,
        [
            "INFO -Dzookeeper.jmx.log4j.disable=true: accepted without effect, there is no JVM here",
            "INFO zoo.cfg, line 4: nio.numWorkerThreads=4: accepted without effect, the server sizes its own threads and \
             buffers",
            "INFO zoo.cfg, line 5: jvm.pause.monitor=true: accepted without effect, there is no JVM here",
        ]
    );
    let netty = "serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory";
    assert!(noticed(netty).1.starts_with("INFO "));
    assert!(wrong("serverCnxnFactory=foo.Bar").contains("Couldn't instantiate foo.Bar"));
}

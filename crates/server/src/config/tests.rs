//! What a configuration means, told by example.

use super::key::{Class, Kind, Verdict};
use super::*;
use log::Level;
use tree::auth::DigestAlgorithm;

/// A file that starts: the lines given, after the least one needs.
fn text(lines: &str) -> String {
    format!("dataDir=/zk\nclientPort=2181\nmaxCnxns=0\n{lines}\n")
}

fn flags(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn parsed(lines: &str, pairs: &[(&str, &str)]) -> (Config, Vec<String>) {
    let (config, notices) = Config::parse("zoo.cfg", &text(lines), &flags(pairs)).unwrap();
    (config, notices.into_iter().map(|notice| format!("{} {}", notice.level, notice.text)).collect())
}

/// The configuration of lines that must not be worth a word.
fn quiet(lines: &str) -> Config {
    let (config, notices) = parsed(lines, &[]);
    assert!(notices.is_empty(), "{notices:?}");
    config
}

/// The configuration and the only notice.
fn noticed(lines: &str) -> (Config, String) {
    let (config, mut notices) = parsed(lines, &[]);
    assert_eq!(notices.len(), 1, "{notices:?}");
    (config, notices.remove(0))
}

fn refused(whole_text: &str) -> String {
    Config::parse("zoo.cfg", whole_text, &[]).unwrap_err().to_string()
}

/// What is said about lines after the usual three.
fn wrong(lines: &str) -> String {
    refused(&text(lines))
}

#[test]
fn apaches_sample_file_needs_no_remark() {
    let config =
        quiet("tickTime=2000\ninitLimit=10\nsyncLimit=5\n# maxClientCnxns=60\nautopurge.purgeInterval=1");
    assert_eq!(config.data_dir, Path::new("/zk"));
    assert_eq!(config.log_version_dir(), Path::new("/zk/version-2"));
    assert_eq!(config.listen.client_port, Some(2181));
    assert_eq!((config.sessions.min_ms(), config.sessions.max_ms()), (4000, 40_000));
    assert_eq!(config.operations.purge_interval_ms, 3_600_000);
}

#[test]
fn every_default_of_the_table_is_the_default_of_the_settings() {
    for key in table::keys().filter(|key| !key.default.is_empty() && !matches!(key.kind, Kind::Unread)) {
        if matches!(key.verdict, Verdict::Rejected(_)) {
            continue;
        }
        let setting = sources::argument(key.name, key.default).unwrap();
        let (mut config, mut notices) = (Config::default(), Vec::new());
        setting.apply("zoo.cfg", &mut config, &mut notices).unwrap();
        assert_eq!(config, Config::default(), "{}", key.name);
        assert_eq!(notices, [], "{}", key.name);
    }
}

#[test]
fn every_number_and_switch_reaches_its_own_field() {
    let mut seen = std::collections::BTreeMap::new();
    for key in table::keys() {
        let values: &[&str] = match key.kind {
            Kind::Int(..) | Kind::Long(..) => &["77"],
            Kind::Fraction(..) => &["0.77"],
            Kind::Switch(_) => &["true", "false"],
            Kind::UnlessNo(_) | Kind::OnlyYes(_) => &["yes", "no"],
            _ => continue,
        };
        let changed: Vec<String> = values
            .iter()
            .map(|value| {
                let mut config = Config::default();
                let setting = sources::argument(key.name, value).unwrap();
                setting.apply("zoo.cfg", &mut config, &mut Vec::new()).unwrap();
                format!("{config:?}")
            })
            .filter(|config| *config != format!("{:?}", Config::default()))
            .collect();
        assert!(!changed.is_empty(), "{} changes nothing", key.name);
        for config in changed {
            if let Some(other) = seen.insert(config, key.name) {
                assert_eq!(other, key.name, "two keys, one field");
            }
        }
    }
}

#[test]
fn names_are_unique_and_families_end_in_a_star() {
    let names: Vec<&str> = table::keys().map(|key| key.name).collect();
    let unique: std::collections::BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(names.len(), unique.len());
    for key in table::keys() {
        assert!(!matches!(key.kind, Kind::Family(..)) || key.name.ends_with(".*"), "{}", key.name);
        assert!(!key.doc.is_empty() && key.doc.ends_with('.'), "{}", key.name);
    }
    for (friendly, real) in table::FRIENDLY {
        assert!(table::find(friendly).is_none() && table::find(real).is_some(), "{friendly}");
    }
}

#[test]
fn a_wrong_number_in_the_file_names_file_line_key_value_and_what_is_allowed() {
    assert_eq!(
        wrong("tickTime=abc"),
        "zoo.cfg, line 4: tickTime=abc: For input string: \"abc\" (allowed: an integer from 0 to 2147483647)"
    );
    assert!(wrong("tickTime=2000 # ms").contains("For input string: \"2000 # ms\""));
    assert!(wrong("tickTime=").contains("For input string: \"\""));
    assert!(wrong("tickTime=0x10").contains("For input string: \"0x10\""));
    assert!(wrong("tickTime=99999999999").contains("For input string: \"99999999999\""));
    assert!(wrong("tickTime=-5").contains("out of range"));
    assert!(
        wrong("clientPort=70000").contains("port out of range:70000 (allowed: an integer from 0 to 65535)")
    );
    assert!(wrong("autopurge.purgeInterval=1w").contains("Illegal time interval suffix: w"));
    assert!(wrong("autopurge.purgeInterval=").contains("For input string: \"\""));
    assert!(wrong("electionAlg=1").contains("Invalid electionAlg value. Only 3 is supported."));
}

#[test]
fn a_wrong_switch_in_the_file_is_refused_in_apaches_words() {
    let text = wrong("reconfigEnabled=yes");
    assert!(text.starts_with("zoo.cfg, line 4: reconfigEnabled=yes: "), "{text}");
    assert!(text.contains("Invalid option yes for reconfigEnabled. Choose 'true' or 'false.'"), "{text}");
    assert!(quiet("reconfigEnabled=TRUE").ensemble.reconfig_enabled);
}

#[test]
fn a_wrong_number_in_a_property_falls_back_and_says_so() {
    let (config, notice) = noticed("snapCount=many");
    assert_eq!(config.storage.snap_count, 100_000);
    assert_eq!(
        notice,
        "WARN zoo.cfg, line 4: snapCount=many: not a valid value, the default is used: 100000 (allowed: an integer)"
    );
    let (config, notice) = noticed("preAllocSize=64M");
    assert_eq!(config.storage.prealloc_kb, 65_536);
    assert!(notice.contains("(allowed: an integer from 0 to 16777216)"), "{notice}");
    let (config, notice) = noticed("globalOutstandingLimit=");
    assert_eq!(config.requests.global_outstanding_limit, 1000);
    assert!(notice.contains("not a valid value"), "{notice}");
}

#[test]
fn properties_may_be_hexadecimal_or_octal_but_that_is_worth_a_word() {
    assert_eq!(quiet("snapCount=16").storage.snap_count, 16);
    let (config, notice) = noticed("snapCount=010000");
    assert_eq!(config.storage.snap_count, 4096);
    assert!(notice.contains("read as 4096, as Java reads it"), "{notice}");
    assert_eq!(noticed("snapCount=0x10").0.storage.snap_count, 16);
}

#[test]
fn a_property_switch_is_true_or_false_and_everything_else_is_false_with_a_warning() {
    assert!(quiet("extendedTypesEnabled=True").tree.extended_types);
    assert!(!quiet("digest.enabled=false").tree.digest_enabled);
    let (config, notice) = noticed("digest.enabled=yes");
    assert!(!config.tree.digest_enabled);
    assert!(notice.contains("taken as false, as Apache does (allowed: true or false)"), "{notice}");
}

#[test]
fn yes_and_no_flags_are_exact() {
    assert!(quiet("skipACL=no\nforceSync=yes").storage.force_sync);
    let (config, notice) = noticed("forceSync=no");
    assert!(!config.storage.force_sync);
    assert!(notice.contains("acknowledged before they are on disk"), "{notice}");
    let (config, notice) = noticed("forceSync=No");
    assert!(config.storage.force_sync);
    assert!(notice.contains("neither yes nor no, the default is used: yes"), "{notice}");
    let (config, notice) = noticed("skipACL=yes");
    assert!(config.tree.skip_acl);
    assert!(notice.starts_with("WARN zoo.cfg, line 4: skipACL=yes: ACL checks are off"), "{notice}");
    assert!(!noticed("skipACL=true").0.tree.skip_acl);
}

#[test]
fn fractions_must_be_numbers_in_range() {
    assert_eq!(quiet("connection_throttle_drop_increase=0.5").throttle.drop_increase, 0.5);
    assert!(wrong("connection_throttle_drop_increase=abc").contains("For input string: \"abc\""));
    assert!(
        wrong("connection_throttle_drop_increase=2").contains("out of range (allowed: a number from 0 to 1)")
    );
}

#[test]
fn what_is_too_small_is_repaired_as_apache_does() {
    let (config, notice) = noticed("autopurge.snapRetainCount=1");
    assert_eq!(config.operations.snap_retain_count, 3);
    assert!(notice.contains("Invalid autopurge.snapRetainCount: 1. Defaulting to 3"), "{notice}");
    let (config, notice) = noticed("snapCount=1");
    assert_eq!(config.storage.snap_count, 2);
    assert!(notice.starts_with("WARN zoo.cfg, line 4: snapCount=1: "), "{notice}");
    assert_eq!(quiet("commitLogCount=5").storage.commit_log_count, 500);
    assert_eq!(quiet("jute.maxbuffer.extrasize=5").storage.jute_extra_bytes(), 1024);
}

#[test]
fn units_of_the_purge_interval() {
    let interval =
        |value: &str| quiet(&format!("autopurge.purgeInterval={value}")).operations.purge_interval_ms;
    assert_eq!(interval("24"), 86_400_000);
    assert_eq!(interval("500ms"), 500);
    assert_eq!(
        (interval("10s"), interval("3m"), interval("2h"), interval("1d")),
        (10_000, 180_000, 7_200_000, 86_400_000)
    );
    assert_eq!((interval("0"), interval("-1")), (0, 0));
}

#[test]
fn required_keys_and_their_order() {
    assert_eq!(refused("clientPort=2181"), "zoo.cfg: dataDir is not set");
    assert_eq!(refused(""), "zoo.cfg: dataDir is not set");
    assert!(refused("dataDir=").contains("dataDir is not set"));
    assert!(
        refused("dataDir=/zk\nclientPortAddress=::1")
            .contains("clientPortAddress is set but clientPort is not set")
    );
    let text = "dataDir=/zk\nsecureClientPortAddress=::1";
    assert!(refused(text).contains("secureClientPortAddress is set but secureClientPort is not set"));
    assert!(wrong("tickTime=0").contains("tickTime is not set (allowed: an integer from 1 to 2147483647)"));
    assert!(
        refused("tickTime=0\nclientPortAddress=::1").contains("dataDir is not set"),
        "the first check wins"
    );
    assert!(
        refused("tickTime=x\nclientPortAddress=::1").contains("For input string"),
        "reading comes before checking"
    );
}

#[test]
fn session_bounds_follow_the_tick_unless_set_and_must_not_cross() {
    let config = quiet("tickTime=100");
    assert_eq!((config.sessions.min_ms(), config.sessions.max_ms()), (200, 2000));
    let config = quiet("minSessionTimeout=5\nmaxSessionTimeout=7");
    assert_eq!((config.sessions.min_ms(), config.sessions.max_ms()), (5, 7));
    let text = wrong("tickTime=2000\nminSessionTimeout=50000");
    assert!(text.contains(
        "line 5: minSessionTimeout=50000: minSessionTimeout must not be larger than maxSessionTimeout"
    ));
    assert!(text.contains("(allowed: 50000 to 40000 ms as it stands)"), "{text}");
    assert!(
        wrong("maxSessionTimeout=10").contains("maxSessionTimeout=10: minSessionTimeout must not be larger")
    );
    assert!(wrong("minSessionTimeout=-2").contains("out of range"));
}

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

#[test]
fn features_to_come_are_a_warning_unless_they_are_off() {
    quiet("admin.enableServer=false\naudit.enable=false");
    let (_, notice) = noticed("admin.enableServer=true");
    assert_eq!(
        notice,
        "WARN zoo.cfg, line 4: admin.enableServer=true: no effect, the admin server is not part of this version"
    );
}

/// Whoever configures the port means it.
#[test]
fn a_port_for_tls_stops_the_start() {
    let text = wrong("secureClientPort=2281");
    assert!(
        text.starts_with(
            "zoo.cfg, line 4: secureClientPort=2281: TLS is not part of this version: remove this port"
        ),
        "{text}"
    );
    quiet("secureClientPort=0");
    let (config, _) = parsed("server.1=a:1:2;2181;2281", &[]);
    let text = config.with_my_id(Some("1"), &mut Vec::new()).unwrap_err().to_string();
    assert!(
        text.starts_with("zoo.cfg: server.1=a:1:2:participant;0.0.0.0:2181;0.0.0.0:2281: TLS is not"),
        "{text}"
    );
}

#[test]
fn groups_and_weights_that_are_none_stop_the_start() {
    assert_eq!(
        wrong("group.1="),
        "zoo.cfg, line 4: group.1=: a group without members (For input string: \"\") (allowed: ids separated by colons, \
         under a numeric group)"
    );
    for (line, number) in
        [("groupx=1", "groupx"), ("group.x=1", "x"), ("weights=1", "weights"), ("weight=1", "weight")]
    {
        let text = wrong(line);
        let expected = format!("zoo.cfg, line 4: {line}: For input string: {number:?} (allowed: ");
        assert!(text.starts_with(&expected), "{text}");
    }
}

#[test]
fn a_client_address_nobody_knows_stops_the_start() {
    let dir = scratch("address");
    let file = dir.join("zoo.cfg");
    let write = |address: &str| {
        let text = format!("dataDir={}\nclientPort=2181\n\nclientPortAddress={address}\n", dir.display());
        std::fs::write(&file, text).unwrap();
    };
    write("no-such-host.invalid");
    let text = load::load(&file, &[]).unwrap_err().to_string();
    let place = format!("{}, line 4: clientPortAddress=no-such-host.invalid: unknown host: ", file.display());
    assert!(text.starts_with(&place) && text.contains(" (allowed: an address of this machine"), "{text}");
    write("127.0.0.1");
    assert!(load::load(&file, &[]).is_ok());
}

#[test]
fn secrets_are_never_shown() {
    let (_, notices) =
        parsed("ssl.keyStore.password=hunter2\nDigestAuthenticationProvider.superDigest=hunter2", &[]);
    assert_eq!(notices.len(), 3, "TLS, the form, clear text: {notices:?}");
    assert!(notices.iter().all(|notice| !notice.contains("hunter2")), "{notices:?}");
    assert!(notices[0].contains("ssl.keyStore.password=***"), "{notices:?}");
}

#[test]
fn a_super_digest_is_worth_a_warning_beyond_loopback() {
    let digest = "DigestAuthenticationProvider.superDigest=super:D/InIHSb7yEEbrWz8b9l71RjZJU=";
    let (config, notice) = noticed(digest);
    assert_eq!(config.auth.super_digest.as_deref(), Some("super:D/InIHSb7yEEbrWz8b9l71RjZJU="));
    assert!(notice.contains("crosses the network in clear text"), "{notice}");
    quiet(&format!("{digest}\nclientPortAddress=127.0.0.1"));
    quiet(&format!("{digest}\nclientPortAddress=localhost"));
    quiet(&format!("{digest}\nclientPortAddress=::1"));
}

#[test]
fn digest_algorithms_are_javas_names() {
    let algorithm =
        |name: &str| quiet(&format!("DigestAuthenticationProvider.digestAlg={name}")).auth.digest_algorithm;
    assert_eq!(algorithm("SHA1"), DigestAlgorithm::Sha1);
    assert_eq!(algorithm("sha-1"), DigestAlgorithm::Sha1);
    assert_eq!(algorithm("SHA-256"), DigestAlgorithm::Sha256);
    assert_eq!(algorithm("SHA3-512"), DigestAlgorithm::Sha3_512);
    let text = wrong("DigestAuthenticationProvider.digestAlg=FOO");
    assert!(
        text.contains("don't support this ACL digest algorithm: FOO in the current environment"),
        "{text}"
    );
}

#[test]
fn enforced_authentication_needs_a_scheme_that_is_there() {
    let config = quiet("enforce.auth.enabled=true\nenforce.auth.schemes= digest , ip,");
    assert_eq!(config.auth.enforce_schemes, ["digest", "ip"]);
    assert!(
        wrong("enforce.auth.enabled=true").contains("zookeeper.enforce.auth.schemes must be  configured.")
    );
    let text = wrong("enforce.auth.enabled=true\nenforce.auth.schemes=foo");
    assert!(
        text.contains("line 5: enforce.auth.schemes=foo: Authentication scheme foo is not available."),
        "{text}"
    );
    assert!(
        wrong("sessionRequireClientSASLAuth=true").contains("Authentication scheme sasl is not available.")
    );
    let off =
        "enforce.auth.enabled=true\nenforce.auth.schemes=digest\nDigestAuthenticationProvider.enabled=false";
    assert!(wrong(off).contains("Authentication scheme digest is not available."));
}

#[test]
fn unknown_authentication_providers_are_refused_and_those_to_come_warned_about() {
    quiet("authProvider.1=org.apache.zookeeper.server.auth.DigestAuthenticationProvider");
    let (config, notice) =
        noticed("authProvider.sasl=org.apache.zookeeper.server.auth.SASLAuthenticationProvider");
    assert_eq!(config.auth.providers.len(), 1);
    assert!(notice.contains("SASLAuthenticationProvider is not part of this version"), "{notice}");
    assert!(wrong("authProvider.1=com.example.Mine").contains("no such authentication provider"));
    let two = "authProvider.1=org.apache.zookeeper.server.auth.IPAuthenticationProvider\n\
               authProvider.2=org.apache.zookeeper.server.auth.DigestAuthenticationProvider";
    assert_eq!(quiet(two).auth.providers.len(), 2);
}

#[test]
fn known_metrics_providers_are_accepted() {
    quiet("metricsProvider.className=org.apache.zookeeper.metrics.impl.DefaultMetricsProvider");
    let prometheus =
        "metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider";
    assert!(noticed(prometheus).1.contains("the Prometheus port is not part of this version"));
    assert!(wrong("metricsProvider.className=foo").contains("metrics provider class was not found"));
}

#[test]
fn compression_methods_in_any_case_and_unknown_ones_as_none() {
    use store::Compression;
    assert_eq!(quiet("snapshot.compression.method=GZ").storage.compression, Compression::Gzip);
    assert_eq!(quiet("snapshot.compression.method=snappy").storage.compression, Compression::Snappy);
    let (config, notice) = noticed("snapshot.compression.method=zip");
    assert_eq!(config.storage.compression, Compression::None);
    assert!(notice.contains("snapshots are not compressed"), "{notice}");
}

#[test]
fn a_relative_data_directory_is_worth_a_warning() {
    let (_, notices) = Config::parse("zoo.cfg", "dataDir=data\nclientPort=1\nmaxCnxns=0", &[]).unwrap();
    assert!(notices[0].text.contains("data is relative. Prepend ./ to indicate that you're sure!"));
    assert_eq!(Config::parse("zoo.cfg", "dataDir=./data\nclientPort=1\nmaxCnxns=0", &[]).unwrap().1, []);
}

#[test]
fn what_belongs_to_tests_is_refused() {
    let text = wrong("testingonly.initialZxid=5");
    assert!(text.starts_with("zoo.cfg, line 4: testingonly.initialZxid=5: "), "{text}");
    assert!(wrong("oraclePath=/x").contains("not supported"));
}

#[test]
fn one_server_line_is_a_standalone_server() {
    let (config, notice) = noticed("server.1=localhost:2888:3888;2181");
    assert_eq!(notice, "ERROR Invalid configuration, only one server specified (ignoring)");
    assert_eq!(config.ensemble.members.voters().count(), 1);
}

#[test]
fn several_servers_make_a_member() {
    let two = "server.1=a:1:2\nserver.2=b:1:2";
    assert_eq!(wrong(two), "zoo.cfg: initLimit is not set");
    assert_eq!(wrong(&format!("{two}\ninitLimit=5")), "zoo.cfg: syncLimit is not set");
    let limits = "initLimit=5\nsyncLimit=2";
    assert!(quiet(&format!("{two}\n{limits}")).is_member());
    assert!(quiet(&format!("server.1=a:1:2\nstandaloneEnabled=false\n{limits}")).is_member());
    assert!(!quiet("").is_member());
    assert!(wrong("server.1=a:1").contains("server.1=a:1: a:1 does not have the form server_config"));
    assert!(wrong("server.x=a:1:2").contains("For input string: \"x\""));
    assert!(
        wrong("server.1=a:1:2:observer").contains("Observers w/o participants is an invalid configuration")
    );
    let text = "server.1=a:1:2\nserver.2=b:1:2:observer";
    assert!(wrong(text).contains("Observers w/o quorum is an invalid configuration"));
    let text = "standaloneEnabled=false then number of participants should be >0";
    assert!(wrong("standaloneEnabled=false").replace(" = ", "=").contains(text));
    let text = wrong("server.1=a:1:2|b:3:4\nserver.2=c:1:2");
    assert!(
        text.contains(
            "Multiple address feature is disabled, but multiple addresses were specified for sid 1"
        )
    );
}

/// With groups every voter is in one; a list without one of them is refused here, and not found out later.
#[test]
fn every_participant_is_in_a_group() {
    let members =
        "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\nserver.4=d:1:2:observer\ninitLimit=5\nsyncLimit=2";
    let text = wrong(&format!("{members}\ngroup.1=1:2"));
    assert_eq!(
        text,
        "zoo.cfg: server.3=c:1:2:participant: every participant must be in a group \
         (allowed: a server that one of the group.G lines names)"
    );
    let config = quiet(&format!("{members}\ngroup.1=1:2\ngroup.2=3\nweight.3=2"));
    assert_eq!(config.ensemble.members.weights[&zab::ServerId(3)], 2);
}

/// A member must know which of the servers it is.
#[test]
fn a_member_has_a_number_of_its_own() {
    let member = |my_id, more: &str| {
        let text = format!("server.1=a:1:2\nserver.2=b:1:2\ninitLimit=5\nsyncLimit=2\n{more}");
        let mut config = quiet(&text);
        config.ensemble.my_id = my_id;
        config.check_member().map_err(|error| error.to_string())
    };
    assert_eq!(member(Some(2), ""), Ok(()));
    assert!(member(None, "").expect_err("no myid").contains("myid file is missing"));
    assert!(member(Some(3), "").expect_err("nobody's number").contains("My id 3 not in the peer list"));
    assert!(member(Some(256), "").expect_err("no byte").contains("0 to 255"));
    let text = member(Some(255), "extendedTypesEnabled=true").expect_err("the mark of TTL nodes");
    assert!(text.contains("0 to 254"), "{text}");
}

#[test]
fn peer_types_and_sasl_flags_are_checked() {
    assert!(quiet("peerType=Observer").ensemble.observer);
    assert!(wrong("peerType=foo").contains("Unrecognised peertype: foo"));
    let server = "quorum.auth.serverRequireSasl=true";
    assert!(
        wrong(server)
            .contains("quorum.auth.enableSasl is disabled, so cannot enable quorum.auth.serverRequireSasl")
    );
    assert!(wrong(&format!("quorum.auth.enableSasl=true\n{server}")).contains(
        "quorum.auth.learnerRequireSasl is disabled, so cannot enable quorum.auth.serverRequireSasl"
    ));
}

#[test]
fn members_do_not_start_without_the_protection_they_should_have() {
    let ensemble = "initLimit=5\nsyncLimit=2\nserver.1=a:1:2\nserver.2=b:1:2";
    for key in ["sslQuorum", "quorum.auth.enableSasl"] {
        let text = wrong(&format!("{ensemble}\n{key}=true"));
        assert!(
            text.contains(&format!(", line 8: {key}=true: ")) && text.contains("is not part of this version"),
            "{text}"
        );
        quiet(&format!("{ensemble}\n{key}=false"));
        quiet(&format!("{key}=true"));
    }
    assert!(noticed("portUnification=true").1.contains("no effect, TLS is not part of this version"));
}

#[test]
fn a_dynamic_file_takes_the_member_lines() {
    let text = wrong("dynamicConfigFile=/d\nserver.1=a:1:2");
    assert!(text.contains("parameter: server.1 must be in a separate dynamic config file"), "{text}");
    let config = quiet("dynamicConfigFile=/d");
    let dynamic = |text: &str| config.clone().with_dynamic("/d", text, &mut Vec::new());
    assert_eq!(dynamic("server.1=a:1:2;2181").unwrap().ensemble.members.voters().count(), 1);
    assert_eq!(dynamic("").unwrap().ensemble.members.voters().count(), 0);
    let text = dynamic("server.1=a:1:2\ntickTime=5").unwrap_err().to_string();
    assert!(text.starts_with("/d, line 2: tickTime=5: Unrecognised parameter: tickTime"), "{text}");
    assert!(
        dynamic("version=5").unwrap_err().to_string().contains("dynamic file shouldn't have version inside")
    );
}

#[test]
fn the_client_port_may_stand_in_the_servers_own_line() {
    let text = "dataDir=/zk\nserver.1=localhost:2888:3888;2181\n";
    let adopt = |text: &str, my_id: Option<&str>| {
        let (config, _) = Config::parse("zoo.cfg", text, &[]).unwrap();
        let mut notices = Vec::new();
        config.with_my_id(my_id, &mut notices).map(|config| (config, notices.len()))
    };
    let (config, notices) = adopt(text, Some("1\n")).unwrap();
    assert_eq!((config.listen.client_port, notices), (Some(2181), 0));
    assert_eq!(config.listen.client_port_address.as_deref(), Some("0.0.0.0"));
    let (config, notices) = adopt(text, None).unwrap();
    assert_eq!((config.listen.client_port, notices), (Some(2181), 1), "a missing myid is worth a warning");
    let (config, notices) = adopt(text, Some("2")).unwrap();
    assert_eq!((config.listen.client_port, notices), (None, 1), "another server's line");
    assert_eq!(adopt(text, Some(" 1 \r\n")).unwrap().0.ensemble.my_id, Some(1));
    assert!(adopt(text, Some("one")).unwrap_err().to_string().contains("serverid one is not a number"));
    assert!(adopt(text, Some("")).is_err());
    assert!(adopt(&format!("{text}clientPort=2181"), Some("1")).is_ok());
    let error = adopt(&format!("{text}clientPort=2182"), Some("1")).unwrap_err().to_string();
    assert_eq!(
        error,
        "zoo.cfg: client address for this server (id = 1) in static config file is 0.0.0.0:2182 is different from client \
         address found in dynamic file: 0.0.0.0:2181"
    );
}

#[test]
fn the_client_address_is_resolved_and_the_wildcard_takes_both_families() {
    let address = |line: &str| quiet(line).client_address().map(|address| address.unwrap().to_string());
    assert_eq!(address("").unwrap(), "[::]:2181");
    assert_eq!(address("clientPortAddress=0.0.0.0").unwrap(), "[::]:2181");
    assert_eq!(address("clientPortAddress=127.0.0.1").unwrap(), "127.0.0.1:2181");
    assert_eq!(address("clientPortAddress=[::1]").unwrap(), "[::1]:2181");
    let error = address("clientPortAddress=no such host").unwrap_err().to_string();
    assert!(error.starts_with("zoo.cfg: clientPortAddress=no such host: unknown host: "), "{error}");
    assert_eq!(Config::default().client_address(), Ok(None));
}

#[test]
fn the_local_start_needs_no_file() {
    let config = Config::default_local();
    assert_eq!(config.listen.client_port, Some(2181));
    assert_eq!(config.listen.client_port_address.as_deref(), Some("127.0.0.1"));
    assert_eq!(config.data_dir, Path::new("./headkeeper-data"));
    assert_eq!(config.operations.words_whitelist.as_deref(), Some("*"));
}

#[test]
fn port_and_directory_may_be_arguments() {
    let arguments = |list: &[&str]| {
        let list: Vec<String> = list.iter().map(|text| (*text).to_owned()).collect();
        Config::from_arguments(&list, &[]).map(|(config, _)| config).map_err(|error| error.to_string())
    };
    let config = arguments(&["2181", "/zk", "500", "7"]).unwrap();
    assert_eq!((config.listen.client_port, config.sessions.tick_time_ms), (Some(2181), 500));
    assert_eq!(config.listen.max_client_cnxns, 7);
    assert_eq!(arguments(&["2181", "/zk"]).unwrap().sessions.tick_time_ms, 3000);
    assert!(
        arguments(&["zoo", "/zk"]).unwrap_err().starts_with("argument: clientPort=zoo: For input string")
    );
    assert!(
        arguments(&["1"]).unwrap_err().starts_with("Usage: ZooKeeperServerMain configfile | port datadir")
    );
}

#[test]
fn files_are_found_read_and_missed() {
    let dir = scratch("load");
    let path = dir.join("zoo.cfg");
    let load = |path: &Path| load::load(path, &[]);
    assert!(load(&path).unwrap_err().to_string().ends_with("zoo.cfg file is missing"));
    assert!(load(&dir).unwrap_err().to_string().contains("Error processing"));
    let data = dir.join("data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("myid"), "7\n").unwrap();
    std::fs::write(dir.join("zoo.cfg.dynamic.5"), "server.7=h:1:2;[::1]:2185").unwrap();
    let shown = dir.display();
    std::fs::write(&path, format!("dataDir={shown}/data\ndynamicConfigFile={shown}/zoo.cfg.dynamic.5"))
        .unwrap();
    let (config, notices) = load(&path).unwrap();
    assert_eq!(config.ensemble.my_id, Some(7));
    assert_eq!(
        (config.listen.client_port, config.listen.client_port_address.as_deref()),
        (Some(2185), Some("::1"))
    );
    assert_eq!(
        notices.iter().filter(|notice| notice.level == Level::Error).count(),
        1,
        "one server: {notices:?}"
    );
    std::fs::write(data.join("myid"), "seven").unwrap();
    assert!(load(&path).unwrap_err().to_string().contains("serverid seven is not a number"));
}

#[test]
fn directories_are_made_and_checked() {
    let dir = scratch("directories");
    let mut config =
        Config { data_dir: dir.join("a"), data_log_dir: Some(dir.join("b")), ..Config::default() };
    config.storage.datadir_autocreate = false;
    let text = load::prepare_directories(&config).unwrap_err().to_string();
    assert!(text.starts_with("Missing data directory "), "{text}");
    assert!(
        text.ends_with("(zookeeper.datadir.autocreate is false). Please create this directory manually."),
        "{text}"
    );
    config.storage.datadir_autocreate = true;
    load::prepare_directories(&config).unwrap();
    assert!(config.snap_version_dir().is_dir() && config.log_version_dir().is_dir());
    std::fs::write(config.log_version_dir().join("snapshot.0"), "").unwrap();
    let text = load::prepare_directories(&config).unwrap_err().to_string();
    let hint = "Check if dataLogDir and dataDir configuration is correct.";
    assert!(text.starts_with(&format!("Log directory has snapshot files. {hint}")), "{text}");
    std::fs::remove_file(config.log_version_dir().join("snapshot.0")).unwrap();
    std::fs::write(config.snap_version_dir().join("log.1"), "").unwrap();
    let text = load::prepare_directories(&config).unwrap_err().to_string();
    assert!(text.starts_with(&format!("Snapshot directory has log files. {hint}")), "{text}");
    std::fs::write(dir.join("file"), "").unwrap();
    config = Config { data_dir: dir.join("file"), ..Config::default() };
    let text = load::prepare_directories(&config).unwrap_err().to_string();
    assert!(text.starts_with("Unable to create data directory "), "{text}");
}

#[test]
fn a_data_dir_that_is_the_version_dir_is_refused() {
    let dir = scratch("version");
    std::fs::write(dir.join("snapshot.1f.gz"), "").unwrap();
    let config = Config { data_dir: dir.clone(), ..Config::default() };
    let text = load::prepare_directories(&config).unwrap_err().to_string();
    assert!(
        text.contains("/snapshot.1f.gz is in dataDir itself") && text.contains("the directory above"),
        "{text}"
    );
    std::fs::rename(dir.join("snapshot.1f.gz"), dir.join("snapshot.txt")).unwrap();
    load::prepare_directories(&config).unwrap();
    std::fs::write(dir.join("snapshot.1"), "").unwrap();
    load::prepare_directories(&config).expect("version-2 is there by now");
}

#[test]
fn the_configuration_md_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let wanted = document::markdown();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == wanted,
        "docs/configuration.md is stale: UPDATE_DOCS=1 cargo test -p server configuration_md"
    );
}

#[test]
fn help_names_every_key() {
    let help = document::help();
    for key in table::keys() {
        assert!(help.contains(key.name), "{}", key.name);
        assert!(document::help_key(key).contains("allowed: "));
        assert_eq!(key.flag().is_none(), key.class == Class::File);
    }
}

#[test]
fn any_text_and_any_flags_are_survived() {
    let names: Vec<&str> =
        table::keys().map(|key| key.name).chain(["server.1", "group.1", "weight.2", "x"]).collect();
    let values = [
        "",
        "-1",
        "0",
        "1",
        "65536",
        "true",
        "yes",
        "no",
        "a:1:2;3",
        "1:2",
        "[",
        "0x7fffffff",
        "é\\u00",
        "9e9",
    ];
    let separators = ["=", ":", " ", "\\\n", "==", "\\=", "#", "\r"];
    let mut state = 7u64;
    let mut next = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    let mut accepted = 0;
    for _ in 0..5000 {
        let mut text = String::from(if next(2) == 0 { "dataDir=/zk\nclientPort=1\n" } else { "" });
        let mut pairs = Vec::new();
        for _ in 0..next(6) {
            let (name, value) = (names[next(names.len())], values[next(values.len())]);
            text.push_str(&format!("{name}{}{value}\n", separators[next(separators.len())]));
            let prefix = if next(2) == 0 { "zookeeper." } else { "" };
            pairs.push((format!("{prefix}{name}"), values[next(values.len())].to_owned()));
        }
        match Config::parse("zoo.cfg", &text, &pairs) {
            Ok((config, _)) => {
                accepted += 1;
                let _ = config.with_my_id(Some("1"), &mut Vec::new());
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    assert!(accepted > 100, "{accepted}");
}

/// An empty directory of this test's own.
fn scratch(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("headkeeper-config-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

//! What a value may be, and what becomes of one that is wrong.

use super::*;

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

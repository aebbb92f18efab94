//! What stops the start, and what is worth a warning.

use super::*;

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

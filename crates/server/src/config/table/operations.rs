//! What an operator sees and runs (reference: operations §1.1, §1.6, §1.7).

use crate::config::Config;
use crate::config::key::Class::{File, Property, System};
use crate::config::key::Kind::{Int, Switch, Text, Unread};
use crate::config::key::Verdict::{Honoured, Ignored, Later, Rejected};
use crate::config::key::{Key, Trouble};
use crate::config::numbers::parse_decimal;

const ADMIN_SERVER: &str = "the admin server";
const AUDIT: &str = "the audit log";
const ONLY_TESTS: &str = "it exists for Apache's own tests and endangers data";

#[rustfmt::skip]
pub static KEYS: &[Key] = &[
    Key::new("4lw.commands.whitelist", Property, Honoured, Text("words separated by commas, or *", whitelist), "",
        "Four-letter words that are answered. Unset: srvr, which is always answered."),
    Key::new("readonlymode.enabled", System, Honoured, Switch(|c, v| c.operations.read_only_mode = v), "false",
        "Whether a server without a quorum serves reads; also answers isro."),
    Key::new("autopurge.snapRetainCount", File, Honoured,
        Int(i32::MIN, i32::MAX, |c, v| c.operations.snap_retain_count = v), "3",
        "Snapshots the purge keeps; less than 3 is 3."),
    Key::new("autopurge.purgeInterval", File, Honoured,
        Text("hours, or a number with ms, s, m, h or d", purge_interval), "0",
        "Time between two purges; 0 is never."),
    Key::new("metricsProvider.className", File, Honoured, Text("the class name of a provider Apache ships", metrics), "",
        "Where metrics go. mntr shows them in any case."),
    Key::new("metricsProvider.*", File, Later("the Prometheus port"), Unread, "", "Settings of the metrics provider."),
];

#[rustfmt::skip]
pub static ADMIN: &[Key] = &[
    Key::new("admin.enableServer", Property, Later(ADMIN_SERVER), Unread, "false", "Whether there is an admin server."),
    Key::new("admin.serverAddress", Property, Later(ADMIN_SERVER), Unread, "0.0.0.0", "Its address."),
    Key::new("admin.serverPort", Property, Later(ADMIN_SERVER), Unread, "8080", "Its TCP port."),
    Key::new("admin.idleTimeout", Property, Later(ADMIN_SERVER), Unread, "30000", "Milliseconds."),
    Key::new("admin.commandURL", Property, Later(ADMIN_SERVER), Unread, "/commands", "Its root."),
    Key::new("admin.portUnification", Property, Later(ADMIN_SERVER), Unread, "false", "Whether it takes TLS as well."),
    Key::new("admin.forceHttps", Property, Later(ADMIN_SERVER), Unread, "false", "Whether it takes TLS only."),
    Key::new("admin.needClientAuth", Property, Later(ADMIN_SERVER), Unread, "false", "Whether it wants certificates."),
    Key::new("admin.httpVersion", Property, Ignored("HTTP versions are negotiated"), Unread, "11", "HTTP version."),
    Key::new("admin.snapshot.enabled", Property, Later(ADMIN_SERVER), Unread, "true", "Whether it gives snapshots."),
    Key::new("admin.restore.enabled", Property, Later(ADMIN_SERVER), Unread, "true", "Whether it takes snapshots."),
    Key::new("admin.rateLimiterIntervalInMS", Property, Later(ADMIN_SERVER), Unread, "300000",
        "Milliseconds between two of them."),
    Key::new("audit.enable", Property, Later(AUDIT), Unread, "false", "Whether changes are written to an audit log."),
    Key::new("audit.impl.class", Property, Later(AUDIT), Unread, "", "Where it goes."),
];

#[rustfmt::skip]
pub static TESTS: &[Key] = &[
    Key::new("test.allowDiscontinuousProposals", Property, Rejected(ONLY_TESTS), Unread, "", "For tests."),
    Key::new("testingonly.initialZxid", Property, Rejected(ONLY_TESTS), Unread, "", "For tests."),
    Key::new("controllerPort", Property, Rejected(ONLY_TESTS), Unread, "", "For tests."),
];

fn whitelist(config: &mut Config, value: &str) -> Result<(), Trouble> {
    config.operations.words_whitelist = Some(value.to_owned());
    Ok(())
}

/// A bare number is hours; longer units have a suffix, as Apache takes them from 3.10 on.
fn purge_interval(config: &mut Config, value: &str) -> Result<(), Trouble> {
    let digits = value.find(|c: char| !c.is_ascii_digit() && c != '-' && c != '+').unwrap_or(value.len());
    let (number, suffix) = value.split_at(digits);
    let unit_ms: u64 = match suffix {
        "" | "h" => 3_600_000,
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "d" => 86_400_000,
        _ if digits == 0 => return Err(Trouble::Wrong(format!("For input string: {value:?}"))),
        _ => return Err(Trouble::Wrong(format!("Illegal time interval suffix: {suffix}"))),
    };
    let number =
        parse_decimal(number).ok_or_else(|| Trouble::Wrong(format!("For input string: {number:?}")))?;
    config.operations.purge_interval_ms = u64::try_from(number).unwrap_or(0).saturating_mul(unit_ms);
    Ok(())
}

fn metrics(_: &mut Config, value: &str) -> Result<(), Trouble> {
    match value {
        "org.apache.zookeeper.metrics.impl.DefaultMetricsProvider"
        | "org.apache.zookeeper.metrics.impl.NullMetricsProvider" => Ok(()),
        "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider" => Err(Trouble::Doubt(
            "the Prometheus port is not part of this version; mntr shows the metrics".to_owned(),
        )),
        _ => Err(Trouble::Wrong("metrics provider class was not found".to_owned())),
    }
}

//! What a configuration means, told by example.

mod files;
mod members;
mod names;
mod refusals;
mod values;

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

//! The date in the version line: `SOURCE_DATE_EPOCH` where it is set, otherwise the time of the last commit, so that the
//! same source gives the same program. Outside git it is said to be unknown.

#[allow(dead_code, reason = "one of its functions is enough here")]
#[path = "src/utc.rs"]
mod utc;

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo::rerun-if-changed=build.rs");
    // While developing a new commit is no reason to build anew; a release knows its own.
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release")
        && let Some(path) = git(&["rev-parse", "--git-path", "logs/HEAD"])
    {
        println!("cargo::rerun-if-changed={path}");
    }
    let seconds = std::env::var("SOURCE_DATE_EPOCH").ok().or_else(|| git(&["log", "-1", "--format=%ct"]));
    let date = seconds.and_then(|text| text.trim().parse::<i64>().ok()).map(|seconds| {
        let text = utc::iso8601(seconds.saturating_mul(1000));
        format!("{} {} UTC", &text[..10], &text[11..16])
    });
    println!("cargo::rustc-env=HEADKEEPER_BUILT_ON={}", date.as_deref().unwrap_or("an unknown date"));
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

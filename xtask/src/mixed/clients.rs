//! Other people's clients, which hold sessions while servers come and go: kazoo, and the Java client with Curator.

use crate::interop::{java_classpath, python_with_kazoo};
use crate::workspace::root;
use anyhow::Result;
use interop::mixed::Foreign;

pub(super) fn foreign() -> Result<Vec<Foreign>> {
    let kazoo = [
        python_with_kazoo()?.join("bin/python").display().to_string(),
        root().join("interop/mixed/hold.py").display().to_string(),
    ];
    let java = [
        "java".to_owned(),
        "-Xmx128m".to_owned(),
        "-XX:+UseSerialGC".to_owned(),
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=off".to_owned(),
        "-cp".to_owned(),
        java_classpath()?,
        "headkeeper.mixed.Hold".to_owned(),
    ];
    let client =
        |name: &str, command: &[String]| Foreign { name: name.to_owned(), command: command.to_vec() };
    Ok(vec![client("kazoo", &kazoo), client("curator", &java)])
}

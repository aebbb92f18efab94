//! The C client's library (3.8, from Debian): a driver in C for what its shell has no command for.

use super::report::Report;
use super::server::Server;
use super::{Stage, tools};
use crate::workspace::{root, run as run_tool};
use anyhow::Result;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

pub(super) fn run(stage: &Stage) -> Result<Report> {
    tools::debian(
        Path::new("/usr/include/zookeeper/zookeeper.h"),
        &["libzookeeper-mt-dev", "gcc", "libc6-dev"],
    )?;
    let driver = stage.scratch.join("driver");
    run_tool(
        Command::new("gcc")
            .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-DTHREADED", "-O1", "-o"])
            .arg(&driver)
            .arg(root().join("interop/c/driver.c"))
            .args(["-lzookeeper_mt", "-lpthread"]),
    )?;
    let mut server = Server::start(stage, "server", &["extendedTypesEnabled=true"], &[])?;
    let log = stage.scratch.join("driver.log");
    let address = server.address();
    tools::drive(Command::new(&driver).arg(address), &mut server, &log, Duration::from_secs(300))
}

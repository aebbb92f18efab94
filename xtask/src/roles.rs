//! Local sessions and read-only mode of three servers, ours beside Apache's.

use crate::apache;
use crate::differential::binary;
use crate::workspace::target;
use anyhow::{Result, bail};
use clap::Args;
use interop::process::Program;
use interop::roles::{Plan, run as compare};
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Roles {
    /// The first of eighteen ports: nine for Apache's servers, nine for ours.
    #[arg(long, default_value_t = 26230)]
    port: u16,
    /// A binary to compare instead of building one.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Which of the three servers are Apache's all the same, e.g. 1 or 2,3; with all three, what still differs is chance.
    #[arg(long, value_delimiter = ',', value_name = "SERVERS")]
    apache: Vec<usize>,
}

pub(crate) fn run(arguments: Roles) -> Result<()> {
    let judge = Program::Apache { classpath: apache::classpath()? };
    let ours = Program::Headkeeper { binary: binary(arguments.binary)? };
    let is_apache = |place: usize| arguments.apache.contains(&(place + 1));
    let subject = std::array::from_fn(|place| if is_apache(place) { &judge } else { &ours }.clone());
    let directory = target().join("roles").join(arguments.port.to_string());
    let report = compare(&Plan { judge, subject, port: arguments.port, directory })?;
    for difference in &report.differences {
        println!("{difference}");
    }
    if !report.differences.is_empty() {
        bail!("the servers differ (- is Apache's, + is ours)");
    }
    if report.tolerated == 0 && arguments.apache.is_empty() {
        bail!("nothing differs on purpose any more: empty the list in crates/interop/src/roles/mod.rs");
    }
    println!("{} lines alike, {} differ on purpose", report.alike, report.tolerated);
    Ok(())
}

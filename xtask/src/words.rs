//! Every four-letter word of our server beside Apache's.

use crate::apache;
use crate::differential::binary;
use crate::workspace::target;
use anyhow::{Result, bail};
use clap::Args;
use interop::operator::{Plan, run as compare};
use interop::process::Program;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Words {
    /// The port of the Apache server; ours gets the next one.
    #[arg(long, default_value_t = 26120)]
    port: u16,
    /// A binary to compare instead of building one.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Compare Apache with Apache: what still differs is chance.
    #[arg(long)]
    apache_itself: bool,
}

pub(crate) fn run(arguments: Words) -> Result<()> {
    let judge = Program::Apache { classpath: apache::classpath()? };
    let subject = match arguments.apache_itself {
        true => Clone::clone(&judge),
        false => Program::Headkeeper { binary: binary(arguments.binary)? },
    };
    let plan = Plan {
        judge,
        subject,
        ports: (arguments.port, arguments.port + 1),
        directory: target().join("words").join(arguments.port.to_string()),
    };
    let report = compare(&plan)?;
    for line in &report.differences {
        println!("{line}");
    }
    for entry in &report.unused {
        println!("tolerated without need: {entry}");
    }
    if !report.differences.is_empty() {
        bail!("the servers differ (- is Apache's, + is ours)");
    }
    if !report.unused.is_empty() && !arguments.apache_itself {
        bail!("the list of tolerated differences is too long");
    }
    println!("{} answers compared, all alike but for what is tolerated", report.compared);
    Ok(())
}

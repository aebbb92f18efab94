//! Observers that learn from followers, Apache's from ours and ours from Apache's.

use crate::apache;
use crate::differential::binary;
use crate::workspace::target;
use anyhow::Result;
use clap::Args;
use interop::observers::{Plan, run as tell};
use interop::process::Program;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Observers {
    /// The first of thirty ports.
    #[arg(long, default_value_t = 26400)]
    port: u16,
    /// A binary to run instead of building one.
    #[arg(long)]
    binary: Option<PathBuf>,
}

pub(crate) fn run(arguments: Observers) -> Result<()> {
    let plan = Plan {
        apache: Program::Apache { classpath: apache::classpath()? },
        ours: Program::Headkeeper { binary: binary(arguments.binary)? },
        port: arguments.port,
        directory: target().join("observers").join(arguments.port.to_string()),
    };
    for line in tell(&plan)? {
        println!("{line}");
    }
    Ok(())
}

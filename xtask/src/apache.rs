//! An Apache ZooKeeper 3.9.5 to compare with: its jars, and a standalone server of it.

use crate::workspace::{cache, root, run as run_tool};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Subcommand)]
pub(crate) enum Apache {
    /// Fetch the jars with Maven (once) and print the class path.
    Classpath,
    /// Become a standalone server in the foreground; stop it with a signal.
    ///
    /// The process is replaced by `java`, so the id of the process that was started is the server's.
    /// It is ready when it answers `ruok` on its client port, after one to two seconds.
    Start(Start),
    /// Become a Java class of Apache's, e.g. `run org.apache.zookeeper.ZooKeeperMain -- -server 127.0.0.1:2181`.
    Run(Run),
}

#[derive(Args)]
pub(crate) struct Start {
    /// The client port, on 127.0.0.1.
    #[arg(long)]
    pub(crate) port: u16,
    /// The directory that holds the data (`dataDir`) and the written zoo.cfg; made when absent.
    #[arg(long)]
    pub(crate) data: PathBuf,
    /// A line of zoo.cfg, `key=value`; may be repeated, and wins over what is written by default.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) settings: Vec<String>,
    /// A Java system property, `name=value`; may be repeated.
    #[arg(short = 'D', value_name = "NAME=VALUE")]
    pub(crate) properties: Vec<String>,
    /// Another flag for `java`, e.g. -Xmx1g; may be repeated.
    #[arg(long = "java", value_name = "FLAG", allow_hyphen_values = true)]
    pub(crate) java_flags: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Run {
    /// The class to run.
    class: String,
    /// Its arguments.
    #[arg(last = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(command: Apache) -> Result<()> {
    match command {
        Apache::Classpath => {
            println!("{}", classpath()?);
            Ok(())
        }
        Apache::Start(start) => Err(server_command(&start)?.exec()).context("cannot become java"),
        Apache::Run(Run { class, arguments }) => {
            let mut java = Command::new("java");
            java.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
                .arg("-cp")
                .arg(classpath()?)
                .arg(class)
                .args(arguments);
            Err(java.exec()).context("cannot become java")
        }
    }
}

/// The class path of Apache ZooKeeper's server, client and tools.
pub(crate) fn classpath() -> Result<String> {
    jars(&root().join("interop/apache/pom.xml"), &cache().join("apache/lib"))
}

/// The class path of the newest server of the line before, which live ensembles still run.
pub(crate) fn classpath_3_8() -> Result<String> {
    jars(&root().join("interop/apache-3.8/pom.xml"), &cache().join("apache-3.8/lib"))
}

/// Copies every jar that `pom` names into `directory`, unless that was done before, and gives the class path for them.
pub(crate) fn jars(pom: &Path, directory: &Path) -> Result<String> {
    let wanted = fs::read(pom).with_context(|| format!("cannot read {}", pom.display()))?;
    let stamp = directory.join("pom.xml");
    if fs::read(&stamp).ok().as_ref() != Some(&wanted) {
        let _ = fs::remove_dir_all(directory);
        fs::create_dir_all(directory)?;
        eprintln!("fetching the jars of {}", pom.display());
        run_tool(
            Command::new("mvn")
                .args(["--quiet", "--batch-mode", "--file"])
                .arg(pom)
                .arg("dependency:copy-dependencies")
                .arg(format!("-DoutputDirectory={}", directory.display()))
                .arg("-DexcludeClassifiers=linux-aarch_64,osx-aarch_64,osx-x86_64,windows-x86_64"),
        )?;
        fs::write(&stamp, &wanted)?;
    }
    Ok(directory.join("*").display().to_string())
}

/// Writes zoo.cfg into the data directory and gives the command that serves it.
pub(crate) fn server_command(start: &Start) -> Result<Command> {
    fs::create_dir_all(&start.data)?;
    let data = start.data.canonicalize()?;
    let configuration = data.join("zoo.cfg");
    fs::write(&configuration, configuration_text(&data, start.port, &start.settings)?)?;
    let mut java = Command::new("java");
    java.args(&start.java_flags);
    java.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn").arg("-Dfile.encoding=UTF-8");
    java.args(start.properties.iter().map(|property| format!("-D{property}")));
    java.arg("-cp").arg(classpath()?);
    java.arg("org.apache.zookeeper.server.quorum.QuorumPeerMain").arg(&configuration);
    Ok(java)
}

/// A zoo.cfg for a standalone server on 127.0.0.1; `settings` replace the defaults of the same key.
pub(crate) fn configuration_text(data: &Path, port: u16, settings: &[String]) -> Result<String> {
    let mut lines: Vec<(String, String)> = [
        ("tickTime", "2000".to_owned()),
        ("dataDir", data.display().to_string()),
        ("clientPort", port.to_string()),
        ("clientPortAddress", "127.0.0.1".to_owned()),
        ("admin.enableServer", "false".to_owned()),
        ("4lw.commands.whitelist", "*".to_owned()),
        ("maxClientCnxns", "0".to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    for setting in settings {
        let Some((key, value)) = setting.split_once('=') else {
            bail!("--set {setting}: KEY=VALUE is wanted");
        };
        lines.retain(|(known, _)| known != key);
        lines.push((key.to_owned(), value.to_owned()));
    }
    Ok(lines.iter().map(|(key, value)| format!("{key}={value}\n")).collect())
}

//! One data directory, two servers: what one of them wrote, the other must show alike.
//!
//! A server is filled (`fill`), looked at (`crate::picture`) and killed; the other one starts on the directory and must show
//! the same nodes with stats and ACLs, the same sessions with their ephemerals, alive as long as their clients come back
//! and gone when they do not, and must not find a digest that is not the tree's. Then it goes on with the directory.

mod fill;

use crate::patience::{PATIENCE, START_PATIENCE};
use crate::picture::{self, Picture};
use crate::process::{Program, Server};
use crate::profile::Profile;
use fill::Filling;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What to do with which servers.
#[derive(Clone, Debug)]
pub struct Options {
    /// Apache's server.
    pub apache: Program,
    /// Ours.
    pub ours: Program,
    /// For the data; emptied.
    pub directory: PathBuf,
    /// Where the servers listen.
    pub port: u16,
    /// Decides what is written.
    pub seed: u64,
    /// How often the directory goes there and back.
    pub rounds: u32,
    /// Only cases whose names contain this.
    pub case: Option<String>,
}

/// What was compared.
#[derive(Clone, Copy, Default, Debug)]
pub struct Report {
    /// Starts of a server on the other one's directory.
    pub handovers: u32,
    /// Nodes compared, with data, stat and ACL.
    pub nodes: usize,
    /// Sessions that went on on the other server.
    pub renewed: u32,
    /// Sessions that ended there because nobody came back.
    pub expired: u32,
    /// Writes acknowledged before a kill -9 under load, all found.
    pub acknowledged: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { handovers, nodes, renewed, expired, acknowledged } = self;
        write!(
            f,
            "{handovers} starts on the other server's directory, {nodes} nodes alike, {renewed} sessions renewed and \
             {expired} expired there, {acknowledged} writes acknowledged before kill -9 all there"
        )
    }
}

/// How snapshots are compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Compression {
    None,
    Gzip,
    Snappy,
}

/// Which files the other server gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Files {
    /// No snapshot at all.
    LogsOnly,
    /// Only the newest snapshot.
    SnapshotOnly(Compression),
    /// Everything, as a kill -9 under load leaves it, with padded logs.
    Everything(Compression),
}

const LOOK_EVERY: Duration = Duration::from_millis(20);

const CASES: [Files; 7] = [
    Files::LogsOnly,
    Files::SnapshotOnly(Compression::None),
    Files::SnapshotOnly(Compression::Gzip),
    Files::SnapshotOnly(Compression::Snappy),
    Files::Everything(Compression::None),
    Files::Everything(Compression::Gzip),
    Files::Everything(Compression::Snappy),
];

const THERE_AND_BACK: &str = "there and back";

/// Every case in both directions, then there and back.
///
/// # Errors
/// The first difference, or what kept the plan from being carried out.
pub fn run(options: &Options, mut say: impl FnMut(&str)) -> Result<Report, String> {
    let mut report = Report::default();
    let wanted = |name: &str| options.case.as_ref().is_none_or(|part| name.contains(part.as_str()));
    for (from, to) in [(&options.ours, &options.apache), (&options.apache, &options.ours)] {
        for files in CASES {
            let what = format!("{} to {}, {files:?}", name(from), name(to));
            if !wanted(&what) {
                continue;
            }
            let started = Instant::now();
            Case { options, from, to, files }.run(&mut report).map_err(|error| format!("{what}: {error}"))?;
            say(&format!("{what}: alike, {:.1} s", started.elapsed().as_secs_f64()));
        }
    }
    if wanted(THERE_AND_BACK) {
        there_and_back(options, &mut report).map_err(|error| format!("{THERE_AND_BACK}: {error}"))?;
        say(&format!("{THERE_AND_BACK}, {} times: alike", options.rounds));
    }
    if report.handovers == 0 {
        return Err(format!("no case is called {:?}", options.case.as_deref().unwrap_or_default()));
    }
    Ok(report)
}

struct Case<'o> {
    options: &'o Options,
    from: &'o Program,
    to: &'o Program,
    files: Files,
}

impl Case<'_> {
    fn run(&self, report: &mut Report) -> Result<(), String> {
        let directory = self.options.directory.join("case");
        let profile = self.profile();
        let server = start(self.from, &profile, self.options.port, &directory, true)?;
        // Waiting for an expiry takes its time; how the session was written is the same in the other cases.
        let expires = matches!(self.files, Files::LogsOnly | Files::Everything(Compression::None));
        let mut filling = Filling::new(server.address, self.options.seed, expires)?;
        filling.write(120)?;
        let mut acknowledged = None;
        let expected = match self.files {
            Files::LogsOnly => {
                let expected = Picture::take(server.address)?;
                drop(server);
                remove(&directory, |name| name.starts_with("snapshot."))?;
                expected
            }
            Files::SnapshotOnly(_) => {
                let expected = Picture::take(server.address)?;
                let zxid = last_zxid(&server)?;
                drop(server);
                self.take_snapshot(&profile, &directory, zxid)?;
                let newest = format!("snapshot.{zxid:x}");
                remove(&directory, |name| {
                    !name.starts_with(&newest) && name.contains('.') && !name.ends_with("lock")
                })?;
                expected
            }
            Files::Everything(_) => {
                acknowledged = Some(filling.load_until_killed(server)?);
                // What the server that wrote it makes of it is what the other one must make of it.
                let copy = self.options.directory.join("copy");
                copy_directory(&directory, &copy)?;
                let server = start(self.from, &profile, self.options.port, &copy, false)?;
                Picture::take(server.address)?
            }
        };
        let server = start(self.to, &profile, self.options.port, &directory, false)?;
        report.handovers += 1;
        report.nodes += compare(&server, &expected)?;
        if let Some(acknowledged) = acknowledged {
            report.acknowledged += filling.check_load(server.address, acknowledged)?;
        }
        filling.check_sessions(server.address, expires)?;
        report.renewed += 1;
        report.expired += u32::from(expires);
        filling.write(20)?;
        Ok(())
    }

    /// Both servers take a snapshot whenever they start.
    fn take_snapshot(&self, profile: &Profile, directory: &Path, zxid: i64) -> Result<(), String> {
        let _server = start(self.from, profile, self.options.port, directory, false)?;
        let begins = format!("snapshot.{zxid:x}");
        let end = Instant::now() + START_PATIENCE;
        while Instant::now() < end {
            if names(directory)?.iter().any(|name| name.starts_with(&begins)) {
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Err(format!("there is no {begins} after the start"))
    }

    fn profile(&self) -> Profile {
        match self.files {
            Files::LogsOnly => profile(Compression::None, false),
            Files::SnapshotOnly(compression) => profile(compression, false),
            Files::Everything(compression) => profile(compression, true),
        }
    }
}

/// The directory changes hands with writes in between, ended by kill -9 each time.
fn there_and_back(options: &Options, report: &mut Report) -> Result<(), String> {
    let directory = options.directory.join("back");
    let profile = profile(Compression::None, true);
    let mut expected: Option<Picture> = None;
    let mut filling: Option<Filling> = None;
    for round in 0..2 * options.rounds {
        let program = if round % 2 == 0 { &options.ours } else { &options.apache };
        let server = start(program, &profile, options.port, &directory, round == 0)?;
        if let Some(expected) = &expected {
            report.handovers += 1;
            report.nodes += compare(&server, expected).map_err(|error| format!("round {round}: {error}"))?;
        }
        let filling = match &mut filling {
            Some(filling) => {
                filling.renew(server.address).map_err(|error| format!("round {round}: {error}"))?;
                report.renewed += 1;
                filling
            }
            none => none.insert(Filling::new(server.address, options.seed, false)?),
        };
        filling.write(150)?;
        expected = Some(Picture::take(server.address)?);
    }
    Ok(())
}

/// Holds what a server shows against what is expected; returns how many nodes there are.
fn compare(server: &Server, expected: &Picture) -> Result<usize, String> {
    let found = Picture::take(server.address)?;
    expected.compare(&found)?;
    picture::no_digest_mismatch(server.address)?;
    Ok(found.nodes.len())
}

fn start(program: &Program, profile: &Profile, port: u16, at: &Path, fresh: bool) -> Result<Server, String> {
    let started = if fresh { program.start(profile, port, at) } else { program.resume(profile, port, at) };
    started.map_err(|error| format!("{} does not start: {error}", name(program)))
}

fn name(program: &Program) -> &'static str {
    match program {
        Program::Apache { .. } => "Apache",
        Program::Headkeeper { .. } => "Headkeeper",
    }
}

/// Durable, with small padding; with `rolls` a snapshot comes every few hundred writes.
fn profile(compression: Compression, rolls: bool) -> Profile {
    const PROPERTIES: &[(&str, &str)] = &[
        ("zookeeper.extendedTypesEnabled", "true"),
        ("zookeeper.snapshot.trust.empty", "true"),
        ("zookeeper.preAllocSize", "64"),
        ("zookeeper.snapshot.compression.method", ""),
    ];
    const GZIP: &[(&str, &str)] =
        &[PROPERTIES[0], PROPERTIES[1], PROPERTIES[2], ("zookeeper.snapshot.compression.method", "gz")];
    const SNAPPY: &[(&str, &str)] =
        &[PROPERTIES[0], PROPERTIES[1], PROPERTIES[2], ("zookeeper.snapshot.compression.method", "snappy")];
    Profile {
        name: "exchange",
        settings: if rolls { &[("forceSync", "yes"), ("snapCount", "300")] } else { &[("forceSync", "yes")] },
        properties: match compression {
            Compression::None => PROPERTIES,
            Compression::Gzip => GZIP,
            Compression::Snappy => SNAPPY,
        },
        jute_max_buffer: 65536,
        extended_types: true,
        enforce_quota: false,
        skip_acl: false,
        restarts: false,
    }
}

/// From `srvr`.
fn last_zxid(server: &Server) -> Result<i64, String> {
    let text = client::four_letter_word(server.address, "srvr", PATIENCE);
    let text = text.map_err(|error| error.to_string())?;
    let zxid = text.lines().find_map(|line| line.strip_prefix("Zxid: 0x"));
    zxid.and_then(|hex| i64::from_str_radix(hex, 16).ok()).ok_or_else(|| format!("no zxid in {text}"))
}

fn version_directory(directory: &Path) -> PathBuf {
    directory.join("data/version-2")
}

fn names(directory: &Path) -> Result<Vec<String>, String> {
    let entries = fs::read_dir(version_directory(directory)).map_err(|error| error.to_string())?;
    entries
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}

fn remove(directory: &Path, doomed: impl Fn(&str) -> bool) -> Result<(), String> {
    for name in names(directory)?.iter().filter(|name| doomed(name)) {
        fs::remove_file(version_directory(directory).join(name)).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// With its holes filled; the files are small.
fn copy_directory(from: &Path, to: &Path) -> Result<(), String> {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(version_directory(to)).map_err(|error| error.to_string())?;
    for name in names(from)? {
        fs::copy(version_directory(from).join(&name), version_directory(to).join(&name))
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

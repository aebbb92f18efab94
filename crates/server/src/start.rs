//! From a configuration to a server that is ready to run: directories, locks, sockets, recovery, node.

use crate::clock::Clock;
use crate::config::Config;
use crate::config::load::{DirectoryError, prepare_directories};
use crate::disk::files::{DiskCounters, FileDisk, FilesConfig};
use crate::disk::lanes::{Lanes, Recovery};
use crate::disk::lock::DirectoryLocks;
use crate::disk::progress::ProgressDisk;
use crate::event_loop::{EventLoop, Parts};
use crate::flw::java_address;
use crate::net::listen::{ListenConfig, Listener};
use crate::net::peers::{Peers, PeersConfig};
use crate::serving::Serving;
use crate::stop::Stop;
use node::{Admin, Halt, Input, Node, NoteLevel, Outputs, Recover, RecoverFailure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{Disk, Epochs, Recovered, RecoveryError, TruncateError};

/// The election port cannot be had (reference: operations §9).
const EXIT_ELECTION_PORT: u8 = 14;

/// Why a server does not start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StartError {
    /// What the process ends with (reference: operations §9).
    pub exit_code: u8,
    /// The line for the operator.
    pub message: String,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StartError {}

/// A server with its data loaded and its port bound.
pub struct Server {
    event_loop: EventLoop,
    parts: Parts<Serving>,
    address: Option<SocketAddr>,
    _locks: DirectoryLocks,
}

impl Server {
    /// Does everything up to accepting connections. The port is bound before the data is loaded, so that a port that is
    /// taken is noticed at once. Early clients wait in the backlog of a server that is alone; where there are others, they are
    /// refused until the data is loaded, so that they go there.
    ///
    /// # Errors
    /// With the exit code and the line for the operator.
    pub fn open(config: &Config) -> Result<Server, StartError> {
        raise_open_file_limit();
        let peers_config = member_config(config)?;
        prepare_directories(config).map_err(|e| failure(DirectoryError::EXIT_CODE as u8, e))?;
        let locks = DirectoryLocks::take(&[config.log_version_dir(), config.snap_version_dir()])
            .map_err(|e| failure(DirectoryError::EXIT_CODE as u8, e))?;
        let listener = listen(config)?;
        let address = listener.as_ref().map(Listener::address);
        let files = files_config(config);
        let started = Instant::now();
        let recovered = load(config, &files)?;
        if let Some(listener) = &listener {
            listener.listen().map_err(|e| no_client_port(&[in_vain(listener.address(), &e)]))?;
        }
        let took_ms = started.elapsed().as_millis() as u64;
        let epochs = config.is_member().then(|| load_epochs(&files, &recovered)).transpose()?;

        let event_loop = EventLoop::new().map_err(|e| failure(1, format!("cannot wait for events: {e}")))?;
        let recovery = config.is_member().then(|| recovery(config));
        let lanes = Lanes::start_with(&files, config.store_config(), recovery, event_loop.waker())
            .map_err(|e| failure(1, format!("cannot start the disk threads: {e}")))?;
        let peers = peers_config.map(|peers| Peers::open(peers, lanes.outbox())).transpose();
        let peers = peers.map_err(|e| failure(EXIT_ELECTION_PORT, e))?;
        let clock = Clock::start();
        let mut out = Outputs::default();
        let mut told = config.clone();
        told.listen.client_port = address.map(|a| a.port());
        let seed = RandomState::new().build_hasher().finish();
        log::info!(
            "Snapshot loaded in {took_ms} ms, highest zxid is 0x{:x}, digest is {}; {} transactions from the log",
            recovered.tree.last_zxid().0,
            recovered.tree.digest(),
            recovered.replayed
        );
        let now = clock.now();
        let mut node = match epochs {
            None => Node::new(config.node_config(), recovered, seed, now, &mut out),
            Some(epochs) => {
                let membership = config.membership(epochs);
                Node::join(config.node_config(), membership, recovered, seed, now, &mut out)
            }
        };
        node.step(now, Input::Admin(Admin::Loaded { took_ms }), &mut out);
        let parts = Parts {
            machine: Serving::new(node, &told),
            out,
            listeners: listener.into_iter().collect(),
            lanes,
            peers,
            clock,
            stop: Stop::new(event_loop.waker()),
            log: Box::new(|level, text| log::log!(target: "headkeeper", log_level(level), "{text}")),
        };
        Ok(Server { event_loop, parts, address, _locks: locks })
    }

    /// Where it listens; `None` without a client port.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// How to end it.
    pub fn stop(&self) -> Stop {
        self.parts.stop.clone()
    }

    /// The node, before it runs.
    pub fn node(&self) -> &Node {
        self.parts.machine.node()
    }

    /// Serves until it is stopped or a disk fails.
    ///
    /// # Errors
    /// When the system refuses to wait for events.
    pub fn run(self) -> io::Result<Halt> {
        let Server { event_loop, parts, address: _, _locks } = self;
        event_loop.run(parts)
    }
}

fn failure(exit_code: u8, message: impl fmt::Display) -> StartError {
    StartError { exit_code, message: message.to_string() }
}

/// As a JVM does: as many open files as the system allows this process, since every client is one.
fn raise_open_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(e) = setrlimit(Resource::Nofile, raised) {
            log::warn!("cannot raise the limit of open files from {:?}: {e}", limit.current);
        }
    }
}

fn log_level(level: NoteLevel) -> log::Level {
    match level {
        NoteLevel::Debug => log::Level::Debug,
        NoteLevel::Info => log::Level::Info,
        NoteLevel::Warn => log::Level::Warn,
        NoteLevel::Error => log::Level::Error,
    }
}

fn files_config(config: &Config) -> FilesConfig {
    let threshold_ms = u64::try_from(config.storage.fsync_warning_threshold_ms).unwrap_or(0);
    FilesConfig {
        log_dir: config.log_version_dir(),
        snap_dir: config.snap_version_dir(),
        log_parent_dir: config.log_dir().to_owned(),
        force_sync: config.storage.force_sync,
        sync_warning: Duration::from_millis(threshold_ms),
        counters: Arc::new(DiskCounters::default()),
    }
}

fn load(config: &Config, files: &FilesConfig) -> Result<Recovered, StartError> {
    let mut disk = ProgressDisk::new(FileDisk::new(files.clone()));
    let hash_seed = RandomState::new().build_hasher().finish();
    let recovered = store::recover(&mut disk, &config.store_config(), config.tree_config(hash_seed))
        .map_err(|e| match e {
            RecoveryError::Directories(text) => failure(DirectoryError::EXIT_CODE as u8, text),
            e => failure(1, format!("Unable to load database on disk: {e}{}", way_out(config, &e))),
        })?;
    for notice in &recovered.notices {
        log::warn!("{notice}");
    }
    Ok(recovered)
}

/// A member's data is on the other members, too.
fn way_out(config: &Config, error: &RecoveryError) -> String {
    match error {
        RecoveryError::Disk(_) | RecoveryError::Directories(_) | RecoveryError::Empty { .. } => String::new(),
        _ if !config.is_member() => String::new(),
        _ => {
            let mut places = vec![config.snap_version_dir(), config.log_version_dir()];
            places.dedup();
            let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
            format!(
                ". Or, since this is a member of an ensemble: while a quorum of the others serves, move {} out of the way, and \
                 it gets everything from their leader",
                places.join(" and ")
            )
        }
    }
}

/// What only a member of an ensemble needs to know before anything else.
fn member_config(config: &Config) -> Result<Option<PeersConfig>, StartError> {
    if !config.is_member() {
        return Ok(None);
    }
    let wrong = |e| failure(2, format!("Invalid config, exiting abnormally: {e}"));
    config.check_member().map_err(wrong)?;
    Ok(Some(config.peers_config()))
}

/// The promises of a member, made whole.
fn load_epochs(files: &FilesConfig, recovered: &Recovered) -> Result<Epochs, StartError> {
    let mut disk = FileDisk::new(files.clone());
    let (epochs, repairs) = store::load_epochs(&mut disk, recovered.last_zxid())
        .map_err(|e| failure(1, format!("Unable to load database on disk: {e}")))?;
    repairs.iter().try_for_each(|op| disk.execute(op)).map_err(|e| failure(1, e))?;
    log::info!("accepted epoch {}, current epoch {}", epochs.accepted, epochs.current);
    Ok(epochs)
}

/// How a member reads its history again after its end was given up.
fn recovery(config: &Config) -> Recovery {
    let config = config.clone();
    Box::new(move |disk, Recover { truncate_to }| {
        let failed =
            |e: &dyn fmt::Display| RecoverFailure::Failed(format!("Unable to load database on disk: {e}"));
        let hash_seed = RandomState::new().build_hasher().finish();
        log::warn!("Truncating the log behind {truncate_to}");
        match store::truncate(disk, &config.store_config(), truncate_to) {
            Ok(()) => store::recover(disk, &config.store_config(), config.tree_config(hash_seed))
                .map(Box::new)
                .map_err(|e| failed(&e)),
            Err(e @ TruncateError::NoOlderSnapshot { .. }) => Err(RecoverFailure::Refused(e.to_string())),
            Err(e) => Err(failed(&e)),
        }
    })
}

fn listen(config: &Config) -> Result<Option<Listener>, StartError> {
    let settings = &config.listen;
    let Some(port) = settings.client_port else {
        log::warn!("clientPort is not set: no client can connect");
        return Ok(None);
    };
    let candidates = match settings.client_port_address.as_deref() {
        Some(host) => (host, port)
            .to_socket_addrs()
            .map(Iterator::collect)
            .map_err(|e| failure(1, format!("cannot resolve clientPortAddress {host}: {e}")))?,
        // As Java: all addresses of both families, where there are both.
        None => vec![
            SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port),
            SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port),
        ],
    };
    let mut last: Vec<String> = Vec::new();
    for address in candidates {
        let listen = ListenConfig { address, backlog: settings.backlog, keep_alive: settings.tcp_keep_alive };
        let bound = if config.is_member() { Listener::reserve(&listen) } else { Listener::bind(&listen) };
        match bound {
            Ok(listener) => {
                log::info!("binding to port {}", java_address(listener.address()));
                return Ok(Some(listener));
            }
            Err(e) => last.push(in_vain(address, &e)),
        }
    }
    Err(no_client_port(&last))
}

fn no_client_port(why: &[String]) -> StartError {
    failure(1, format!("cannot listen on the client port, {}", why.join("; ")))
}

fn in_vain(address: SocketAddr, error: &io::Error) -> String {
    format!("{address}: {error}{}", advice(address, error.kind()).unwrap_or_default())
}

/// What to do about a port that cannot be had.
fn advice(address: SocketAddr, kind: io::ErrorKind) -> Option<String> {
    let port = address.port();
    Some(match kind {
        io::ErrorKind::AddrInUse => format!(
            ". Another server is there (`ss -ltnp 'sport = :{port}'` shows which): stop it, or choose another clientPort, \
             as in `headkeeper serve {} DATADIR`",
            port.wrapping_add(1).max(1024)
        ),
        io::ErrorKind::AddrNotAvailable => {
            ". clientPortAddress is no address of this machine (`ip address` shows those it has)".to_owned()
        }
        io::ErrorKind::PermissionDenied if port < 1024 => {
            ". Ports below 1024 need the capability CAP_NET_BIND_SERVICE: choose a higher clientPort"
                .to_owned()
        }
        _ => return None,
    })
}

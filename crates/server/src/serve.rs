//! A server as a process: what it says at the start, signals, the exit code.

use crate::config::Config;
use crate::start::Server;
use crate::stop::Stop;
use node::Halt;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::thread;

/// A failed disk (reference: operations §9).
const EXIT_DISK: u8 = 10;

/// Serves until SIGTERM, SIGINT or SIGHUP, or until a disk fails; logging is up already.
///
/// Exit codes: 0 stopped as asked, 1 data that cannot be loaded or a port that cannot be had, 3 data directories, 10 a
/// disk that failed while serving, 14 an election port that cannot be had.
pub fn serve(config: &Config) -> ExitCode {
    complain_in_one_line_on_panic();
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, message)) => {
            log::error!("{message}");
            log::error!("Exiting with code {code}");
            ExitCode::from(code)
        }
    }
}

fn run(config: &Config) -> Result<(), (u8, String)> {
    let server = Server::open(config).map_err(|e| (e.exit_code, e.message))?;
    stop_on_signals(server.stop()).map_err(|e| (1, format!("cannot listen to signals: {e}")))?;
    introduce(config, &server);
    match server.run() {
        Ok(Halt::Stopped) => {
            log::info!("stopped");
            Ok(())
        }
        Ok(Halt::Disk(e)) => Err((
            EXIT_DISK,
            format!(
                "Severe unrecoverable error: {e}. No write that is not on the disk has been acknowledged."
            ),
        )),
        Ok(Halt::Unusable(why)) => Err((1, why)),
        Err(e) => Err((1, format!("cannot wait for events: {e}"))),
    }
}

/// Three lines on standard output: where it listens, where its data is, what to try.
fn introduce(config: &Config, server: &Server) {
    let data = config.data_dir.canonicalize().unwrap_or_else(|_| config.data_dir.clone());
    let tree = server.node().tree();
    let listens = server.address().map_or("has no client port".to_owned(), |a| format!("listens on {a}"));
    let mut lines = format!(
        "headkeeper {} {listens}\ndata in {} ({} znodes, last zxid {})\n",
        env!("CARGO_PKG_VERSION"),
        data.display(),
        tree.node_count(),
        tree.last_zxid(),
    );
    if let Some(address) = server.address().map(reachable) {
        lines.push_str(&format!(
            "try: headkeeper shell -s {address} ls /    or: echo srvr | nc {} {}\n",
            address.ip(),
            address.port()
        ));
    }
    // Nobody may be listening to standard output any more; that is no reason not to serve.
    let _ = io::stdout().lock().write_all(lines.as_bytes());
}

/// An address to connect to for one to listen on.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) | IpAddr::V4(Ipv4Addr::UNSPECIFIED) => {
            IpAddr::V4(Ipv4Addr::LOCALHOST)
        }
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The first signal stops the server cleanly, a second one ends the process where it stands.
fn stop_on_signals(stop: Stop) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            if stop.is_asked() || stop.ask().is_err() {
                std::process::exit(128 + signal);
            }
            log::info!("signal {signal}: stopping");
        }
    })?;
    Ok(())
}

/// A panic is a bug of ours: one line that says where, and (in release builds) an abort, so that nothing is served or
/// acknowledged from a state nobody understands.
fn complain_in_one_line_on_panic() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or("an unknown place".to_owned(), ToString::to_string);
        let what = info
            .payload()
            .downcast_ref::<&str>()
            .map(|s| (*s).to_owned())
            .or_else(|| info.payload().downcast_ref::<String>().cloned())
            .unwrap_or_default();
        let thread = thread::current();
        log::error!(
            "headkeeper has found a mistake of its own and stops: {what} (at {place}, thread {}). Please report this line",
            thread.name().unwrap_or("?")
        );
    }));
}

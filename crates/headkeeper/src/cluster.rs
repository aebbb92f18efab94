//! `headkeeper cluster`: an ensemble on this machine, to see it work and to break it.

use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// How far the ports of the servers among themselves are from those of the clients, as in ZooKeeper's examples: 2181, 2888, 3888.
const QUORUM_OFFSET: u16 = 707;
const ELECTION_OFFSET: u16 = 1707;
/// How often the servers are looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How long the first election may take before that is said.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a server may take to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// The ensemble to run.
#[derive(Args, Debug)]
#[command(after_help = "\
Each server has a directory with its data, its zoo.cfg and its log, all below DIR. What to try:

  headkeeper shell -s 127.0.0.1:2181 create /hello world     tell one server
  headkeeper shell -s 127.0.0.1:2183 get /hello              ask another
  kill -9 PID                                                of any one: the others go on
  headkeeper serve DIR/2/zoo.cfg                             brings server 2 back, and it catches up

Ctrl-C stops them all; the same command goes on with the same data.")]
pub struct ClusterArgs {
    /// How many servers: an odd number survives best
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=9))]
    servers: u16,
    /// The client port of the first server; the others have the next ones, 707 and 1707 above are for the servers themselves
    #[arg(long, default_value_t = 2181, value_parser = clap::value_parser!(u16).range(1..=60000))]
    port: u16,
    /// Where the servers live; made when absent
    #[arg(long, value_name = "DIR", default_value = "headkeeper-cluster")]
    data: PathBuf,
}

/// Runs the servers until ctrl-C.
pub fn run(args: &ClusterArgs) -> ExitCode {
    match Cluster::start(args).and_then(|mut cluster| cluster.watch()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

struct Cluster {
    servers: Vec<Server>,
    signals: Receiver<i32>,
}

struct Server {
    number: u16,
    port: u16,
    directory: PathBuf,
    child: Child,
    ended: bool,
}

impl Cluster {
    fn start(args: &ClusterArgs) -> io::Result<Cluster> {
        let signals = signals()?;
        let mut servers = Vec::new();
        for number in 1..=args.servers {
            let directory = args.data.join(number.to_string());
            write_files(args, number, &directory)?;
            match spawn(&directory) {
                Ok(child) => {
                    servers.push(Server {
                        number,
                        port: args.port + number - 1,
                        directory,
                        child,
                        ended: false,
                    });
                }
                Err(e) => {
                    servers.iter_mut().for_each(Server::kill);
                    return Err(e);
                }
            }
        }
        Ok(Cluster { servers, signals })
    }

    /// Tells what happens until somebody wants it to end.
    fn watch(&mut self) -> io::Result<()> {
        let mut told = Vec::new();
        let started = Instant::now();
        let mut complained = false;
        let signal = loop {
            if let Ok(signal) = self.signals.recv_timeout(LOOK) {
                break signal;
            }
            for server in &mut self.servers {
                server.notice_end();
            }
            if self.servers.iter().all(|server| server.ended) {
                return Err(io::Error::other("all servers have ended"));
            }
            let modes: Vec<Option<String>> = self.servers.iter().map(Server::mode).collect();
            let settled = modes.iter().flatten().any(|mode| mode == "leader" || mode == "standalone");
            if settled && modes != told {
                self.tell(&modes)?;
                told = modes;
            } else if !settled && !complained && started.elapsed() > PATIENCE {
                complained = true;
                println!("no leader yet; the servers' logs, DIR/N/log, say why");
            }
        };
        println!("stopping (signal {signal})");
        self.stop();
        Ok(())
    }

    fn tell(&self, modes: &[Option<String>]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        for (server, mode) in self.servers.iter().zip(modes) {
            let Server { number, port, directory, child, .. } = server;
            let mode = mode.as_deref().unwrap_or(if server.ended { "ended" } else { "starting" });
            let pid = if server.ended { "-".to_owned() } else { child.id().to_string() };
            let log = directory.join("log");
            let log = log.display();
            writeln!(out, "server {number}  {mode:<10} clients 127.0.0.1:{port}  pid {pid:<8} log {log}")?;
        }
        let port = self.servers[0].port;
        writeln!(
            out,
            "try: headkeeper shell -s 127.0.0.1:{port} ls /    or kill -9 one of them; ctrl-C stops all\n"
        )
    }

    fn stop(&mut self) {
        for server in self.servers.iter_mut().filter(|server| !server.ended) {
            // ctrl-C reaches the servers as well; a signal to this program alone does not.
            let _ = Command::new("kill").arg(server.child.id().to_string()).status();
        }
        let until = Instant::now() + STOP_PATIENCE;
        for server in &mut self.servers {
            while !server.has_ended() && Instant::now() < until {
                thread::sleep(Duration::from_millis(20));
            }
            server.kill();
        }
    }
}

impl Server {
    fn has_ended(&mut self) -> bool {
        self.ended |= matches!(self.child.try_wait(), Ok(Some(_)) | Err(_));
        self.ended
    }

    /// Says so when it has ended by itself.
    fn notice_end(&mut self) {
        if !self.ended && self.has_ended() {
            let (number, zoo) = (self.number, self.directory.join("zoo.cfg"));
            println!("server {number} has ended; bring it back with: headkeeper serve {}", zoo.display());
        }
    }

    fn kill(&mut self) {
        if !self.has_ended() {
            // It is gone already if this fails.
            let _ = self.child.kill();
            let _ = self.child.wait();
            self.ended = true;
        }
    }

    /// What it says it is; also of a server that somebody brought back by hand.
    fn mode(&self) -> Option<String> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let answer = client::four_letter_word(address, "srvr", Duration::from_secs(1)).ok()?;
        answer.lines().find_map(|line| line.strip_prefix("Mode: ")).map(str::to_owned)
    }
}

fn signals() -> io::Result<Receiver<i32>> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for signal in signals.forever() {
            if sender.send(signal).is_err() {
                std::process::exit(128 + signal);
            }
        }
    });
    Ok(receiver)
}

fn write_files(args: &ClusterArgs, number: u16, directory: &Path) -> io::Result<()> {
    let data = directory.join("data");
    let named =
        |e: io::Error| io::Error::new(e.kind(), format!("cannot write below {}: {e}", directory.display()));
    fs::create_dir_all(&data).map_err(named)?;
    fs::write(data.join("myid"), format!("{number}\n")).map_err(named)?;
    fs::write(directory.join("zoo.cfg"), configuration(args, number, &data)).map_err(named)
}

fn configuration(args: &ClusterArgs, number: u16, data: &Path) -> String {
    let mut text = format!(
        "tickTime=2000\ninitLimit=10\nsyncLimit=5\ndataDir={}\nclientPort={}\nclientPortAddress=127.0.0.1\n",
        data.display(),
        args.port + number - 1
    );
    for other in 1..=args.servers {
        let port = args.port + other - 1;
        text += &format!(
            "server.{other}=127.0.0.1:{}:{}\n",
            port.saturating_add(QUORUM_OFFSET),
            port.saturating_add(ELECTION_OFFSET)
        );
    }
    text
}

fn spawn(directory: &Path) -> io::Result<Child> {
    let log = File::options().create(true).append(true).open(directory.join("log"))?;
    Command::new(std::env::current_exe()?)
        .arg("serve")
        .arg(directory.join("zoo.cfg"))
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_knows_all_of_them_and_its_own_ports() {
        let args = ClusterArgs { servers: 3, port: 2181, data: "x".into() };
        let text = configuration(&args, 2, Path::new("x/2/data"));
        assert!(text.contains("clientPort=2182\n") && text.contains("dataDir=x/2/data\n"), "{text}");
        assert!(text.contains("server.1=127.0.0.1:2888:3888\n"), "{text}");
        assert!(text.contains("server.3=127.0.0.1:2890:3890\n"), "{text}");
    }
}

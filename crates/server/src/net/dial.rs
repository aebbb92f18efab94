//! Reaching other servers.
//!
//! Names are resolved at every dial, in a thread that blocks on nobody's behalf but its own: a name that does not resolve
//! costs one failed dial.

use crate::disk::lanes::{News, Outbox};
use node::NoteLevel;
use socket2::SockRef;
use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use zab::{Address, Dial};

/// How a dial ended.
#[derive(Debug)]
pub(crate) struct Dialled {
    dial: zab::DialId,
    /// The addresses, as the configuration has them.
    to: String,
    /// The first that answered, or why none did.
    stream: Result<TcpStream, String>,
}

/// What was dialled, and what the log knows of it.
#[derive(Default, Debug)]
pub(crate) struct Dials {
    /// `tcpKeepAlive`
    keep_alive: bool,
    /// Who was not reached, and why. As many as the configurations of the ensemble have addresses.
    unreached: BTreeMap<String, String>,
}

impl Dials {
    pub(crate) fn new(keep_alive: bool) -> Dials {
        Dials { keep_alive, unreached: BTreeMap::new() }
    }

    /// Starts a dial; `outbox` gets its end.
    pub(crate) fn start(&self, dial: Dial, outbox: &Arc<Outbox>) {
        let Dial { dial, addresses, timeout_us, .. } = dial;
        let names: Vec<String> = addresses.iter().map(Address::to_string).collect();
        let to = names.join("|");
        let work = {
            let (to, outbox, keep_alive) = (to.clone(), Arc::clone(outbox), self.keep_alive);
            move || {
                let stream = connect(&addresses, Duration::from_micros(timeout_us));
                if let (true, Ok(stream)) = (keep_alive, &stream) {
                    // It cannot fail on a live socket; on a dead one the first read tells.
                    let _ = SockRef::from(stream).set_keepalive(true);
                }
                outbox.deliver(News::Dialled(Dialled { dial, to, stream }));
            }
        };
        if let Err(error) = thread::Builder::new().name("dial".to_owned()).spawn(work) {
            let stream = Err(format!("cannot start a thread: {error}"));
            outbox.deliver(News::Dialled(Dialled { dial, to, stream }));
        }
    }

    /// A dial has ended. The reason of a failure is logged when it is a new one, not at every try.
    pub(crate) fn ended(
        &mut self,
        ended: Dialled,
        log: &mut dyn FnMut(NoteLevel, &str),
    ) -> (zab::DialId, Option<TcpStream>) {
        let Dialled { dial, to, stream } = ended;
        match stream {
            Ok(stream) => {
                self.unreached.remove(&to);
                (dial, Some(stream))
            }
            Err(why) => {
                if self.unreached.get(&to) != Some(&why) {
                    log(NoteLevel::Warn, &format!("Cannot connect to {to}: {why}"));
                    self.unreached.insert(to, why);
                }
                (dial, None)
            }
        }
    }
}

/// The first address that answers; they share the time.
fn connect(places: &[Address], limit: Duration) -> Result<TcpStream, String> {
    let start = Instant::now();
    let (mut addresses, mut failures) = (Vec::new(), Vec::new());
    for Address { host, port } in places {
        match (host.as_str(), *port).to_socket_addrs() {
            Ok(found) => addresses.extend(found),
            Err(error) => failures.push(format!("{host} does not resolve: {error}")),
        }
    }
    for (index, address) in addresses.iter().enumerate() {
        // What the others left is for this one and those behind it.
        let left = limit.saturating_sub(start.elapsed()) / (addresses.len() - index) as u32;
        if left.is_zero() {
            failures.push(format!("no time left for {address}"));
            break;
        }
        match connect_one(address, left) {
            Ok(stream) => return Ok(stream),
            Err(error) => failures.push(format!("{address}: {error}")),
        }
    }
    Err(failures.join("; "))
}

fn connect_one(address: &SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(address, limit)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use zab::DialId;

    fn address(host: &str, port: u16) -> Address {
        Address { host: host.to_owned(), port }
    }

    /// Names are looked up at every dial, and one that is nobody's is a dial that failed.
    #[test]
    fn a_dial_takes_the_first_address_that_answers() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (nowhere, closed, open) =
            (address("no.such.host.invalid", port), address("127.0.0.3", port), address("127.0.0.1", port));
        let limit = Duration::from_secs(5);
        let stream = connect(&[nowhere.clone(), closed.clone(), open], limit).expect("the third one");
        assert_eq!(stream.peer_addr().unwrap(), listener.local_addr().unwrap());
        let why = connect(&[nowhere, closed], limit).unwrap_err();
        assert!(why.contains("no.such.host.invalid does not resolve: "), "{why}");
        assert!(why.contains(&format!("127.0.0.3:{port}: ")), "{why}");
    }

    #[test]
    fn a_reason_is_logged_when_it_is_new() {
        let mut dials = Dials::new(false);
        let mut told = Vec::new();
        let mut end = |stream: Result<TcpStream, &str>| {
            let ended =
                Dialled { dial: DialId(1), to: "zk2:3888".into(), stream: stream.map_err(str::to_owned) };
            let mut log = |_: NoteLevel, text: &str| told.push(text.to_owned());
            dials.ended(ended, &mut log)
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let reached = || TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(end(Err("refused")).1.is_none());
        assert!(end(Err("refused")).1.is_none());
        assert!(end(Err("no route")).1.is_none());
        assert!(end(Ok(reached())).1.is_some());
        assert!(end(Err("no route")).1.is_none());
        let line = |why: &str| format!("Cannot connect to zk2:3888: {why}");
        assert_eq!(told, [line("refused"), line("no route"), line("no route")]);
    }
}

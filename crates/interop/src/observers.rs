//! Observers behind followers (`observerMasterPort`), with Apache's servers on one side and ours on the other.
//!
//! Three voters of one kind and an observer of the other: it must learn from a follower, serve clients as every server
//! does, take a session over, and find the other follower when its own dies.

use crate::patience::{PATIENCE, START_PATIENCE};
use crate::process::{Program, Server};
use crate::profile::Profile;
use crate::socket::Socket;
use crate::stories::talk::{Talk, Told, text};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use wire::{Request, event_type};

/// What to run, where.
#[derive(Debug)]
pub struct Plan {
    /// Apache's server.
    pub apache: Program,
    /// Ours.
    pub ours: Program,
    /// The first of thirty ports.
    pub port: u16,
    /// For data, settings and output.
    pub directory: PathBuf,
}

const OBSERVER: usize = 4;

const PROFILE: Profile = Profile::plain("observers", &[("tickTime", "1000")]);

/// Ours behind Apache's, then Apache's behind ours; a line for each.
///
/// # Errors
/// When a server does not start, or something is not as it should be.
pub fn run(plan: &Plan) -> io::Result<Vec<String>> {
    let pairs = [
        ("ours behind Apache's", &plan.apache, &plan.ours),
        ("Apache's behind ours", &plan.ours, &plan.apache),
    ];
    let mut lines = Vec::new();
    for (name, voters, observer) in pairs {
        let mut servers = start(plan, voters, observer)?;
        let told = tell(&mut servers).map_err(|why| io::Error::other(format!("{name}: {why}")))?;
        lines.push(format!("{name}: {told}"));
    }
    Ok(lines)
}

fn start(plan: &Plan, voters: &Program, observer: &Program) -> io::Result<Vec<Server>> {
    // A host of its own for each: observerMasterPort is the same for all.
    let mut lines = format!("initLimit=30\nsyncLimit=20\nobserverMasterPort={}\n", plan.port + 29);
    for id in 1..=OBSERVER {
        let role = if id == OBSERVER { "observer" } else { "participant" };
        let (quorum, election) = (plan.port + 10 + id as u16, plan.port + 20 + id as u16);
        lines += &format!("server.{id}=127.0.0.{id}:{quorum}:{election}:{role}\n");
    }
    let start = |id: usize| {
        let program = if id == OBSERVER { observer } else { voters };
        let own = if id == OBSERVER { format!("{lines}peerType=observer\n") } else { lines.clone() };
        let directory = plan.directory.join(id.to_string());
        program.start_member(&PROFILE, plan.port + id as u16, &directory, id as i64, &own)
    };
    let mut servers = (1..OBSERVER).map(start).collect::<io::Result<Vec<Server>>>()?;
    for server in &mut servers {
        server.wait_for(|answer| answer.contains("\nMode: "))?;
    }
    servers.push(start(OBSERVER)?);
    servers[OBSERVER - 1].wait_for(|answer| answer.contains("\nMode: observer\n"))?;
    Ok(servers)
}

fn tell(servers: &mut [Server]) -> Told<String> {
    let observer = servers[OBSERVER - 1].address;
    let first = master(servers)?;
    let other = servers[first - 1].address;
    let (mut here, mut there) = (Talk::new(observer)?, Talk::new(other)?);
    here.make("/made")?;
    here.create("/held", 1)?.ok()?;
    here.create("/made", 0)?.fails(-110)?;
    there.make("/other")?;
    here.call(Request::Sync { path: text("/") })?.ok()?;
    here.get("/other", true)?.ok()?;
    there.set("/other", "new")?.ok()?;
    here.call(Request::Sync { path: text("/") })?.ok()?;
    let heard = here.heard()?;
    if heard != [format!("{} /other", event_type::NODE_DATA_CHANGED)] {
        return Err(format!("the observer's client heard {heard:?}"));
    }
    // A session of the master's goes on at the observer.
    let mut moved = Talk::shake(observer, &there.renewal())?.ok_or("the observer refuses a session")?;
    if moved.id != there.id {
        return Err("the observer gave a session another id".to_owned());
    }
    moved.make("/moved")?;

    servers[first - 1].kill();
    let deadline = Instant::now() + START_PATIENCE;
    let second = loop {
        match master(servers) {
            Ok(second) if second != first => break second,
            other if Instant::now() > deadline => return Err(format!("after its master died: {other:?}")),
            _ => std::thread::sleep(Duration::from_millis(100)),
        }
    };
    let mut again = Talk::shake(observer, &here.renewal())?.ok_or("the observer refuses its session")?;
    if again.id != here.id {
        return Err("the session is gone with the master".to_owned());
    }
    again.exists("/held", false)?.ok()?;
    again.make("/after")?;
    Ok(format!(
        "learned from server {first} and, when that was killed, from server {second}; sessions lived on"
    ))
}

/// Whom the observer learns from: not the leader.
fn master(servers: &[Server]) -> Told<usize> {
    let told = ask(servers[OBSERVER - 1].address, "mntr");
    let id = told.lines().find_map(|line| line.strip_prefix("zk_observer_master_id\t"));
    let id: usize =
        id.and_then(|id| id.parse().ok()).ok_or("the observer does not say whom it learns from")?;
    let serves = servers.get(id.wrapping_sub(1)).ok_or("the observer learns from a stranger")?;
    let mode = ask(serves.address, "srvr");
    if !mode.contains("\nMode: follower\n") {
        return Err(format!("the observer learns from server {id}, which does not follow"));
    }
    Ok(id)
}

fn ask(address: SocketAddr, word: &str) -> String {
    let Ok(mut socket) = Socket::open(address) else { return String::new() };
    socket.send(word.as_bytes());
    String::from_utf8_lossy(&socket.text(PATIENCE).unwrap_or_default()).into_owned()
}

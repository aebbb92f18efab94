//! `srvr`, `stat` and `cons`.

use super::VERSION;
use super::text::{java_address, java_double, round4};
use node::{ConnectionView, LeadingView, ServerStats};
use std::fmt::Write;

/// The server at a glance.
pub fn srvr(stats: &ServerStats, read_only: bool) -> String {
    head(read_only) + &body(stats)
}

/// The server and its connections at a glance, the asking one included.
pub fn stat(stats: &ServerStats, connections: &[ConnectionView], read_only: bool) -> String {
    let mut text = head(read_only) + "Clients:\n";
    for connection in connections {
        let _ = writeln!(text, "{})", counts(connection));
    }
    text.push('\n');
    text + &body(stats)
}

/// Every connection in full.
pub fn cons(connections: &[ConnectionView]) -> String {
    let mut text = String::new();
    for connection in connections {
        text.push_str(&counts(connection));
        session(&mut text, connection);
        text.push_str(")\n");
    }
    text.push('\n');
    text
}

fn head(read_only: bool) -> String {
    let note = if read_only { "READ-ONLY mode; serving only read-only clients\n" } else { "" };
    format!("Zookeeper version: {VERSION}\n{note}")
}

fn body(stats: &ServerStats) -> String {
    let latency = &stats.latency;
    let average = java_double(round4(latency.avg_ms));
    let mut text = format!(
        "Latency min/avg/max: {}/{average}/{}\nReceived: {}\nSent: {}\nConnections: {}\nOutstanding: {}\nZxid: 0x{:x}\n\
         Mode: {}\nNode count: {}\n",
        latency.min_ms,
        latency.max_ms,
        stats.received,
        stats.sent,
        stats.connections,
        stats.outstanding,
        stats.zxid.0,
        stats.mode,
        stats.node_count,
    );
    if let Some(leading) = stats.member.as_ref().and_then(|member| member.leading) {
        let LeadingView { last_proposal_bytes, min_proposal_bytes, max_proposal_bytes, .. } = leading;
        let sizes = format!("{last_proposal_bytes}/{min_proposal_bytes}/{max_proposal_bytes}");
        let _ = writeln!(text, "Proposal sizes last/min/max: {sizes}");
    }
    text
}

/// The part `stat` and `cons` share, without the closing parenthesis.
fn counts(connection: &ConnectionView) -> String {
    let ConnectionView { peer, interest_ops, queued, received, sent, .. } = connection;
    let peer = java_address(*peer);
    format!(" {peer}[{interest_ops:x}](queued={queued},recved={received},sent={sent}")
}

fn session(text: &mut String, connection: &ConnectionView) {
    let Some(session) = &connection.session else { return };
    let _ = write!(
        text,
        ",sid=0x{:x},lop={},est={},to={}",
        session.session.0, session.last_op, session.established_wall_ms, session.timeout_ms
    );
    if session.last_cxid >= 0 {
        let _ = write!(text, ",lcxid=0x{:x}", session.last_cxid);
    }
    let latency = &session.latency;
    let _ = write!(
        text,
        ",lzxid=0x{:x},lresp={},llat={},minlat={},avglat={},maxlat={}",
        session.last_zxid,
        session.last_response_mono_ms,
        session.last_latency_ms,
        latency.min_ms,
        latency.avg_ms as u64,
        latency.max_ms,
    );
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use node::{ConnId, ConnectionSessionView, Latency, MemberView};
    use wire::{ServerState, SessionId, Zxid};
    use zab::{PeerState, ServerId, ZabPhase};

    pub fn stats() -> ServerStats {
        ServerStats {
            latency: Latency { min_ms: 0, avg_ms: 1.038_34, max_ms: 98 },
            received: 638,
            sent: 639,
            connections: 3,
            outstanding: 0,
            zxid: Zxid(0x139),
            mode: "standalone",
            node_count: 16,
            approximate_data_size: 821,
            ephemerals_count: 3,
            watch_count: 4,
            global_sessions: 2,
            local_sessions: 0,
            last_response_bytes: 20,
            max_response_bytes: 188,
            min_response_bytes: 16,
            connection_drop_probability: 0.0,
            uptime_ms: 6207,
            member: None,
        }
    }

    pub fn member(state: ServerState, leading: Option<LeadingView>) -> ServerStats {
        let mode = match state {
            ServerState::Leading => "leader",
            ServerState::Observing => "observer",
            _ => "follower",
        };
        let state = PeerState { state, phase: ZabPhase::Broadcast, sync: None };
        let master = leading.is_none().then_some(ServerId(2));
        let synced_observers = leading.map(|_| 1);
        let member = MemberView { state, quorum_size: 3, master, synced_observers, leading };
        ServerStats { mode, member: Some(member), ..stats() }
    }

    pub const LEADING: LeadingView = LeadingView {
        learners: 4,
        synced_followers: 3,
        synced_non_voting_followers: 1,
        pending_syncs: 0,
        uptime_ms: 6100,
        last_proposal_bytes: 92,
        min_proposal_bytes: 48,
        max_proposal_bytes: 1204,
    };

    fn connections() -> Vec<ConnectionView> {
        let session = ConnectionSessionView {
            session: SessionId(0x100_0023_6464_0000),
            last_op: "GETC",
            established_wall_ms: 1_795_549_376_278,
            timeout_ms: 30_000,
            last_cxid: 0x26d,
            last_zxid: 0x139,
            last_response_mono_ms: 2_325_571,
            last_latency_ms: 0,
            latency: Latency { min_ms: 0, avg_ms: 1.9, max_ms: 98 },
        };
        let connection = |peer: &str, interest_ops, received, sent, session| ConnectionView {
            conn: ConnId(1),
            peer: peer.parse().unwrap(),
            interest_ops,
            queued: 0,
            received,
            sent,
            session,
        };
        let fresh =
            ConnectionSessionView { last_cxid: -1, last_zxid: -1, last_op: "SESS", ..session.clone() };
        vec![
            connection("127.0.0.1:50486", 1, 622, 622, Some(session)),
            connection("127.0.0.1:50490", 5, 1, 1, Some(fresh)),
            connection("[::1]:50520", 0, 1, 0, None),
        ]
    }

    #[test]
    fn srvr_reads_as_apaches() {
        let text = format!(
            "Zookeeper version: {VERSION}\nLatency min/avg/max: 0/1.0383/98\nReceived: 638\nSent: 639\nConnections: 3\n\
             Outstanding: 0\nZxid: 0x139\nMode: standalone\nNode count: 16\n"
        );
        assert_eq!(srvr(&stats(), false), text);
    }

    #[test]
    fn a_leader_tells_the_sizes_of_its_proposals() {
        let text = srvr(&member(ServerState::Leading, Some(LEADING)), false);
        assert!(
            text.ends_with("Mode: leader\nNode count: 16\nProposal sizes last/min/max: 92/48/1204\n"),
            "{text}"
        );
        let text = srvr(&member(ServerState::Following, None), false);
        assert!(text.ends_with("Mode: follower\nNode count: 16\n"), "{text}");
    }

    #[test]
    fn read_only_mode_says_so_in_the_second_line() {
        let text = srvr(&stats(), true);
        assert_eq!(text.lines().nth(1), Some("READ-ONLY mode; serving only read-only clients"));
    }

    #[test]
    fn stat_lists_the_connections_before_the_figures() {
        let text = format!(
            "Zookeeper version: {VERSION}\nClients:\n /127.0.0.1:50486[1](queued=0,recved=622,sent=622)\n \
             /127.0.0.1:50490[5](queued=0,recved=1,sent=1)\n /[0:0:0:0:0:0:0:1]:50520[0](queued=0,recved=1,sent=0)\n\n\
             Latency min/avg/max: 0/1.0383/98\n"
        );
        assert!(stat(&stats(), &connections(), false).starts_with(&text));
    }

    #[test]
    fn cons_adds_what_a_session_did() {
        assert_eq!(
            cons(&connections()),
            " /127.0.0.1:50486[1](queued=0,recved=622,sent=622,sid=0x100002364640000,lop=GETC,est=1795549376278,\
             to=30000,lcxid=0x26d,lzxid=0x139,lresp=2325571,llat=0,minlat=0,avglat=1,maxlat=98)\n \
             /127.0.0.1:50490[5](queued=0,recved=1,sent=1,sid=0x100002364640000,lop=SESS,est=1795549376278,to=30000,\
             lzxid=0xffffffffffffffff,lresp=2325571,llat=0,minlat=0,avglat=1,maxlat=98)\n \
             /[0:0:0:0:0:0:0:1]:50520[0](queued=0,recved=1,sent=0)\n\n"
        );
    }
}

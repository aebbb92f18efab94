//! The boundary of the machine: what goes in, what comes out.
//!
//! The upper half (sessions, trees, clients) and the shell (sockets, files) sit on the same side of it: whoever drives a
//! [`crate::Peer`] hands bytes and completions in and carries the outputs out, in the order of each list.

use crate::promise::{DiskOutcome, DiskPlan, Ticket};
use crate::report::{Note, PeerState, SyncMode};
use crate::{Address, Epoch, ServerId, Txn};
use wire::{Id, SessionId, TouchedSession, Zxid};

/// A TCP connection, named by the shell; no two connections ever have the same name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnId(pub u64);

/// A connection that was asked for and is not there yet; named by the peer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DialId(pub u64);

/// The ports that servers talk on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Port {
    /// Votes: everybody listens, always.
    Election,
    /// Leader and learners: only a leader listens.
    Quorum,
    /// Followers and observers: only a follower with `observerMasterPort` listens.
    Observers,
}

/// Something that happened outside.
#[derive(Debug)]
pub enum Input<'a> {
    /// The time of [`Outputs::wake_at_us`] has come, or some time has passed.
    Tick,
    /// Every [`DiskPlan`] up to and with this ticket has ended so.
    DiskDone {
        /// The last plan of those that ended. [`crate::DiskAction::Truncate`] and a plan that failed are reported alone.
        ticket: Ticket,
        /// How.
        outcome: DiskOutcome,
    },
    /// The answer to [`crate::DiskAction::Reload`].
    Recovered {
        /// Of the reload.
        ticket: Ticket,
        /// What is on disk.
        disk: DiskState,
    },
    /// Somebody connected to one of our ports.
    Accepted {
        /// Its name from now on.
        conn: ConnId,
        /// Which port.
        port: Port,
    },
    /// A dial has ended: with a connection, or without one.
    Dialled {
        /// Which.
        dial: DialId,
        /// The connection, if there is one.
        conn: Option<ConnId>,
    },
    /// Bytes of a connection, in order, cut anywhere.
    Received {
        /// From whom.
        conn: ConnId,
        /// What.
        bytes: &'a [u8],
    },
    /// An attempt to write left bytes behind; reported from then on for every attempt until none are left.
    Written {
        /// To whom.
        conn: ConnId,
        /// Bytes still waiting in the shell.
        pending: usize,
    },
    /// The connection is gone: closed by the other side, failed, or closed as asked.
    Closed {
        /// Which.
        conn: ConnId,
    },
    /// The answer to [`Read::Log`].
    Log {
        /// For which learner.
        conn: ConnId,
        /// What the log holds.
        slice: LogSlice,
    },
    /// The answer to [`Read::Snapshot`]: the next bytes of the snapshot stream (reference: quorum-protocol §5.5),
    /// without the signature at its end.
    Snapshot {
        /// For which learner.
        conn: ConnId,
        /// The exact zxid the snapshot was taken at; the same for all its chunks.
        zxid: Zxid,
        /// The bytes.
        bytes: Vec<u8>,
        /// Are these the last ones?
        last: bool,
    },
    /// Leader: replicate this. The zxid is [`crate::Peer::next_zxid`].
    Propose(Txn),
    /// Learner: send this to the leader. Dropped when there is none.
    ToLeader(ToLeader),
    /// Leader, or master of observers: send this to a learner. Dropped when it is gone.
    ToLearner {
        /// To whom.
        conn: ConnId,
        /// What.
        message: ToLearner,
    },
    /// Leader, or master of observers: close the connection of a learner.
    Refuse {
        /// Whose.
        conn: ConnId,
        /// Why, for the log.
        why: String,
    },
}

/// What is on disk, as recovery found it. Everything it tells has been synced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiskState {
    /// The newest transaction of log and snapshots; -1 for an empty server that may not be trusted.
    pub last_zxid: Zxid,
    /// The `acceptedEpoch` file.
    pub accepted_epoch: Epoch,
    /// The `currentEpoch` file.
    pub current_epoch: Epoch,
    /// The last transactions of the log, without a hole, up to `last_zxid`; as many as the leader should keep in memory,
    /// none if they are not at hand.
    pub recent: Vec<Txn>,
}

/// A piece of the log on disk.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogSlice {
    /// The last transaction at or before the zxid asked for. `None`: the log does not reach back so far, has a hole
    /// (a snapshot was installed in between), or is too long to be worth it.
    pub at_or_before: Option<Zxid>,
    /// The first ones behind it, in order.
    pub txns: Vec<Txn>,
}

/// What the leader wants to read for a learner; one is under way per connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Read {
    /// The log behind a zxid, about `max_bytes` of it. Answered with [`Input::Log`].
    Log {
        /// For which learner.
        conn: ConnId,
        /// Behind which zxid.
        after: Zxid,
        /// The first question about this learner: say no if the log from there on is larger than
        /// `snapshotSizeFactor` allows.
        first: bool,
        /// How much at once.
        max_bytes: usize,
    },
    /// The next bytes of a snapshot of the applied state; the first question takes the snapshot. Answered with
    /// [`Input::Snapshot`].
    Snapshot {
        /// For which learner.
        conn: ConnId,
    },
}

/// From the upper half of a learner to its leader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ToLeader {
    /// A client's write or sync: the bytes of a [`wire::ForwardedRequest`].
    Request {
        /// Session, xid, operation and record.
        data: Vec<u8>,
        /// The client's credentials; an empty list is not the same as none.
        auth_info: Option<Vec<Id<'static>>>,
    },
    /// Is a session that reconnected here still valid?
    Revalidate(TouchedSession),
    /// The answer to [`Event::Ping`]: the sessions heard of since the last one.
    Pong {
        /// As in the ping.
        zxid: Zxid,
        /// Which.
        touched: Vec<TouchedSession>,
    },
}

/// From the upper half of the leader to a learner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ToLearner {
    /// The answer to [`Event::Revalidate`].
    Revalidated {
        /// Which session.
        session: SessionId,
        /// May it go on?
        valid: bool,
    },
    /// The answer to a sync request; it leaves when everything proposed so far is committed.
    Sync,
}

/// News for the upper half, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The server's role has changed.
    Role(RoleChange),
    /// Committed and on this server's own disk: apply it.
    Deliver {
        /// What.
        txn: Txn,
        /// It is a reconfiguration, and this server is to lead after it.
        activate: Option<ServerId>,
    },
    /// Leader, or master of observers: a learner's client asks for something.
    Request {
        /// The learner; answers go to it.
        conn: ConnId,
        /// The bytes of a [`wire::ForwardedRequest`].
        data: Vec<u8>,
        /// The client's credentials.
        auth_info: Option<Vec<Id<'static>>>,
    },
    /// Leader, or master of observers: a learner heard of these sessions.
    Touched(Vec<TouchedSession>),
    /// Leader, or master of observers: a session reconnected to a learner. Answer with [`ToLearner::Revalidated`].
    Revalidate {
        /// The learner.
        conn: ConnId,
        /// Which session.
        session: TouchedSession,
    },
    /// Learner: the leader's answer to [`ToLeader::Revalidate`].
    Revalidated {
        /// Which session.
        session: SessionId,
        /// May it go on?
        valid: bool,
    },
    /// Learner: the oldest sync that is waiting is done.
    Synced,
    /// Learner: the leader wants to hear. Answer with [`ToLeader::Pong`].
    Ping {
        /// To be repeated in the answer.
        zxid: Zxid,
    },
    /// Learner: the configuration the leader has last seen, as it came with NEWLEADER.
    Config(String),
    /// Leader, or master of observers: a learner's connection is gone; nothing needs to be answered to it.
    LearnerGone(ConnId),
    /// For those who watch: what this server does now.
    State(PeerState),
    /// For those who watch: a learner begins to be brought up to date.
    Synchronising(SyncMode),
    /// For those who watch: a server has acknowledged a transaction that was not committed before, now and then.
    Acked {
        /// Which server, this one too.
        server: ServerId,
        /// What.
        txn: Txn,
    },
    /// For those who watch: so many packets wait for a learner, now and then.
    Queued {
        /// Which learner.
        server: ServerId,
        /// How many.
        packets: u64,
    },
    /// For those who watch: so long has something waited for a learner, now and then.
    Waited {
        /// Which learner.
        server: ServerId,
        /// How long.
        us: u64,
    },
    /// For those who watch: this server gives up leading because voters look for another leader.
    Disloyal,
    /// For those who watch: a learner has acknowledged that.
    Synchronised(SyncMode),
}

/// What a server has become.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RoleChange {
    /// It looks for a leader: nothing may be written, and sessions wait. A reload of the disk has been asked for.
    Looking {
        /// Why the last role ended.
        why: String,
    },
    /// It leads, and a quorum has its history.
    Leading {
        /// The new epoch.
        epoch: Epoch,
    },
    /// It follows a leader and is up to date: clients may be served.
    Following {
        /// Whom.
        leader: ServerId,
        /// In which epoch.
        epoch: Epoch,
    },
    /// The same, without a vote.
    Observing {
        /// Whom, as the election said. A follower in between ([`crate::Peer::master`]) may follow another one by now.
        leader: ServerId,
        /// In which epoch.
        epoch: Epoch,
    },
}

/// A connection that is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dial {
    /// Comes back in [`Input::Dialled`].
    pub dial: DialId,
    /// For what.
    pub port: Port,
    /// To whom; the first address that answers is taken. Names are resolved anew each time.
    pub addresses: Vec<Address>,
    /// When to give up.
    pub timeout_us: u64,
}

/// What a step wants done.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Bytes to send, one entry per connection.
    pub sends: Vec<(ConnId, Vec<u8>)>,
    /// Connections to make.
    pub dials: Vec<Dial>,
    /// Connections to close after what was sent so far is written (bounded time).
    pub closes: Vec<ConnId>,
    /// Connections to stop reading from until they stand in `resumes`.
    pub pauses: Vec<ConnId>,
    /// Connections to read from again.
    pub resumes: Vec<ConnId>,
    /// Listen on the quorum port from now on, or not any more.
    pub quorum_port: Option<bool>,
    /// The same for `observerMasterPort`.
    pub observer_port: Option<bool>,
    /// Plans for the disk, in order.
    pub disk: Vec<DiskPlan>,
    /// What to read for learners.
    pub reads: Vec<Read>,
    /// News for the upper half, in order.
    pub events: Vec<Event>,
    /// When to step next at the latest.
    pub wake_at_us: Option<u64>,
    /// The disk failed: stop the process. Nothing that was not durable has been acknowledged.
    pub halt: Option<String>,
    /// Lines for the log.
    pub notes: Vec<Note>,
}

impl Outputs {
    /// The buffer of a connection's bytes.
    pub(crate) fn send(&mut self, conn: ConnId) -> &mut Vec<u8> {
        let at = self.sends.iter().position(|(c, _)| *c == conn).unwrap_or_else(|| {
            self.sends.push((conn, Vec::new()));
            self.sends.len() - 1
        });
        &mut self.sends[at].1
    }

    /// Bytes of this step that wait for a connection.
    pub(crate) fn queued(&self, conn: ConnId) -> usize {
        self.sends.iter().find(|(c, _)| *c == conn).map_or(0, |(_, bytes)| bytes.len())
    }

    pub(crate) fn wake(&mut self, at_us: u64) {
        self.wake_at_us = Some(self.wake_at_us.map_or(at_us, |other| other.min(at_us)));
    }

    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(Note { warn: false, text: text.into() });
    }

    /// As [`Outputs::note`], for what somebody should look at.
    pub(crate) fn warn(&mut self, text: impl Into<String>) {
        self.notes.push(Note { warn: true, text: text.into() });
    }

    pub(crate) fn state(&mut self, state: PeerState) {
        self.events.push(Event::State(state));
    }
}

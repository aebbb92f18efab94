//! A learner looks for whom to learn from: the leader's quorum port, or for an observer a follower's `observerMasterPort`
//! (reference: quorum-protocol §7.3, §8).

use crate::context::{Context, Leave};
use crate::io::{ConnId, DialId, Port};
use crate::{Address, Role, ServerId};

/// The pause before the next try, in µs: a leader that was just elected listens within milliseconds when it is one of ours,
/// and after its 200 ms of waiting when it is Apache's.
const RETRY_MIN_US: u64 = 10_000;
const RETRY_MAX_US: u64 = 40_000;

/// Until somebody answers.
#[derive(Debug)]
pub(crate) struct Connecting {
    /// Followers that take observers.
    masters: Vec<Master>,
    /// Whose turn it is, modulo their number.
    turn: usize,
    /// Who is asked when there are none, or when each of them was asked in vain.
    leader: Master,
    tried: usize,
    dial: Option<DialId>,
    retry_us: u64,
    retry_at_us: u64,
    deadline_us: u64,
}

/// Somebody to learn from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Master {
    pub(crate) server: ServerId,
    port: Port,
    addresses: Vec<Address>,
}

impl Connecting {
    /// `turn` is where an earlier search has ended: an observer's next one goes on behind it, so that one master that takes
    /// connections and nothing more does not hold it for ever.
    pub(crate) fn new(
        leader: ServerId,
        follower: bool,
        turn: usize,
        ctx: &mut Context<'_>,
    ) -> Result<Connecting, Leave> {
        let spec = ctx.settings.config.ensemble.members.get(&leader);
        let spec = spec.ok_or_else(|| Leave(format!("server {leader} is not in the configuration")))?;
        let addresses = spec.quorum.clone();
        let masters = if follower { Vec::new() } else { masters(leader, ctx) };
        // Those with masters wait when all of them have been asked in vain.
        let paces = !follower && masters.is_empty();
        let delay_ms = if paces { ctx.settings.config.observer_reconnect_delay_ms } else { 0 };
        let start_us = ctx.now_us.saturating_add(ctx.observers_pause_us(delay_ms));
        let mut connecting = Connecting {
            masters,
            turn,
            leader: Master { server: leader, port: Port::Quorum, addresses },
            tried: 0,
            dial: None,
            retry_us: RETRY_MIN_US,
            retry_at_us: start_us,
            deadline_us: start_us.saturating_add(ctx.settings.connect_us),
        };
        connecting.tick(ctx)?;
        Ok(connecting)
    }

    pub(crate) fn turn(&self) -> usize {
        self.turn
    }

    /// A dial has ended; `None` unless it is this one and there is a connection.
    pub(crate) fn dialled(
        &mut self,
        dial: DialId,
        conn: Option<ConnId>,
        ctx: &mut Context<'_>,
    ) -> Option<(ConnId, ServerId)> {
        self.dial.take_if(|ours| *ours == dial)?;
        let (server, port) = (self.current().server, self.current().port);
        if port == Port::Observers {
            self.turn = self.turn.wrapping_add(1);
        }
        self.tried += 1;
        self.retry_at_us = ctx.now_us + self.retry_us;
        self.retry_us = (self.retry_us * 2).min(RETRY_MAX_US);
        let in_vain =
            conn.is_none() && !self.masters.is_empty() && self.tried.is_multiple_of(self.masters.len() + 1);
        if in_vain {
            let pause_us = ctx.observers_pause_us(ctx.settings.config.observer_reconnect_delay_ms);
            self.retry_at_us = self.retry_at_us.saturating_add(pause_us);
            self.deadline_us = self.deadline_us.saturating_add(pause_us);
        }
        conn.map(|conn| (conn, server))
    }

    pub(crate) fn tick(&mut self, ctx: &mut Context<'_>) -> Result<(), Leave> {
        if ctx.now_us >= self.deadline_us {
            return Err(Leave(match self.masters.is_empty() {
                true => "the leader's quorum port did not answer in time".to_owned(),
                false => "neither a master of observers nor the leader answered in time".to_owned(),
            }));
        }
        if self.dial.is_none() && ctx.now_us >= self.retry_at_us {
            let timeout_us = (self.deadline_us - ctx.now_us) / (self.masters.len() as u64 + 1);
            let Master { port, addresses, .. } = self.current().clone();
            self.dial = Some(ctx.dials.dial(port, addresses, timeout_us, ctx.out));
        }
        Ok(())
    }

    pub(crate) fn wake_at_us(&self) -> u64 {
        if self.dial.is_some() { self.deadline_us } else { self.retry_at_us }
    }

    fn current(&self) -> &Master {
        let masters = self.masters.len();
        if self.tried % (masters + 1) == masters { &self.leader } else { &self.masters[self.turn % masters] }
    }
}

/// The voters that follow, which take observers at `observerMasterPort` if there is one.
fn masters(leader: ServerId, ctx: &Context<'_>) -> Vec<Master> {
    let config = &ctx.settings.config;
    let Some(port) = config.observer_master_port else { return Vec::new() };
    let others = config.ensemble.members.iter().filter(|(server, _)| **server != leader);
    let voters = others.filter(|(_, spec)| spec.role == Role::Participant);
    let address = |address: &Address| Address { host: address.host.clone(), port };
    voters
        .map(|(server, spec)| Master {
            server: *server,
            port: Port::Observers,
            addresses: spec.quorum.iter().map(address).collect(),
        })
        .collect()
}

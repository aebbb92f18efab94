//! A learner looks for its leader's quorum port (reference: quorum-protocol §7.3).

use crate::context::{Context, Leave};
use crate::io::{ConnId, DialId, Port};
use crate::{Address, ServerId};

/// The pause before the next try, in µs: a leader that was just elected listens within milliseconds when it is one of ours,
/// and after its 200 ms of waiting when it is Apache's.
const RETRY_MIN_US: u64 = 10_000;
const RETRY_MAX_US: u64 = 100_000;

/// Until the leader's port answers.
#[derive(Debug)]
pub(crate) struct Connecting {
    addresses: Vec<Address>,
    dial: Option<DialId>,
    retry_us: u64,
    retry_at_us: u64,
    deadline_us: u64,
}

impl Connecting {
    pub(crate) fn new(leader: ServerId, ctx: &mut Context<'_>) -> Result<Connecting, Leave> {
        let spec = ctx.settings.config.ensemble.members.get(&leader);
        let addresses = spec.map(|spec| spec.quorum.clone());
        let addresses =
            addresses.ok_or_else(|| Leave(format!("server {leader} is not in the configuration")))?;
        let mut connecting = Connecting {
            addresses,
            dial: None,
            retry_us: RETRY_MIN_US,
            retry_at_us: ctx.now_us,
            deadline_us: ctx.now_us + ctx.settings.connect_us,
        };
        connecting.tick(ctx)?;
        Ok(connecting)
    }

    /// A dial has ended; `None` unless it is this one and there is a connection.
    pub(crate) fn dialled(
        &mut self,
        dial: DialId,
        conn: Option<ConnId>,
        ctx: &Context<'_>,
    ) -> Option<ConnId> {
        self.dial.take_if(|ours| *ours == dial)?;
        self.retry_at_us = ctx.now_us + self.retry_us;
        self.retry_us = (self.retry_us * 2).min(RETRY_MAX_US);
        conn
    }

    pub(crate) fn tick(&mut self, ctx: &mut Context<'_>) -> Result<(), Leave> {
        if ctx.now_us >= self.deadline_us {
            return Err(Leave("the leader's quorum port did not answer in time".to_owned()));
        }
        if self.dial.is_none() && ctx.now_us >= self.retry_at_us {
            let timeout_us = self.deadline_us - ctx.now_us;
            self.dial = Some(ctx.dials.dial(Port::Quorum, self.addresses.clone(), timeout_us, ctx.out));
        }
        Ok(())
    }

    pub(crate) fn wake_at_us(&self) -> u64 {
        if self.dial.is_some() { self.deadline_us } else { self.retry_at_us }
    }
}

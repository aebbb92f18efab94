//! What every part of the machine is given in a step.

use crate::io::{Dial, DialId, Outputs, Port};
use crate::promise::{DiskQueue, Durable};
use crate::settings::Settings;
use crate::{Address, DiskState, Epoch, ServerId, Standing, Txn};
use std::collections::BTreeSet;
use wire::Zxid;

pub(crate) struct Context<'a> {
    pub(crate) now_us: u64,
    pub(crate) settings: &'a Settings,
    pub(crate) disk: &'a mut DiskQueue,
    pub(crate) dials: &'a mut Dials,
    pub(crate) out: &'a mut Outputs,
}

impl Context<'_> {
    /// A pause of an observer, so that not all of them come at once: up to so many ms, by its id and the time of day.
    pub(crate) fn observers_pause_us(&mut self, max_ms: u64) -> u64 {
        if max_ms == 0 {
            return 0;
        }
        let mut mixed = self.now_us ^ self.settings.me().0.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let pause_ms = (mixed ^ (mixed >> 31)) % max_ms;
        self.out.note(format!("Waiting for {pause_ms} ms before reconnecting with the leader"));
        pause_ms.saturating_mul(1000)
    }
}

/// Names dials.
#[derive(Debug, Default)]
pub(crate) struct Dials(u64);

impl Dials {
    /// Asks for a connection.
    pub(crate) fn dial(
        &mut self,
        port: Port,
        addresses: Vec<Address>,
        timeout_us: u64,
        out: &mut Outputs,
    ) -> DialId {
        self.0 += 1;
        let dial = DialId(self.0);
        out.dials.push(Dial { dial, port, addresses, timeout_us });
        dial
    }
}

/// Why a role ends. It goes to the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Leave(pub(crate) String);

/// Why one connection ends and the role goes on. It goes to the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refusal(pub(crate) String);

impl From<wire::DecodeError> for Refusal {
    fn from(error: wire::DecodeError) -> Refusal {
        Refusal(error.to_string())
    }
}

/// What a role starts from: the disk, and nothing that an earlier role had in memory.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) last: Durable<Zxid>,
    pub(crate) accepted: Epoch,
    pub(crate) current: Epoch,
    pub(crate) recent: Vec<Txn>,
    pub(crate) legacy: Legacy,
}

/// What a leader leaves to the next one on this server. Nothing is promised by it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Legacy {
    /// An epoch that some voter has accepted, so that a new one goes above it.
    pub(crate) epoch_floor: Epoch,
    /// Learners for whom the log turned out to have a hole: a quorum that needs one of them may come together only in an
    /// epoch that begins with a snapshot for it.
    pub(crate) snapshot_only: BTreeSet<ServerId>,
}

impl Start {
    pub(crate) fn new(disk: DiskState, legacy: Legacy) -> Start {
        Start {
            last: Durable::recovered(&disk),
            accepted: disk.accepted_epoch,
            current: disk.current_epoch,
            recent: disk.recent,
            legacy,
        }
    }

    pub(crate) fn standing(&self) -> Standing {
        Standing { last_zxid: self.last.get(), current_epoch: i64::from(self.current.0) }
    }
}

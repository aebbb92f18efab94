//! What a run is made of.

use super::{FaultKind, Latency, Mistake};
use crate::{MachineSetup, MemberSetup, Rng};
use node::NodeConfig;
use std::collections::BTreeSet;
use tree::TreeConfig;
use zab::{Ensemble, PeerConfig, ServerId, WindowLimits};

/// The configuration of a run. Each seed has its own.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Everything follows from it.
    pub seed: u64,
    /// Servers with a vote; they come first.
    pub voters: usize,
    /// Servers without.
    pub observers: usize,
    /// Of every server; the id is filled in.
    pub node: NodeConfig,
    /// Of every tree.
    pub tree: TreeConfig,
    /// `initLimit`, in ticks.
    pub init_limit: u64,
    /// `syncLimit`, in ticks.
    pub sync_limit: u64,
    /// How much committed history a leader keeps in memory.
    pub window: WindowLimits,
    /// `forceSnapshotSync`.
    pub force_snapshot: bool,
    /// `snapshotSizeFactor`.
    pub snapshot_size_factor: f64,
    /// `leaderServes`.
    pub leader_serves: bool,
    /// `observerMasterPort` is set.
    pub observer_masters: bool,
    /// Servers with `digest.enabled=false`.
    pub without_digest: BTreeSet<usize>,
    /// Logs and snapshots have directories of their own.
    pub separate_logs: bool,
    /// The network.
    pub latency: Latency,
    /// How many clients are at work.
    pub clients: usize,
    /// What goes wrong.
    pub faults: BTreeSet<FaultKind>,
    /// How long it is until the next thing goes wrong, at most.
    pub fault_gap_us: u64,
    /// How long things go wrong.
    pub fault_time_us: u64,
    /// Something that is done wrong all the time, and must be noticed.
    pub mistake: Option<Mistake>,
}

impl Setup {
    /// Servers with small limits and nothing that goes wrong.
    pub fn calm(seed: u64, voters: usize, observers: usize) -> Setup {
        let mut node = NodeConfig {
            tick_time_ms: 500,
            min_session_timeout_ms: 1000,
            max_session_timeout_ms: 40_000,
            ..NodeConfig::default()
        };
        node.store.prealloc_bytes = 0;
        Setup {
            seed,
            voters,
            observers,
            node,
            tree: TreeConfig::default(),
            init_limit: 10,
            sync_limit: 5,
            window: WindowLimits { count_min: 500, bytes: 1 << 20 },
            force_snapshot: false,
            snapshot_size_factor: 0.33,
            leader_serves: true,
            observer_masters: false,
            without_digest: BTreeSet::new(),
            separate_logs: false,
            latency: Latency { min_us: 50, tail_us: 100, window: 64 << 10 },
            clients: 0,
            faults: BTreeSet::new(),
            fault_gap_us: 1_000_000,
            fault_time_us: 0,
            mistake: None,
        }
    }

    /// The configuration of a seed.
    pub fn drawn(seed: u64) -> Setup {
        let mut rng = Rng::new(seed, "setup");
        let rng = &mut rng;
        let voters = pick(rng, &[1, 3, 3, 3, 5, 5, 7]);
        let observers = pick(rng, &[0, 0, 0, 1, 1, 2]);
        let mut setup = Setup::calm(seed, voters, observers);
        let tick_ms = pick(rng, &[100, 200, 500, 2000]);
        setup.node.tick_time_ms = tick_ms;
        setup.node.min_session_timeout_ms = tick_ms * 2;
        setup.node.max_session_timeout_ms = tick_ms * 20;
        setup.init_limit = pick(rng, &[5, 10]);
        setup.sync_limit = pick(rng, &[2, 5]);
        let store = &mut setup.node.store;
        store.snap_count = pick(rng, &[3, 10, 100, 10_000]);
        store.txn_log_size_limit_bytes = pick(rng, &[0, 1 << 10, 64 << 10]);
        store.prealloc_bytes = pick(rng, &[0, 0, 4096]);
        setup.node.batch.flush_delay_ms = pick(rng, &[0, 0, 0, 5]);
        if rng.chance(30) {
            let interval_ms = 1000 + rng.below(10_000);
            setup.node.purge = Some(node::PurgeConfig { retain_count: 3, interval_ms });
        }
        setup.window =
            WindowLimits { count_min: pick(rng, &[1, 5, 500]), bytes: pick(rng, &[0, 500, 1 << 20]) };
        setup.force_snapshot = rng.chance(15);
        setup.snapshot_size_factor = if rng.chance(25) { -1.0 } else { 0.33 };
        setup.leader_serves = rng.chance(80) || voters == 1;
        setup.separate_logs = rng.chance(30);
        setup.latency = Latency {
            min_us: pick(rng, &[20, 100, 1000]),
            tail_us: pick(rng, &[20, 200, 2000]),
            window: pick(rng, &[512, 16 << 10, 256 << 10]),
        };
        setup.clients = 2 + rng.below(5) as usize;
        let any = !rng.chance(10);
        for kind in FaultKind::ALL.into_iter().filter(|kind| *kind != FaultKind::Wipe) {
            if rng.chance(50) && any {
                setup.faults.insert(kind);
            }
        }
        setup.fault_gap_us = 20_000 << rng.below(7);
        setup.fault_time_us = 5_000_000 + rng.below(20_000_000);
        setup.observer_masters = observers > 0 && rng.chance(40);
        setup.tree.extended_types = rng.chance(50);
        let sweep = &mut setup.node.sweep;
        sweep.check_interval_ms = pick(rng, &[500, 5_000, 60_000]);
        sweep.max_never_used_interval_ms = pick(rng, &[0, 3_000]);
        setup.draw_rare(any);
        setup
    }

    /// What is drawn seldom, from a stream of its own: seeds without it are what they were before there was such a thing.
    fn draw_rare(&mut self, any_fault: bool) {
        let rng = &mut Rng::new(self.seed, "rare");
        let servers = self.servers();
        if rng.chance(25) {
            self.without_digest = (0..servers).filter(|_| rng.chance(50)).collect();
        }
        if rng.chance(25) {
            self.node.local_sessions_enabled = true;
            self.node.local_sessions_upgrading_enabled = true;
        }
        if rng.chance(25) && any_fault {
            self.faults.insert(FaultKind::Wipe);
        }
    }

    /// How many servers there are.
    pub fn servers(&self) -> usize {
        self.voters + self.observers
    }

    /// A tick.
    pub fn tick_us(&self) -> u64 {
        self.node.tick_time_ms as u64 * 1000
    }

    pub(super) fn machine(&self, server: usize) -> MachineSetup {
        let mut node = NodeConfig { server_id: server as u8 + 1, ..self.node.clone() };
        // One setting in `zoo.cfg`: `commitLogCount`.
        node.store.recent_count = self.window.count_min;
        let mut tree = self.tree.clone();
        if self.without_digest.contains(&server) {
            (node.store.digest_enabled, tree.digest_enabled) = (false, false);
        }
        MachineSetup { node, tree }
    }

    pub(super) fn member(&self, server: usize) -> MemberSetup {
        let mut text = String::new();
        for id in 1..=self.servers() {
            let role = if id > self.voters { ":observer" } else { "" };
            text.push_str(&format!("server.{id}=n{id}:2888:3888{role}\n"));
        }
        let ensemble = Ensemble::parse(&text).expect("an ensemble");
        let mut peer = PeerConfig::new(ServerId(server as i64 + 1), ensemble);
        peer.tick_time_ms = self.node.tick_time_ms as u64;
        peer.init_limit = self.init_limit;
        peer.sync_limit = self.sync_limit;
        peer.window = self.window;
        peer.force_snapshot = self.force_snapshot;
        peer.observer_master_port = self.observer_masters.then_some(2191);
        MemberSetup {
            peer,
            snapshot_size_factor: self.snapshot_size_factor,
            leader_serves: self.leader_serves,
        }
    }
}

fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.below(from.len() as u64) as usize]
}

//! One thread per lane: the log, which acknowledgements wait for, and snapshots, which nobody waits for.

use super::files::{FileDisk, FilesConfig};
use mio::Waker;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use store::{Disk, DiskBatch, DiskError, DiskOp, Lane, Ticket};

/// A finished batch.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) ticket: Ticket,
    pub(crate) result: Result<(), DiskError>,
    /// A line for the log.
    pub(crate) slow_sync: Option<String>,
}

/// What a lane is given to do.
#[derive(Debug)]
enum Job {
    Batch(DiskBatch),
    /// Remove old snapshots and logs, keeping so many snapshots.
    Purge(usize),
}

/// The disk threads.
#[derive(Debug)]
pub struct Lanes {
    log: LaneThread,
    snapshot: LaneThread,
    outbox: Arc<Outbox>,
}

#[derive(Debug)]
struct LaneThread {
    inbox: Sender<Job>,
    thread: JoinHandle<()>,
}

/// What the threads have finished and the loop has not yet heard of.
#[derive(Debug)]
struct Outbox {
    done: Mutex<Vec<Done>>,
    waker: Arc<Waker>,
    /// The server ends: unfinished snapshots are not worth waiting for.
    abandon_snapshots: AtomicBool,
}

impl Lanes {
    /// Starts both threads; each keeps its own file handles.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(config: &FilesConfig, waker: Arc<Waker>) -> io::Result<Lanes> {
        let outbox = Arc::new(Outbox {
            done: Mutex::new(Vec::new()),
            waker,
            abandon_snapshots: AtomicBool::new(false),
        });
        let spawn = |lane: Lane, name: &str| -> io::Result<LaneThread> {
            let (inbox, jobs) = mpsc::channel();
            let disk = FileDisk::new(config.clone());
            let outbox = Arc::clone(&outbox);
            let thread = thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || work(lane, disk, &jobs, &outbox))?;
            Ok(LaneThread { inbox, thread })
        };
        Ok(Lanes {
            log: spawn(Lane::Log, "disk-log")?,
            snapshot: spawn(Lane::Snapshot, "disk-snap")?,
            outbox,
        })
    }

    /// Hands a batch over.
    pub(crate) fn submit(&self, batch: DiskBatch) {
        let lane = match batch.lane {
            Lane::Log => &self.log,
            Lane::Snapshot => &self.snapshot,
        };
        lane.inbox.send(Job::Batch(batch)).expect("disk threads end after the loop");
    }

    /// Removes all but the newest `keep` snapshots and the logs they need, behind the snapshots under way.
    pub(crate) fn purge(&self, keep: usize) {
        self.snapshot.inbox.send(Job::Purge(keep)).expect("disk threads end after the loop");
    }

    /// What has finished since the last call, in order within a lane.
    pub(crate) fn take_done(&self) -> Vec<Done> {
        std::mem::take(&mut *self.outbox.done.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends the threads. With `wait`, what the log was asked to do is done first; after a disk failure nobody waits.
    pub(crate) fn end(self, wait: bool) {
        self.outbox.abandon_snapshots.store(true, Ordering::Release);
        let Lanes { log, snapshot, outbox: _ } = self;
        for LaneThread { inbox, thread } in [log, snapshot] {
            drop(inbox);
            if wait {
                thread.join().expect("a disk thread has panicked");
            }
        }
    }
}

fn work(lane: Lane, mut disk: FileDisk, jobs: &Receiver<Job>, outbox: &Outbox) {
    let mut failed: Option<DiskError> = None;
    while let Ok(job) = jobs.recv() {
        if lane == Lane::Snapshot && outbox.abandon_snapshots.load(Ordering::Acquire) {
            continue;
        }
        let batch = match job {
            Job::Batch(batch) => batch,
            Job::Purge(keep) => {
                purge(&mut disk, keep);
                continue;
            }
        };
        // After a failed write or sync of the log nobody knows what is on the disk: nothing may follow it.
        let result = match &failed {
            Some(e) => Err(e.clone()),
            None => batch.ops.iter().try_for_each(|op| disk.execute(op)),
        };
        if lane == Lane::Log && failed.is_none() {
            failed = result.as_ref().err().cloned();
        }
        let done = Done { ticket: batch.ticket, result, slow_sync: disk.take_slow_sync() };
        outbox.deliver(done);
    }
}

/// Errors are worth a line and nothing more: the files stay until the next time.
fn purge(disk: &mut FileDisk, keep: usize) {
    log::info!("Purge task started.");
    let purged = store::purge_plan(disk, keep).and_then(|ops| {
        for op in &ops {
            if let DiskOp::Remove { file } = op {
                log::info!("Removing file: {}", disk.path(file));
            }
            disk.execute(op)?;
        }
        Ok(())
    });
    match purged {
        Ok(()) => log::info!("Purge task completed."),
        Err(e) => log::error!("Purge task failed: {e}"),
    }
}

impl Outbox {
    fn deliver(&self, done: Done) {
        let mut list = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let first = list.is_empty();
        list.push(done);
        drop(list);
        if first {
            // The loop is gone if this fails, and with it whoever waited.
            let _ = self.waker.wake();
        }
    }
}

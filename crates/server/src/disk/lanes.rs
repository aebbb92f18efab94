//! One thread per lane: the log, which acknowledgements wait for, and snapshots, which nobody waits for. A third one reads
//! old logs for servers that have fallen behind.

use super::files::{FileDisk, FilesConfig};
use crate::net::dial::Dialled;
use mio::Waker;
use node::{HistoryQuery, Recover, RecoverFailure};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use store::{Disk, DiskBatch, DiskError, DiskOp, HistorySlice, Lane, Recovered, StoreConfig, Ticket};

/// A finished batch.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) ticket: Ticket,
    pub(crate) result: Result<(), DiskError>,
    /// A line for the log.
    pub(crate) slow_sync: Option<String>,
}

/// What a thread has to tell the loop.
#[derive(Debug)]
pub(crate) enum News {
    Done(Done),
    /// The history has been read again.
    Recovered(Result<Box<Recovered>, RecoverFailure>),
    /// A piece of the logs for a learner.
    History {
        learner: zab::ConnId,
        slice: Option<HistorySlice>,
    },
    /// Another server was dialled.
    Dialled(Dialled),
}

/// How a history is read again.
pub(crate) type Recovery =
    Box<dyn Fn(&mut FileDisk, Recover) -> Result<Box<Recovered>, RecoverFailure> + Send>;

/// What a lane is given to do.
enum Job {
    Batch(DiskBatch),
    /// Give up the end of the history and read the rest again.
    Recover(Recover),
    /// Read a piece of the logs.
    History(HistoryQuery),
    /// Remove old snapshots and logs, keeping so many snapshots.
    Purge(usize),
}

/// The disk threads.
#[derive(Debug)]
pub struct Lanes {
    log: LaneThread,
    snapshot: LaneThread,
    reader: LaneThread,
    outbox: Arc<Outbox>,
}

#[derive(Debug)]
struct LaneThread {
    inbox: Sender<Job>,
    thread: JoinHandle<()>,
}

/// What the threads have finished and the loop has not yet heard of.
#[derive(Debug)]
pub(crate) struct Outbox {
    news: Mutex<Vec<News>>,
    waker: Arc<Waker>,
    /// The server ends: unfinished snapshots are not worth waiting for.
    abandon_snapshots: AtomicBool,
}

impl Lanes {
    /// Starts the threads; each keeps its own file handles.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(config: &FilesConfig, waker: Arc<Waker>) -> io::Result<Lanes> {
        Lanes::start_with(config, StoreConfig::default(), None, waker)
    }

    /// The same for a member of an ensemble, whose history may have to be read again.
    pub(crate) fn start_with(
        config: &FilesConfig,
        store: StoreConfig,
        recovery: Option<Recovery>,
        waker: Arc<Waker>,
    ) -> io::Result<Lanes> {
        let outbox = Arc::new(Outbox {
            news: Mutex::new(Vec::new()),
            waker,
            abandon_snapshots: AtomicBool::new(false),
        });
        let spawn = |lane: Lane, name: &str, recovery: Option<Recovery>| -> io::Result<LaneThread> {
            let (inbox, jobs) = mpsc::channel();
            let worker = Worker {
                lane,
                disk: FileDisk::new(config.clone()),
                store: store.clone(),
                recovery,
                outbox: Arc::clone(&outbox),
                failed: None,
            };
            let thread = thread::Builder::new().name(name.to_owned()).spawn(move || worker.work(&jobs))?;
            Ok(LaneThread { inbox, thread })
        };
        Ok(Lanes {
            log: spawn(Lane::Log, "disk-log", recovery)?,
            snapshot: spawn(Lane::Snapshot, "disk-snap", None)?,
            reader: spawn(Lane::Snapshot, "disk-read", None)?,
            outbox,
        })
    }

    /// Where threads leave their news.
    pub(crate) fn outbox(&self) -> Arc<Outbox> {
        Arc::clone(&self.outbox)
    }

    /// Reads the history again; nothing else may be under way.
    pub(crate) fn recover(&self, recover: Recover) {
        self.log.inbox.send(Job::Recover(recover)).expect("disk threads end after the loop");
    }

    /// Reads a piece of the logs.
    pub(crate) fn read(&self, query: HistoryQuery) {
        self.reader.inbox.send(Job::History(query)).expect("disk threads end after the loop");
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
    pub(crate) fn take_news(&self) -> Vec<News> {
        std::mem::take(&mut *self.outbox.news.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends the threads. With `wait`, what the log was asked to do is done first; after a disk failure nobody waits.
    pub(crate) fn end(self, wait: bool) {
        self.outbox.abandon_snapshots.store(true, Ordering::Release);
        let Lanes { log, snapshot, reader, outbox: _ } = self;
        for LaneThread { inbox, thread } in [log, snapshot, reader] {
            drop(inbox);
            if wait {
                thread.join().expect("a disk thread has panicked");
            }
        }
    }
}

/// One thread's belongings.
struct Worker {
    lane: Lane,
    disk: FileDisk,
    store: StoreConfig,
    recovery: Option<Recovery>,
    outbox: Arc<Outbox>,
    failed: Option<DiskError>,
}

impl Worker {
    fn work(mut self, jobs: &Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            if self.lane == Lane::Snapshot && self.outbox.abandon_snapshots.load(Ordering::Acquire) {
                continue;
            }
            match job {
                Job::Batch(batch) => self.batch(&batch),
                Job::Purge(keep) => purge(&mut self.disk, keep),
                Job::Recover(recover) => self.recover(recover),
                Job::History(query) => self.read(query),
            }
        }
    }

    fn batch(&mut self, batch: &DiskBatch) {
        // After a failed write or sync of the log nobody knows what is on the disk: nothing may follow it.
        let disk = &mut self.disk;
        let result = match &self.failed {
            Some(e) => Err(e.clone()),
            None => batch.ops.iter().try_for_each(|op| disk.execute(op)),
        };
        if self.lane == Lane::Log && self.failed.is_none() {
            self.failed = result.as_ref().err().cloned();
        }
        let done = Done { ticket: batch.ticket, result, slow_sync: self.disk.take_slow_sync() };
        self.outbox.deliver(News::Done(done));
    }

    fn recover(&mut self, recover: Recover) {
        let recovery = self.recovery.as_ref().expect("only a member of an ensemble gives up history");
        let result = recovery(&mut self.disk, recover);
        self.outbox.deliver(News::Recovered(result));
    }

    /// A failure is no reason to stop: the learner gets a snapshot instead.
    fn read(&mut self, query: HistoryQuery) {
        let HistoryQuery { learner, after, upto, max_bytes, worth_bytes } = query;
        let worth = match worth_bytes {
            Some(limit) => store::history_bytes(&mut self.disk, after).is_ok_and(|bytes| bytes <= limit),
            None => true,
        };
        let slice = worth.then(|| store::read_history(&mut self.disk, &self.store, after, upto, max_bytes));
        let slice = slice.and_then(|slice| {
            slice.inspect_err(|e| log::warn!("cannot read the log for another server: {e}")).ok()
        });
        self.outbox.deliver(News::History { learner, slice });
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
    pub(crate) fn deliver(&self, news: News) {
        let mut list = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        let first = list.is_empty();
        list.push(news);
        drop(list);
        if first {
            // The loop is gone if this fails, and with it whoever waited.
            let _ = self.waker.wake();
        }
    }
}

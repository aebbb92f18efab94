//! The two epoch files of an ensemble's member (reference: quorum-protocol §1.3; storage-formats §6, "Epoch checks").
//!
//! Apache keeps each as a bare decimal number, in which a changed digit goes unnoticed. So each has a twin whose checksum
//! says whether it may be believed, and whose name Apache ignores. A twin that names a later epoch than its file is right:
//! epochs never go back, and nobody else writes twins. A file that names a later one than its twin is right as well:
//! Apache wrote it, or a crash came between the two.
//!
//! A history is made durable before the epoch it belongs to (ZOOKEEPER-4643), so a crash may leave transactions of a later
//! epoch than `currentEpoch`. Apache's server then refuses to start; here it goes on with the earlier epoch, which is what
//! it has promised: its vote is the lower one.

use crate::{Dir, Disk, DiskError, DiskOp, FileName};
use std::fmt;
use wire::Zxid;

/// What a server has promised about epochs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Epochs {
    /// No leader of an older epoch will be followed.
    pub accepted: u32,
    /// The epoch whose leader's history was last taken over.
    pub current: u32,
}

/// One of the two files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EpochFile {
    /// `acceptedEpoch`.
    Accepted,
    /// `currentEpoch`.
    Current,
}

impl EpochFile {
    fn name(self) -> &'static str {
        match self {
            EpochFile::Accepted => "acceptedEpoch",
            EpochFile::Current => "currentEpoch",
        }
    }

    fn file(self) -> FileName {
        FileName::new(Dir::Snap, self.name())
    }

    fn twin(self) -> FileName {
        FileName::new(Dir::Snap, format!("twin-{}", self.name()))
    }

    fn temporary(self) -> FileName {
        FileName::new(Dir::Snap, format!("{}.tmp", self.name()))
    }
}

/// Why the epoch files cannot be believed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EpochError {
    /// The disk.
    Disk(DiskError),
    /// Not a number, and no twin that knows better.
    NotANumber {
        /// The file's full path.
        path: String,
        /// Its first line.
        found: String,
    },
    /// There are transactions of a later epoch than `acceptedEpoch`, which is written before any of them is asked for.
    Behind {
        /// `acceptedEpoch`.
        accepted: u32,
        /// The last transaction.
        last: Zxid,
    },
    /// `acceptedEpoch` is older than `currentEpoch`: Apache's words.
    Contradiction(Epochs),
}

impl From<DiskError> for EpochError {
    fn from(error: DiskError) -> EpochError {
        EpochError::Disk(error)
    }
}

impl fmt::Display for EpochError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EpochError::Disk(error) => return error.fmt(f),
            EpochError::NotANumber { path, found } => write!(f, "Found {found} in {path}")?,
            EpochError::Behind { accepted, last } => {
                write!(f, "The accepted epoch, {accepted:x}, is older than the last zxid, {}", last.0)?;
            }
            EpochError::Contradiction(Epochs { accepted, current }) => {
                write!(f, "The accepted epoch, {accepted:x} is less than the current epoch, {current:x}")?;
            }
        }
        f.write_str(
            ". Restore the epoch files together with the logs and snapshots, or empty the data directory and let this server \
             copy everything from the others",
        )
    }
}

impl std::error::Error for EpochError {}

/// What makes an epoch durable: the file, then its twin, each written aside and renamed.
pub fn write_epoch(which: EpochFile, epoch: u32) -> Vec<DiskOp> {
    let mut ops = replace(which.file(), which.temporary(), epoch.to_string().into_bytes());
    let twin = which.twin();
    let temporary = FileName::new(Dir::Snap, format!("tmp-{}", twin.name));
    ops.extend(replace(twin, temporary, twin_text(epoch).into_bytes()));
    ops
}

/// Reads both files of a server whose last transaction is `last`, and says what is to be written to make them whole.
///
/// # Errors
/// [`EpochError`], for the operator to read.
pub fn load_epochs(disk: &mut dyn Disk, last: Zxid) -> Result<(Epochs, Vec<DiskOp>), EpochError> {
    let names: Vec<String> = disk.list(Dir::Snap)?.into_iter().map(|(name, _)| name).collect();
    let mut current = load(disk, &names, EpochFile::Current, last.epoch())?;
    if last.epoch() > current.epoch {
        // A crash between writing the file aside and renaming it (ZOOKEEPER-4269).
        let aside = read(disk, &names, &EpochFile::Current.temporary())?;
        if let Some(aside) = aside.and_then(|text| parse(&text)).filter(|aside| *aside >= last.epoch()) {
            current = Loaded { epoch: aside, whole: false };
        }
    }
    let accepted = load(disk, &names, EpochFile::Accepted, last.epoch())?;
    if last.epoch() > accepted.epoch {
        return Err(EpochError::Behind { accepted: accepted.epoch, last });
    }
    let epochs = Epochs { accepted: accepted.epoch, current: current.epoch };
    if epochs.accepted < epochs.current {
        return Err(EpochError::Contradiction(epochs));
    }
    let mut repairs = Vec::new();
    // accepted first: a crash in between must not leave it behind.
    for (which, loaded) in [(EpochFile::Accepted, accepted), (EpochFile::Current, current)] {
        if !loaded.whole {
            repairs.extend(write_epoch(which, loaded.epoch));
        }
    }
    Ok((epochs, repairs))
}

struct Loaded {
    epoch: u32,
    /// File and twin are there and say so.
    whole: bool,
}

fn load(disk: &mut dyn Disk, names: &[String], which: EpochFile, default: u32) -> Result<Loaded, EpochError> {
    let text = read(disk, names, &which.file())?;
    let twin = read(disk, names, &which.twin())?.and_then(|text| parse_twin(&text));
    let file = text.as_deref().map(|text| parse(text).ok_or(text));
    Ok(match (file, twin) {
        (Some(Ok(file)), Some(twin)) => Loaded { epoch: file.max(twin), whole: file == twin },
        (Some(Ok(file)), None) => Loaded { epoch: file, whole: false },
        (Some(Err(_)) | None, Some(twin)) => Loaded { epoch: twin, whole: false },
        (Some(Err(found)), None) => {
            let found = found.lines().next().unwrap_or("").to_owned();
            return Err(EpochError::NotANumber { path: disk.path(&which.file()), found });
        }
        (None, None) => Loaded { epoch: default, whole: false },
    })
}

/// A small file's text; longer ones are cut, and are no numbers then.
fn read(disk: &mut dyn Disk, names: &[String], file: &FileName) -> Result<Option<String>, DiskError> {
    if !names.contains(&file.name) {
        return Ok(None);
    }
    let mut bytes = [0; 64];
    let read = crate::read_at::read_fully(&mut crate::DiskFile::new(disk, file.clone()), 0, &mut bytes)?;
    Ok(Some(String::from_utf8_lossy(&bytes[..read]).into_owned()))
}

/// The first line, as Java's `Long.parseLong` reads it; epochs beyond 31 bits do not exist. -1 is what Apache's servers write
/// into an empty directory that they do not trust.
fn parse(text: &str) -> Option<u32> {
    match text.lines().next()?.parse::<i64>().ok()? {
        -1 => Some(0),
        epoch => u32::try_from(epoch).ok().filter(|epoch| *epoch <= i32::MAX as u32),
    }
}

fn twin_text(epoch: u32) -> String {
    format!("{epoch} {:08x}\n", crc32fast::hash(epoch.to_string().as_bytes()))
}

fn parse_twin(text: &str) -> Option<u32> {
    let epoch = text.split(' ').next()?.parse().ok()?;
    (twin_text(epoch) == text).then_some(epoch)
}

fn replace(file: FileName, temporary: FileName, bytes: Vec<u8>) -> Vec<DiskOp> {
    vec![
        DiskOp::Create { file: temporary.clone() },
        DiskOp::WriteAt { file: temporary.clone(), offset: 0, bytes },
        DiskOp::Sync { file: temporary.clone() },
        DiskOp::Close { file: temporary.clone() },
        DiskOp::Rename { from: temporary, to: file },
        DiskOp::SyncDir { dir: Dir::Snap },
    ]
}

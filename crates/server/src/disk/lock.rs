//! One server per directory: an advisory lock under a name that ZooKeeper never looks at.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

/// The lock's name in each `version-2`: ZooKeeper only looks at names that begin with `log.` or `snapshot.`.
const LOCK_NAME: &str = "headkeeper.lock";

/// The data directories held against a second server. The system drops the locks with the process, however it ends.
#[derive(Debug)]
pub struct DirectoryLocks {
    _files: Vec<File>,
}

impl DirectoryLocks {
    /// Locks directories that exist; one that is given twice is locked once. Makes their names durable as well, since
    /// they may have been created just now.
    ///
    /// # Errors
    /// The line for the operator.
    pub fn take(directories: &[PathBuf]) -> Result<DirectoryLocks, String> {
        let mut places = Vec::new();
        for directory in directories {
            let place = directory
                .canonicalize()
                .map_err(|e| format!("Cannot use data directory {}: {e}", directory.display()))?;
            if !places.contains(&place) {
                places.push(place);
            }
        }
        let files = places.iter().map(|place| lock(place)).collect::<Result<Vec<_>, _>>()?;
        places.iter().for_each(|place| sync_names(place));
        Ok(DirectoryLocks { _files: files })
    }
}

fn lock(directory: &Path) -> Result<File, String> {
    let path = directory.join(LOCK_NAME);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|e| format!("Cannot write to data directory {}: {e}", directory.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(format!(
            "Another headkeeper is running on {} (it holds the lock on {LOCK_NAME}); stop it first or use another dataDir",
            directory.display()
        )),
        Err(TryLockError::Error(e)) => Err(format!("Cannot lock {}: {e}", path.display())),
    }
}

/// Best effort: a parent that we may not open was not created by us.
fn sync_names(directory: &Path) {
    for at in directory.ancestors() {
        if File::open(at).and_then(|d| d.sync_all()).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn the_second_server_on_a_directory_is_refused() {
        let dir = TempDir::new();
        let both = [dir.path().to_owned(), dir.path().to_owned()];
        let first = DirectoryLocks::take(&both).unwrap();
        let refusal = DirectoryLocks::take(&both[..1]).unwrap_err();
        assert!(refusal.starts_with("Another headkeeper is running on "), "{refusal}");
        drop(first);
        DirectoryLocks::take(&both).unwrap();
    }
}

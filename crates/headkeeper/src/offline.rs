//! What the offline tools share: files that are only read, results on stdout, failures with exit codes.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, StdoutLock, Write};
use std::path::Path;
use std::process::ExitCode;
use store::{DiskError, ReadAt};
use wire::Limits;

/// The file holds what it should not.
const EXIT_DAMAGED: u8 = 1;
/// The file cannot be read at all, or the arguments make no sense.
const EXIT_UNUSABLE: u8 = 2;

/// Strings and buffers of any size: the file is what it is, and is not ours to refuse.
pub const LIMITS: Limits = Limits { field_max: i32::MAX as usize };

/// Why a tool ends early.
#[derive(Debug)]
pub enum Failure {
    /// What was found is damaged: exit code 1.
    Damaged(String),
    /// No use trying: exit code 2.
    Unusable(String),
    /// Whoever reads our output has gone.
    Output(io::Error),
}

impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Failure {
        Failure::Output(e)
    }
}

impl From<DiskError> for Failure {
    fn from(e: DiskError) -> Failure {
        Failure::Unusable(e.to_string())
    }
}

/// Runs a tool on buffered stdout and turns what it says into an exit code.
pub fn run(tool: impl FnOnce(&mut BufWriter<StdoutLock<'static>>) -> Result<(), Failure>) -> ExitCode {
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    let result = tool(&mut out).and_then(|()| Ok(out.flush()?));
    // What was said before a failure stands before it.
    let _ = out.flush();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Damaged(message)) => fail(&message, EXIT_DAMAGED),
        Err(Failure::Unusable(message)) => fail(&message, EXIT_UNUSABLE),
        Err(Failure::Output(e)) if e.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Failure::Output(e)) => fail(&format!("cannot write: {e}"), EXIT_UNUSABLE),
    }
}

fn fail(message: &str, code: u8) -> ExitCode {
    eprintln!("{message}");
    ExitCode::from(code)
}

/// A file on its way to a reader of the store.
pub struct Source {
    file: File,
    path: String,
    position: u64,
}

impl Source {
    /// Opens a plain file.
    pub fn open(path: &Path) -> Result<Source, Failure> {
        let shown = path.display().to_string();
        let unusable = |e: io::Error| Failure::Unusable(format!("cannot open {shown}: {e}"));
        let file = File::open(path).map_err(unusable)?;
        if !file.metadata().map_err(unusable)?.is_file() {
            return Err(Failure::Unusable(format!("{shown} is not a file")));
        }
        Ok(Source { file, path: shown, position: 0 })
    }

    /// Exactly these bytes.
    pub fn read_exact_at(&mut self, offset: u64, len: usize) -> Result<Vec<u8>, DiskError> {
        let mut bytes = vec![0; len];
        let mut filled = 0;
        while filled < len {
            match self.read_at(offset + filled as u64, &mut bytes[filled..])? {
                0 => return Err(self.error("read", "the file ends there")),
                n => filled += n,
            }
        }
        Ok(bytes)
    }

    fn error(&self, action: &'static str, reason: impl ToString) -> DiskError {
        DiskError { action, path: self.path.clone(), reason: reason.to_string() }
    }
}

impl ReadAt for Source {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        if self.position != offset {
            self.file.seek(SeekFrom::Start(offset)).map_err(|e| self.error("seek", e))?;
        }
        let n = self.file.read(buf).map_err(|e| self.error("read", e))?;
        self.position = offset + n as u64;
        Ok(n)
    }
}

/// The last part of a path, as text.
pub fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

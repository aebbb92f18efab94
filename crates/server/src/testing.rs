//! Helpers for tests that need real directories and a real server in this process.

use crate::config::Config;
use crate::{Server, Stop};
use node::Halt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::{fs, io};

/// A directory of its own under the system's temporary directory, removed at the end.
#[derive(Debug)]
pub struct TempDir {
    path: PathBuf,
}

impl TempDir {
    /// A fresh, empty directory.
    ///
    /// # Panics
    /// When it cannot be created.
    #[expect(clippy::new_without_default, reason = "making a directory is not a default")]
    pub fn new() -> TempDir {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("headkeeper-test-{}-{}", std::process::id(), SERIAL.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a temporary directory");
        TempDir { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// A server in a thread of this process.
#[derive(Debug)]
pub struct TestServer {
    config: Config,
    address: SocketAddr,
    stop: Stop,
    thread: JoinHandle<io::Result<Halt>>,
}

impl TestServer {
    /// What a server on a free local port with its data below `dir` is told.
    pub fn config(dir: &TempDir) -> Config {
        let mut config = Config::default_local();
        config.data_dir = dir.path().join("data");
        config.listen.client_port = Some(0);
        config.listen.max_client_cnxns = 0;
        config.storage.prealloc_kb = 64;
        config
    }

    /// Starts it; it serves when this returns.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(config: &Config) -> TestServer {
        let server = Server::open(config).unwrap_or_else(|e| panic!("{e}"));
        let address = server.address().expect("a test server has a client port");
        let stop = server.stop();
        let thread =
            thread::Builder::new().name("server".to_owned()).spawn(move || server.run()).expect("a thread");
        TestServer { config: config.clone(), address, stop, thread }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks it to stop and waits until all files are closed.
    ///
    /// # Panics
    /// When it ends otherwise than stopped.
    pub fn stop(self) -> Config {
        self.stop.ask().expect("the server can be woken");
        let halt = self.thread.join().expect("the server has not panicked").expect("events");
        assert_eq!(halt, Halt::Stopped);
        self.config
    }
}

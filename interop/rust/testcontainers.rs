//! Stands in for the `testcontainers` crate in the tests of `zookeeper-client`: the same names, but what runs as the image
//! `zookeeper` is a server process on this machine. HEADKEEPER_BINARY is ours, HEADKEEPER_CLASSPATH the jars of Apache's.
//!
//! The port 2181 of a container is a free port of 127.0.0.1 here, and stays the same when the container is stopped and started.
//! A member of an ensemble has the ports that its configuration names, as on docker's network `host`.

use std::cell::RefCell;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// `testcontainers::clients`.
pub mod clients {
    use super::*;

    /// Where containers run.
    #[derive(Default)]
    pub struct Cli;

    impl Cli {
        /// Starts a server and waits until it serves.
        pub fn run(
            &self,
            image: core::RunnableImage<images::generic::GenericImage>,
        ) -> core::Container<'_, images::generic::GenericImage> {
            core::Container::new(image)
        }
    }
}

/// `testcontainers::images`.
pub mod images {
    /// `testcontainers::images::generic`.
    pub mod generic {
        use crate::core::{Healthcheck, WaitFor};

        /// What to run.
        pub struct GenericImage {
            pub(crate) tag: String,
            pub(crate) environment: Vec<(String, String)>,
        }

        impl GenericImage {
            /// Only `zookeeper` can be run; the tag is a version that the server cannot choose.
            pub fn new(name: &str, tag: &str) -> GenericImage {
                assert_eq!(name, "zookeeper");
                GenericImage { tag: tag.to_owned(), environment: Vec::new() }
            }

            /// Adds a variable to the server's environment.
            pub fn with_env_var(mut self, name: &str, value: String) -> GenericImage {
                self.environment.push((name.to_owned(), value));
                self
            }

            /// The server is asked with `isro` instead.
            pub fn with_healthcheck(self, _: Healthcheck) -> GenericImage {
                self
            }

            /// The server is always waited for.
            pub fn with_wait_for(self, _: WaitFor) -> GenericImage {
                self
            }
        }
    }
}

/// `testcontainers::core`.
pub mod core {
    use super::*;
    use images::generic::GenericImage;
    use std::marker::PhantomData;

    /// How long to wait, and for what; there is one way here.
    pub enum WaitFor {
        /// Until the server serves.
        Healthcheck,
    }

    /// Says nothing here.
    #[derive(Default)]
    pub struct Healthcheck;

    impl Healthcheck {
        /// Not used.
        pub fn with_cmd<T>(self, _: impl Iterator<Item = T>) -> Healthcheck {
            self
        }
        /// Not used.
        pub fn with_interval(self, _: Duration) -> Healthcheck {
            self
        }
        /// Not used.
        pub fn with_retries(self, _: u32) -> Healthcheck {
            self
        }
    }

    /// An image with its files.
    pub struct RunnableImage<I> {
        image: I,
        volumes: Vec<(PathBuf, String)>,
    }

    impl From<GenericImage> for RunnableImage<GenericImage> {
        fn from(image: GenericImage) -> Self {
            RunnableImage { image, volumes: Vec::new() }
        }
    }

    impl<I> RunnableImage<I> {
        /// A file of this machine and its name in the container.
        pub fn with_volume(mut self, volume: (&str, &str)) -> RunnableImage<I> {
            self.volumes.push((volume.0.into(), volume.1.to_owned()));
            self
        }

        /// Every server is on this machine's network.
        pub fn with_network(self, _: &str) -> RunnableImage<I> {
            self
        }

        /// What of this machine has that name in the container.
        fn volume(&self, name: &str) -> Option<&Path> {
            self.volumes.iter().find(|(_, inside)| inside == name).map(|(path, _)| path.as_path())
        }

        /// The client port that a member's own line has at its end.
        fn member_port(&self) -> Option<u16> {
            let id = fs::read_to_string(self.volume("/data")?.join("myid")).ok()?;
            let lines = fs::read_to_string(self.volume("/conf/zoo.cfg")?).ok()?;
            let own = format!("server.{}=", id.trim());
            lines.lines().find(|line| line.starts_with(&own))?.rsplit(':').next()?.parse().ok()
        }
    }

    /// A server; ended when dropped.
    pub struct Container<'d, I> {
        image: RunnableImage<I>,
        port: u16,
        directory: PathBuf,
        child: RefCell<Option<Child>>,
        docker: PhantomData<&'d ()>,
    }

    impl Container<'_, GenericImage> {
        pub(crate) fn new(image: RunnableImage<GenericImage>) -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("zookeeper-{}-{}-{number}", image.image.tag, std::process::id());
            let directory = std::env::temp_dir().join(name);
            fs::create_dir_all(directory.join("data")).unwrap();
            let port = image.member_port().unwrap_or_else(|| {
                TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
            });
            let container =
                Container { image, port, directory, child: RefCell::new(None), docker: PhantomData };
            container.start();
            container
        }

        /// Starts the server on the data it has.
        pub fn start(&self) {
            let file = self.directory.join("zoo.cfg");
            fs::write(&file, self.configuration()).unwrap();
            let output = fs::File::options().create(true).append(true).open(self.output()).unwrap();
            let mut command = self.command(&file);
            command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
            let child = command.spawn().expect("the server cannot be started");
            *self.child.borrow_mut() = Some(child);
            self.wait();
        }

        /// Ends the server as docker does, with SIGTERM.
        pub fn stop(&self) {
            if let Some(mut child) = self.child.borrow_mut().take() {
                let killed = Command::new("kill").arg(child.id().to_string()).status().unwrap();
                assert!(killed.success());
                child.wait().unwrap();
            }
        }

        /// The port of this machine that leads to the container's.
        pub fn get_host_port(&self, port: u16) -> u16 {
            assert_eq!(port, 2181);
            self.port
        }

        /// What the server has printed.
        pub fn stdout(&self) -> LogStream {
            LogStream { file: self.output() }
        }

        fn output(&self) -> PathBuf {
            self.directory.join("output")
        }

        fn configuration(&self) -> String {
            let mut lines = match self.image.volume("/conf/zoo.cfg") {
                Some(file) => fs::read_to_string(file).unwrap(),
                // As the image's own, apart from its autopurge.
                None => "tickTime=2000\ninitLimit=5\nsyncLimit=2\nmaxClientCnxns=60\nclientPort=2181\n".to_owned(),
            };
            lines = lines.replace("clientPort=2181", &format!("clientPort={}", self.port));
            lines.retain(|c| c != '\r');
            let kept = lines.lines().filter(|line| !line.starts_with("dataDir="));
            let mut text: String = kept.map(|line| format!("{line}\n")).collect();
            let data = self.image.volume("/data").map_or_else(|| self.directory.join("data"), Path::to_owned);
            text.push_str(&format!("dataDir={}\n", data.display()));
            if !text.contains("tickTime=") {
                text.push_str("tickTime=2000\n");
            }
            text.push_str("4lw.commands.whitelist=isro\nadmin.enableServer=false\n");
            text
        }

        fn command(&self, configuration: &Path) -> Command {
            let environment = self.image.image.environment.iter();
            let mut command = match std::env::var("HEADKEEPER_BINARY") {
                Ok(binary) => {
                    let mut ours = Command::new(binary);
                    ours.arg("serve");
                    ours
                }
                Err(_) => {
                    let jars = std::env::var("HEADKEEPER_CLASSPATH").expect("HEADKEEPER_CLASSPATH or HEADKEEPER_BINARY");
                    let mut java = Command::new("java");
                    let flags = environment.clone().filter(|(name, _)| name == "SERVER_JVMFLAGS");
                    java.args(flags.flat_map(|(_, flags)| flags.split_whitespace()));
                    java.args(["-Xmx256m", "-cp", &jars, "org.apache.zookeeper.server.quorum.QuorumPeerMain"]);
                    java
                }
            };
            command.arg(configuration).envs(environment.map(|(name, value)| (name, value)));
            command
        }

        fn wait(&self) {
            let deadline = Instant::now() + Duration::from_secs(60);
            while !self.serves() {
                let ended = self.child.borrow_mut().as_mut().unwrap().try_wait().unwrap();
                if ended.is_some() || Instant::now() > deadline {
                    let output = fs::read_to_string(self.output()).unwrap_or_default();
                    panic!("the server does not serve ({ended:?}): {output}");
                }
                std::thread::sleep(Duration::from_millis(30));
            }
        }

        fn serves(&self) -> bool {
            let ask = || -> std::io::Result<String> {
                let mut socket = TcpStream::connect(("127.0.0.1", self.port))?;
                socket.set_read_timeout(Some(Duration::from_secs(2)))?;
                socket.write_all(b"isro")?;
                socket.shutdown(Shutdown::Write)?;
                let mut answer = String::new();
                socket.read_to_string(&mut answer)?;
                Ok(answer)
            };
            ask().is_ok_and(|answer| answer == "rw")
        }
    }

    impl<I> Drop for Container<'_, I> {
        fn drop(&mut self) {
            if let Some(mut child) = self.child.borrow_mut().take() {
                let _ = child.kill();
                let _ = child.wait();
            }
            let _ = fs::remove_dir_all(&self.directory);
        }
    }

    /// A server's output.
    pub struct LogStream {
        file: PathBuf,
    }

    impl LogStream {
        /// Waits until the server has printed `message`.
        pub fn wait_for_message(&self, message: &str) -> Result<(), String> {
            let deadline = Instant::now() + Duration::from_secs(60);
            while Instant::now() < deadline {
                if fs::read_to_string(&self.file).is_ok_and(|text| text.contains(message)) {
                    return Ok(());
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(format!("the server did not print {message}"))
        }
    }
}

//! The shell's prompt, typed at through a pseudo-terminal.

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use server::testing::{TempDir, TestServer};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// A person at a terminal.
struct Terminal {
    keys: File,
    screen: Receiver<Vec<u8>>,
    /// What has been shown and not yet been looked at.
    seen: String,
    shell: Child,
}

impl Terminal {
    fn open(server: &str, home: &TempDir) -> Terminal {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
        grantpt(&master).expect("access to it");
        unlockpt(&master).expect("its other end");
        let name = ptsname(&master, Vec::new()).expect("its name").into_string().expect("text");
        let end = || OpenOptions::new().read(true).write(true).open(&name).expect("its other end");
        let shell = Command::new(env!("CARGO_BIN_EXE_headkeeper"))
            .args(["shell", "-s", server])
            .env("HOME", home.path())
            .env("TERM", "xterm")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("the program runs");
        let keys = File::from(master);
        let (show, screen) = channel();
        let mut output = keys.try_clone().expect("a handle");
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(n @ 1..) = output.read(&mut chunk) {
                if show.send(chunk[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        Terminal { keys, screen, seen: String::new(), shell }
    }

    fn type_in(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("keys");
    }

    /// Waits until a text is shown; everything up to its end counts as looked at.
    fn expect(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.screen.recv_timeout(left) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("{text:?} does not come; there is {:?}", self.seen),
            }
        }
    }

    fn exit_code(mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.shell.try_wait().expect("a child") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.shell.kill();
        panic!("the shell does not end; there is {:?}", self.seen);
    }
}

/// What is typed before the prompt is there may be lost: the terminal changes its mode then.
#[test]
fn a_prompt_completes_remembers_and_names_mistakes() {
    let (data, home) = (TempDir::new(), TempDir::new());
    let server = TestServer::start(&TestServer::config(&data));
    let address = server.address().to_string();
    let mut terminal = Terminal::open(&address, &home);
    terminal.expect("`help` lists the commands, Tab completes, Ctrl-D leaves.");
    terminal.expect(&format!("[zk: {address}(CONNECTED) 0] "));
    terminal.type_in("create /wörter \"zwei ☃\"\r");
    terminal.expect("Created /wörter");
    terminal.expect("(CONNECTED) 1] ");
    terminal.type_in("get /w\t\r");
    terminal.expect("zwei ☃\r\n");
    terminal.expect("(CONNECTED) 2] ");
    terminal.type_in("getA\t\t");
    terminal.expect("getAllChildrenNumber");
    // Ctrl-U: a new line.
    terminal.type_in("\u{15}bogus\r");
    terminal.expect("Command not found: bogus");
    terminal.expect("(CONNECTED) 3] ");
    terminal.type_in("history\r");
    terminal.expect("1 - get /wörter\r\n2 - bogus\r\n3 - history\r\n");
    terminal.expect("(CONNECTED) 4] ");
    // Ctrl-D ends with the last command's code.
    terminal.type_in("get /none\r");
    terminal.expect("Node does not exist: /none");
    terminal.expect("(CONNECTED) 5] ");
    terminal.type_in("\u{4}");
    assert_eq!(terminal.exit_code(), Some(4));

    // The next shell remembers: the fourth line back is the second one.
    let mut terminal = Terminal::open(&address, &home);
    terminal.expect("(CONNECTED) 0] ");
    terminal.type_in("\u{1b}[A\u{1b}[A\u{1b}[A\u{1b}[A\r");
    terminal.expect("zwei ☃\r\n");
    terminal.expect("(CONNECTED) 1] ");
    terminal.type_in("quit\r");
    assert_eq!(terminal.exit_code(), Some(0));
    server.stop();
}

#[test]
fn a_prompt_outlives_its_server() {
    let (data, home) = (TempDir::new(), TempDir::new());
    let server = TestServer::start(&TestServer::config(&data));
    let address = server.address();
    let mut terminal = Terminal::open(&address.to_string(), &home);
    terminal.expect("(CONNECTED) 0] ");
    terminal.type_in("create -e /mine x\r");
    terminal.expect("(CONNECTED) 1] ");
    terminal.type_in("get -w /mine\r");
    terminal.expect("x\r\n");
    terminal.expect("(CONNECTED) 2] ");
    let mut config = server.stop();
    terminal.expect("session: connection lost, looking for a server");
    // Waits for the server, which comes back.
    terminal.type_in("getEphemerals\r");
    config.listen.client_port = Some(address.port());
    let server = TestServer::start(&config);
    terminal.expect("session: connected again, same session");
    terminal.expect("[/mine]");
    terminal.expect("(CONNECTED) 3] ");
    terminal.type_in("set /mine y\r");
    terminal.expect("watch: NodeDataChanged /mine zxid 0x");
    terminal.expect("(CONNECTED) 4] ");
    terminal.type_in("close\r");
    terminal.expect("(CLOSED) 5] ");
    terminal.type_in("ls /\r");
    terminal.expect("`connect [host:port]` connects");
    terminal.expect("(CLOSED) 6] ");
    terminal.type_in("connect\r");
    terminal.expect("Connected to ");
    terminal.expect("(CONNECTED) 7] ");
    terminal.type_in("ls /\r");
    terminal.expect("[zookeeper]");
    terminal.expect("(CONNECTED) 8] ");
    terminal.type_in("\u{4}");
    assert_eq!(terminal.exit_code(), Some(0));
    server.stop();
}

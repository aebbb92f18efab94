//! Starting and stopping a server as an operator does: what is said, what to do next, the exit codes, the log.

use server::testing::TempDir;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

fn headkeeper(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headkeeper"));
    command.args(arguments);
    for variable in ["SERVER_JVMFLAGS", "JVMFLAGS", "HEADKEEPER_LOG"] {
        command.env_remove(variable);
    }
    command
}

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    told(&headkeeper(arguments).output().expect("the program runs"))
}

fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A configuration with a free port; the lines come last, so they win.
fn configuration(dir: &Path, lines: &str) -> String {
    let file = dir.join("zoo.cfg");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = format!(
        "dataDir={}\nclientPortAddress=127.0.0.1\nclientPort={port}\npreAllocSize=64\n{lines}\n",
        dir.join("data").display()
    );
    fs::write(&file, text).unwrap();
    file.display().to_string()
}

/// What a server that must not start says on standard error.
fn refused(dir: &Path, lines: &str) -> (Option<i32>, String) {
    let (code, stdout, stderr) = run(&["serve", &configuration(dir, lines)]);
    assert_eq!(stdout, "", "nothing is served");
    (code, stderr)
}

/// A server that serves, and its first lines.
struct Serving {
    child: Child,
    introduction: Vec<String>,
    address: SocketAddr,
}

impl Serving {
    fn start(command: &mut Command) -> Serving {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let introduction: Vec<String> = lines.take(3).map(|line| line.expect("a line")).collect();
        let address = introduction[0].rsplit(' ').next().and_then(|address| address.parse().ok());
        Serving { address: address.unwrap_or_else(|| panic!("{introduction:?}")), child, introduction }
    }

    /// Ends it with a signal: exit code and log.
    fn stop(mut self, signal: &str) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill runs").success());
        let mut log = String::new();
        self.child.stderr.take().expect("a pipe").read_to_string(&mut log).expect("the log");
        (self.child.wait().expect("it ends").code(), log)
    }
}

#[test]
fn version_and_help_teach() {
    let (code, version, _) = run(&["--version"]);
    assert_eq!((code, version.as_str()), (Some(0), concat!("headkeeper ", env!("CARGO_PKG_VERSION"), "\n")));
    let (code, help, _) = run(&["--help"]);
    assert_eq!(code, Some(0));
    for words in ["headkeeper shell create /hello world", "headkeeper serve zoo.cfg", "127.0.0.1:2181"] {
        assert!(help.contains(words), "{words}");
    }
    let (_, help, _) = run(&["serve", "--help"]);
    assert!(
        help.contains("SIGTERM") && help.contains("Exit code: 0") && help.contains("SERVER_JVMFLAGS"),
        "{help}"
    );
    let (code, _, text) = run(&["serve"]);
    assert_eq!(code, Some(2));
    assert!(text.contains("PORT DATADIR"), "{text}");
}

#[test]
fn configuration_keys_are_explained() {
    let (code, all, _) = run(&["config"]);
    assert_eq!(code, Some(0));
    assert!(all.contains("tickTime [3000]\n        Milliseconds of a tick"), "{all}");
    assert_eq!(run(&["help", "config"]).1, all);
    let (_, one, _) = run(&["help", "config", "snapCount"]);
    assert!(
        one.starts_with("snapCount\n  A snapshot is due") && one.contains("-Dzookeeper.snapCount=VALUE"),
        "{one}"
    );
    let (_, some, _) = run(&["config", "PURGE"]);
    assert!(
        some.contains("autopurge.snapRetainCount\n") && some.contains("autopurge.purgeInterval\n"),
        "{some}"
    );
    let (code, _, text) = run(&["config", "snapKount"]);
    assert_eq!(code, Some(2));
    assert!(text.contains("`headkeeper config` lists all keys"), "{text}");
    assert!(run(&["help", "shell", "create"]).1.contains("Usage: headkeeper shell create"));
}

#[test]
fn a_configuration_can_be_checked_without_starting() {
    let dir = TempDir::new();
    let file = configuration(dir.path(), "snapcount=5");
    let output = headkeeper(&["config", "--check", &file])
        .env("SERVER_JVMFLAGS", "-Xmx1g -Dzookeeper.snapCount=77")
        .env("JVMFLAGS", "-Djute.maxbuffer=4194304 -Dzookeeper.snapCont=5")
        .output()
        .unwrap();
    let (code, text, _) = told(&output);
    assert_eq!(code, Some(0));
    for words in [
        "line 5: snapcount: unknown key, ignored; did you mean snapCount?",
        "-Dzookeeper.snapCont: unknown property, ignored; did you mean snapCount?",
        "there is no JVM here, ignored: -Xmx1g",
        "is a configuration to start with: port ",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    assert!(!dir.path().join("data").exists(), "nothing is made");
    let file = configuration(dir.path(), "tickTime=2s");
    let (code, _, text) = run(&["config", "--check", &file]);
    assert_eq!(code, Some(2));
    assert!(
        text.contains("line 5: tickTime=2s: For input string: \"2s\" (allowed: an integer from"),
        "{text}"
    );
}

#[test]
fn a_start_says_where_it_listens_where_data_is_and_what_to_try() {
    let dir = TempDir::new();
    let serving = Serving::start(&mut headkeeper(&["serve", &configuration(dir.path(), "")]));
    let lines = &serving.introduction;
    let address = serving.address;
    assert_eq!(lines[0], format!("headkeeper {} listens on {address}", env!("CARGO_PKG_VERSION")));
    let data = dir.path().join("data").canonicalize().unwrap();
    assert_eq!(lines[1], format!("data in {} (4 znodes, last zxid 0x0)", data.display()));
    assert!(lines[2].starts_with(&format!("try: headkeeper shell -s {address} ls /")), "{}", lines[2]);
    let (code, stdout, _) = run(&["shell", "-s", &address.to_string(), "ls", "/"]);
    assert_eq!((code, stdout.as_str()), (Some(0), "[zookeeper]\n"));
    let (code, log) = serving.stop("-TERM");
    assert_eq!(code, Some(0), "as documented");
    for words in [
        "INFO  [server::config] - Reading configuration from: ",
        &format!("- binding to port /{address}\n"),
        "- Snapshotting: 0x0 to ",
        "ms, highest zxid is 0x0, digest is 1371985504; 0 transactions",
        "- signal 15: stopping\n",
        "- stopped\n",
    ] {
        assert!(log.contains(words), "{words} in {log}");
    }
}

/// The form without a file, and the other signals.
#[test]
fn a_port_and_a_directory_are_enough() {
    let dir = TempDir::new();
    let data = dir.path().join("data").display().to_string();
    for signal in ["-INT", "-HUP"] {
        // Port 0 is no port in a file, so one that was free a moment ago has to do.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let serving = Serving::start(&mut headkeeper(&["serve", &port, &data, "2000", "10"]));
        assert_eq!(serving.address.port().to_string(), port);
        assert_eq!(serving.stop(signal).0, Some(0));
    }
}

#[test]
fn a_port_in_use_is_named_with_a_way_on() {
    let dir = TempDir::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (code, text) = refused(dir.path(), &format!("clientPort={port}"));
    assert_eq!(code, Some(1));
    let words = format!("cannot listen on the client port, 127.0.0.1:{port}: Address already in use");
    assert!(text.contains(&words) && text.contains("choose another clientPort"), "{text}");
    assert!(text.trim_end().ends_with("Exiting with code 1"), "{text}");
    let (code, text) = refused(dir.path(), "clientPortAddress=192.0.2.1");
    assert_eq!(code, Some(1));
    assert!(text.contains("clientPortAddress is no address of this machine"), "{text}");
}

#[test]
fn a_directory_in_use_is_named_with_a_way_on() {
    let dir = TempDir::new();
    let serving = Serving::start(&mut headkeeper(&["serve", &configuration(dir.path(), "")]));
    let (code, text) = refused(dir.path(), "");
    assert_eq!(code, Some(3));
    assert!(
        text.contains("Another headkeeper is running on ")
            && text.contains("stop it first or use another dataDir")
    );
    assert_eq!(serving.stop("-TERM").0, Some(0));
}

#[test]
fn directories_that_cannot_be_used_end_with_3() {
    let dir = TempDir::new();
    fs::write(dir.path().join("file"), "").unwrap();
    let below_a_file = format!("dataDir={}", dir.path().join("file").display());
    let (code, text) = refused(dir.path(), &below_a_file);
    assert_eq!(code, Some(3));
    assert!(
        text.contains("Unable to create data directory ") && text.contains("Choose another dataDir"),
        "{text}"
    );
    let (code, text) = refused(dir.path(), "datadir.autocreate=false");
    assert_eq!(code, Some(3));
    assert!(text.contains("Please create this directory manually."), "{text}");
    // As when dataDir names version-2 itself.
    fs::create_dir(dir.path().join("data")).unwrap();
    fs::write(dir.path().join("data/snapshot.3f"), "").unwrap();
    let (code, text) = refused(dir.path(), "");
    assert_eq!(code, Some(3));
    assert!(text.contains("set dataDir to the directory above"), "{text}");
}

#[test]
fn files_that_cannot_be_believed_stop_the_start_and_stay() {
    let dir = TempDir::new();
    let serving = Serving::start(&mut headkeeper(&["serve", &configuration(dir.path(), "")]));
    run(&["shell", "-s", &serving.address.to_string(), "create", "/a", "b"]);
    serving.stop("-TERM");
    let version_dir = dir.path().join("data/version-2");
    let snapshot = version_dir.join("snapshot.0");
    let mut bytes = fs::read(&snapshot).unwrap();
    bytes[0] ^= 1;
    fs::write(&snapshot, &bytes).unwrap();
    let (code, text) = refused(dir.path(), "");
    assert_eq!(code, Some(1));
    assert!(text.contains("Unable to load database on disk: Not able to find valid snapshots in "), "{text}");
    assert!(text.contains("snapshot.0: at byte 0") && text.contains("Restore one from a backup"), "{text}");
    assert_eq!(fs::read(&snapshot).unwrap(), bytes, "evidence is left alone");
    bytes[0] ^= 1;
    fs::write(&snapshot, &bytes).unwrap();
    // Not a log of any version.
    let log = version_dir.join("log.1");
    let mut bytes = fs::read(&log).unwrap();
    bytes[0] ^= 1;
    fs::write(&log, &bytes).unwrap();
    let (code, text) = refused(dir.path(), "");
    assert_eq!(code, Some(1));
    assert!(text.contains("Unable to load database on disk: ") && text.contains("/log.1"), "{text}");
    // Others may have the data of a member.
    assert!(!text.contains("out of the way"), "{text}");
    fs::write(dir.path().join("data/myid"), "1\n").unwrap();
    let member =
        "initLimit=5\nsyncLimit=2\nserver.1=127.0.0.1:1:2\nserver.2=127.0.0.1:3:4\nserver.3=127.0.0.1:5:6";
    let (code, text) = refused(dir.path(), member);
    assert_eq!(code, Some(1));
    assert!(
        text.contains("/log.1") && text.contains("/version-2 out of the way, and it gets everything"),
        "{text}"
    );
    assert!(!text.contains("/version-2 and /"), "one directory is named once: {text}");
}

#[test]
fn a_standalone_server_takes_myid_as_it_is() {
    let dir = TempDir::new();
    fs::create_dir(dir.path().join("data")).unwrap();
    fs::write(dir.path().join("data/myid"), "3\n").unwrap();
    let serving = Serving::start(&mut headkeeper(&["serve", &configuration(dir.path(), "")]));
    let (code, log) = serving.stop("-TERM");
    assert_eq!(code, Some(0));
    assert!(log.contains(" [myid:3] - INFO "), "{log}");
    fs::write(dir.path().join("data/myid"), "three\n").unwrap();
    let (code, text) = refused(dir.path(), "");
    assert_eq!(code, Some(2));
    assert!(
        text.contains("serverid three is not a number (allowed: an integer on the first line)"),
        "{text}"
    );
}

/// The lines that operators look for while it serves.
#[test]
fn the_log_tells_what_operators_look_for() {
    let dir = TempDir::new();
    let lines = "tickTime=100\nminSessionTimeout=200\nmaxClientCnxns=2\nfsync.warningthresholdms=0\nsnapCount=10\n\
                 autopurge.purgeInterval=1";
    let serving = Serving::start(&mut headkeeper(&["serve", &configuration(dir.path(), lines)]));
    let options = client::Options { session_timeout_ms: 200, ..client::Options::default() };
    let mut session = client::Connection::connect_any(&[serving.address], &options).unwrap();
    for n in 0..12 {
        let create = wire::Request::Create {
            op: wire::OpCode::Create,
            path: Some(format!("/n{n}").into()),
            data: None,
            acl: Some(vec![wire::Acl::open()]),
            flags: 0,
            ttl: -1,
        };
        session.call(&create).unwrap().check().unwrap();
    }
    let second = TcpStream::connect(serving.address).unwrap();
    let mut third = TcpStream::connect(serving.address).unwrap();
    third.set_read_timeout(Some(PATIENCE)).unwrap();
    // Closed or reset, but nothing said.
    assert_eq!(third.read(&mut [0]).unwrap_or(0), 0);
    drop((session, second));
    std::thread::sleep(Duration::from_millis(1500));
    let garbage = client::four_letter_word(serving.address, "abcd", PATIENCE);
    assert_eq!(garbage.unwrap(), "");
    let (_, log) = serving.stop("-TERM");
    for words in [
        "- Creating new log file: log.1\n",
        "- fsync-ing the write ahead log in SyncThread:0 took ",
        "ms which will adversely effect operation latency. File size is ",
        "- Too many connections from /127.0.0.1 - max is 2\n",
        "- Unable to read additional data from client, it probably closed the socket: address = /127.0.0.1:",
        "- Expiring session 0x",
        ", timeout of 200ms exceeded\n",
        "- Snapshot taken in ",
        "- Purge task started.\n",
        "- Purge task completed.\n",
        "- Len error. A message from /127.0.0.1:",
    ] {
        assert!(log.contains(words), "{words} in {log}");
    }
}

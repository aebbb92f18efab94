//! `headkeeper shell` and `headkeeper bench` against a server of our own.

use server::testing::{TempDir, TestServer};
use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

struct World {
    server: Option<TestServer>,
    _dir: TempDir,
    address: String,
}

impl World {
    fn new() -> World {
        let dir = TempDir::new();
        let server = TestServer::start(&TestServer::config(&dir));
        let address = server.address().to_string();
        World { server: Some(server), _dir: dir, address }
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_headkeeper"))
            .args(["shell", "-s", &self.address])
            .args(args)
            .output()
            .expect("the program runs")
    }

    /// What a command that must succeed prints.
    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Exit code and complaint of a command that must fail.
    fn fails(&self, args: &[&str]) -> (i32, String) {
        let output = self.run(args);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code().expect("an exit code"), text)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
    }
}

#[test]
fn create_look_change_delete() {
    let world = World::new();
    assert_eq!(world.ok(&["create", "-p", "/a/b", "hello"]), "Created /a/b\n");
    assert_eq!(world.ok(&["get", "/a/b"]), "hello\n");
    assert_eq!(world.ok(&["create", "/a/nothing"]), "Created /a/nothing\n");
    assert_eq!(world.ok(&["get", "/a/nothing"]), "null\n");
    assert_eq!(world.ok(&["create", "-s", "/a/n-"]), "Created /a/n-0000000002\n");
    assert_eq!(world.ok(&["ls", "/a"]), "[b, n-0000000002, nothing]\n");
    assert!(world.ok(&["set", "-s", "/a/b", "-5", "-v", "0"]).contains("dataVersion = 1\n"));
    assert_eq!(world.ok(&["get", "-b", "/a/b"]), "LTU=\n");
    assert_eq!(world.ok(&["getAllChildrenNumber", "/a"]), "3\n");
    assert_eq!(world.ok(&["ls", "-R", "/a"]), "/a\n/a/b\n/a/n-0000000002\n/a/nothing\n");
    assert_eq!(world.ok(&["deleteall", "/a"]), "");
    assert_eq!(world.ok(&["ls"]), "[zookeeper]\n");
}

#[test]
fn failures_have_zkcli_words_a_way_on_and_an_exit_code() {
    let world = World::new();
    world.ok(&["create", "-p", "/a/b"]);
    for (args, code, words) in [
        (&["get", "/none"][..], 4, "Node does not exist: /none"),
        (&["create", "/x/y"], 4, "-p creates it too"),
        (&["create", "/a"], 5, "Node already exists: /a"),
        (&["set", "/a", "x", "-v", "7"], 6, "version No is not valid : /a"),
        (&["delete", "/a"], 8, "Node not empty: /a"),
        (&["get", "a"], 2, "Path must start with / character"),
        (&["setAcl", "/a", "world:anyone:q"], 2, "'q'"),
        (&["nonsense"], 2, "unrecognized subcommand"),
    ] {
        let (exit, text) = world.fails(args);
        assert_eq!(exit, code, "{args:?}: {text}");
        assert!(text.contains(words), "{args:?}: {text}");
    }
}

#[test]
fn permissions_and_credentials() {
    let world = World::new();
    world.ok(&["--auth", "digest:u:p", "create", "/secret", "x", "auth::cdrwa"]);
    assert_eq!(world.fails(&["get", "/secret"]).0, 7);
    assert_eq!(world.ok(&["-a", "digest:u:p", "get", "/secret"]), "x\n");
    assert!(world.ok(&["-a", "digest:u:p", "getAcl", "/secret"]).starts_with("digest:u:"));
    assert!(world.ok(&["-a", "digest:u:p", "whoami"]).contains("digest: u\n"));
}

#[test]
fn quotas_are_written_in_the_canonical_form() {
    let world = World::new();
    world.ok(&["create", "-p", "/q/below", "123"]);
    world.ok(&["setquota", "-n", "5", "-B", "1000", "/q"]);
    let listed = world.ok(&["listquota", "/q"]);
    assert_eq!(
        listed,
        "Output quota for /q count=5,bytes=-1=;byteHardLimit=1000;countHardLimit=-1\n\
         Output stat for /q count=2,bytes=3\n"
    );
    assert!(
        world.fails(&["setquota", "-n", "1", "/q/below"]).1.contains("has a parent /q which has a quota")
    );
    world.ok(&["delquota", "/q"]);
    assert_eq!(world.fails(&["listquota", "/q"]).0, 1);
    assert_eq!(world.ok(&["ls", "/zookeeper/quota"]), "[]\n");
}

#[test]
fn json_is_one_document_a_line() {
    let world = World::new();
    assert!(
        world.ok(&["--json", "create", "/j", "{}"]).starts_with("{\"path\":\"/j\",\"stat\":{\"czxid\":\"0x")
    );
    assert!(world.ok(&["get", "--json", "/j"]).starts_with("{\"path\":\"/j\",\"data\":\"{}\""));
    let (_, error) = world.fails(&["--json", "get", "/none"]);
    assert!(error.contains("\"name\":\"NONODE\",\"code\":-101"), "{error}");
}

#[test]
fn a_script_runs_in_one_session_and_ends_with_its_last_code() {
    let world = World::new();
    let mut shell = Command::new(env!("CARGO_BIN_EXE_headkeeper"))
        .args(["shell", "-s", &format!("{}/top", world.address)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    world.ok(&["create", "/top"]);
    let lines = b"# a comment\ncreate -e /e 'two words'\ngetEphemerals\nget /e\nget /none\n";
    shell.stdin.take().expect("a pipe").write_all(lines).expect("written");
    let output = shell.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "Created /e\n[/e]\ntwo words\n");
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(world.ok(&["ls", "/top"]), "[]\n", "the session was closed, so its ephemeral is gone");
}

#[test]
fn an_unknown_command_in_a_script_is_named() {
    let world = World::new();
    let mut shell = Command::new(env!("CARGO_BIN_EXE_headkeeper"))
        .args(["shell", "-s", &world.address])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    shell.stdin.take().expect("a pipe").write_all(b"creat /a\nbogus\n").expect("written");
    let output = shell.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.starts_with("Command not found: creat\n  (did you mean `create`"), "{text}");
    assert!(text.contains("Command not found: bogus\n  (`help` lists the commands)\n"), "{text}");
    assert_eq!(output.status.code(), Some(2));
}

/// `watch … | head -1`: the second event finds nobody, and that is the end.
#[test]
fn watch_ends_when_nobody_reads_any_more() {
    let world = World::new();
    let mut watching = Command::new(env!("CARGO_BIN_EXE_headkeeper"))
        .args(["shell", "-s", &world.address, "watch", "/", "--mode", "recursive"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(watching.stdout.take().expect("a pipe"));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let mut n = 0;
    // Until the watch is there nothing is seen.
    let reader = std::thread::spawn(move || {
        std::io::BufRead::read_line(&mut stdout, &mut line).expect("a line");
        line
    });
    while watching.try_wait().expect("a child").is_none() {
        assert!(std::time::Instant::now() < deadline, "still watching");
        world.ok(&["create", &format!("/n{n}")]);
        n += 1;
    }
    assert!(reader.join().expect("a reader").starts_with("watch: NodeCreated /n"));
    assert!(watching.wait().expect("a child").success());
}

#[test]
fn watch_prints_events_as_they_come() {
    let world = World::new();
    let watching = Command::new(env!("CARGO_BIN_EXE_headkeeper"))
        .args(["shell", "-s", &world.address, "--json", "watch", "/w", "--count", "2", "--wait", "20"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program runs");
    // The watch is in place once the server counts it; until then a change would not be seen.
    for _ in 0..200 {
        let answer = client::four_letter_word(
            world.address.parse().expect("an address"),
            "wchs",
            std::time::Duration::from_secs(5),
        );
        if answer.is_ok_and(|text| text.contains("Total watches:1")) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    world.ok(&["create", "/w"]);
    world.ok(&["create", "/w/child"]);
    let output = watching.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].starts_with("{\"event\":\"NodeCreated\",\"path\":\"/w\",\"zxid\":\"0x"));
    assert!(lines[1].starts_with("{\"event\":\"NodeCreated\",\"path\":\"/w/child\""));
}

#[test]
fn bench_measures_and_cleans_up() {
    let world = World::new();
    let output = Command::new(env!("CARGO_BIN_EXE_headkeeper"))
        .args([
            "bench",
            "-s",
            &world.address,
            "-c",
            "3",
            "-d",
            "2",
            "-n",
            "10",
            "--duration",
            "0.5",
            "--warmup",
            "0.1",
        ])
        .args(["--mix", "get,set,create,delete,exists,children,sync,ping", "--json", "-q"])
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert!(result["total"]["operations"].as_u64().is_some_and(|count| count > 20), "{result}");
    assert_eq!(result["errors"], serde_json::json!({}));
    assert_eq!(result["lost_connections"], 0);
    assert_eq!(world.ok(&["ls"]), "[zookeeper]\n");
}

#[cfg(unix)]
#[test]
fn an_interrupted_bench_cleans_up() {
    let world = World::new();
    let running = Command::new(env!("CARGO_BIN_EXE_headkeeper"))
        .args(["bench", "-s", &world.address, "-c", "2", "-n", "10", "--duration", "3600", "--mix", "create"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    // Own nodes of a connection are there once it works.
    while world.run(&["get", "/headkeeper-bench/c00001/n000000000"]).status.code() != Some(0) {}
    let killed = Command::new("kill").args(["-TERM", &running.id().to_string()]).status();
    assert!(killed.is_ok_and(|status| status.success()));
    let output = running.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("interrupted; the znodes are removed"), "{text}");
    assert_eq!(world.ok(&["ls"]), "[zookeeper]\n");
}

#[test]
fn bench_leaves_what_it_did_not_make() {
    let world = World::new();
    world.ok(&["create", "/mine", "precious"]);
    let output = Command::new(env!("CARGO_BIN_EXE_headkeeper"))
        .args(["bench", "-s", &world.address, "--path", "/mine", "--duration", "0.1"])
        .output()
        .expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("choose another --path"));
    assert_eq!(world.ok(&["get", "/mine"]), "precious\n");
}

#[test]
fn no_server_is_said_plainly() {
    assert!(refused_by("127.0.0.1:1").contains("is a server running there?"));
}

/// As a member of an ensemble does that has no quorum.
#[test]
fn a_server_that_closes_the_connection_is_told_from_none() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    assert!(refused_by(&address).contains("waits for a quorum"));
}

/// What the shell says when it gets no session.
fn refused_by(address: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_headkeeper"))
        .args(["shell", "-s", address, "ls"])
        .output()
        .expect("the program runs");
    assert_eq!(output.status.code(), Some(3));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

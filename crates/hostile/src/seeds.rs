//! Inputs to start from: real files and conversations of Apache servers, and what our own encoders write.

use std::path::{Path, PathBuf};
use std::{fs, io};
use store::{IndexLine, LogIndex, LogReader};
use wire::{
    Acl, ConnectResponse, CreateMode, Encode, ErrorCode, Limits, MultiOp, MultiResult, OpCode, ReplyHeader,
    Request, Response, SetWatches, Stat, WatcherEvent, Zxid,
};

/// Data directories of Apache servers.
const DIRECTORIES: [&str; 6] = [
    "apache-3.8/full",
    "apache-3.8/torn-tail",
    "apache-3.8/flipped-byte",
    "apache-3.9/full",
    "apache-3.9/torn-tail",
    "apache-3.9/flipped-byte",
];

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata")
}

/// Name and bytes of the files in a directory of the test data, in order.
fn files(directory: &str) -> Vec<(String, Vec<u8>)> {
    let read = || -> io::Result<Vec<(String, Vec<u8>)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(testdata().join(directory))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                found.push((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?));
            }
        }
        found.sort();
        Ok(found)
    };
    read().unwrap_or_else(|error| panic!("testdata/{directory}: {error}"))
}

fn data_files() -> Vec<(String, Vec<u8>)> {
    DIRECTORIES.iter().flat_map(|directory| files(&format!("{directory}/version-2"))).collect()
}

/// Bytes without the zeros that a log is padded with.
fn unpadded(bytes: &[u8]) -> Vec<u8> {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    bytes[..(end + 16).min(bytes.len())].to_vec()
}

/// Every request once.
fn some_requests() -> Vec<Request<'static>> {
    let path = || Some("/a".into());
    let data = || Some(b"data".as_slice().into());
    let create = |op, mode: CreateMode, ttl| Request::Create {
        op,
        path: path(),
        data: data(),
        acl: Some(vec![Acl::open()]),
        flags: mode.flags(),
        ttl,
    };
    let watches = || SetWatches {
        relative_zxid: 1,
        data: Some(vec![path()]),
        exist: Some(vec![Some("/b".into())]),
        child: Some(vec![path()]),
        persistent: None,
        persistent_recursive: None,
    };
    let ops = vec![
        MultiOp::Create {
            op: OpCode::Create,
            path: path(),
            data: data(),
            acl: Some(vec![Acl::open()]),
            flags: 0,
            ttl: -1,
        },
        MultiOp::SetData { path: path(), data: data(), version: -1 },
        MultiOp::Check { path: path(), version: 1 },
        MultiOp::Delete { path: path(), version: 1 },
    ];
    vec![
        create(OpCode::Create, CreateMode::Persistent, -1),
        create(OpCode::Create2, CreateMode::EphemeralSequential, -1),
        create(OpCode::CreateContainer, CreateMode::Container, -1),
        create(OpCode::CreateTtl, CreateMode::PersistentWithTtl, 1000),
        Request::Delete { path: path(), version: -1 },
        Request::Exists { path: path(), watch: true },
        Request::GetData { path: path(), watch: true },
        Request::SetData { path: path(), data: data(), version: 0 },
        Request::GetAcl { path: path() },
        Request::SetAcl { path: path(), acl: Some(vec![Acl::new(31, "auth", "")]), version: -1 },
        Request::GetChildren { path: Some("/".into()), watch: true },
        Request::GetChildren2 { path: Some("/".into()), watch: false },
        Request::Sync { path: path() },
        Request::Ping,
        Request::Check { path: path(), version: 0 },
        Request::Multi { ops },
        Request::MultiRead {
            ops: vec![MultiOp::GetData { path: path() }, MultiOp::GetChildren { path: path() }],
        },
        Request::Reconfig {
            joining: Some("server.1=a:1:2;3".into()),
            leaving: None,
            new_members: None,
            config_id: -1,
        },
        Request::CheckWatches { path: path(), watch_type: 1 },
        Request::RemoveWatches { path: path(), watch_type: 3 },
        Request::Auth { auth_type: 0, scheme: Some("digest".into()), auth: Some(b"a:b".as_slice().into()) },
        Request::SetWatches(watches()),
        Request::SetWatches2(SetWatches {
            persistent: Some(vec![path()]),
            persistent_recursive: Some(vec![Some("/".into())]),
            ..watches()
        }),
        Request::AddWatch { path: path(), mode: 1 },
        Request::Sasl { token: data() },
        Request::GetEphemerals { prefix: Some("/".into()) },
        Request::GetAllChildrenNumber { path: Some("/".into()) },
        Request::WhoAmI,
        Request::CreateSession { timeout_ms: 4000 },
        Request::CloseSession,
    ]
}

/// The number by which the targets choose an operation.
fn choice(op: OpCode) -> u8 {
    OpCode::ALL.iter().position(|known| *known == op).unwrap_or_default() as u8
}

/// For [`crate::TARGETS`]' `requests`.
pub fn requests() -> Vec<Vec<u8>> {
    let chosen = |request: &Request<'_>| [&[choice(request.op())], request.to_bytes().as_slice()].concat();
    let mut seeds: Vec<Vec<u8>> = some_requests().iter().map(chosen).collect();
    seeds.push([&[0], crate::world::new_session(10_000).to_bytes().as_slice()].concat());
    seeds
}

/// For `responses`.
pub fn responses() -> Vec<Vec<u8>> {
    let stat = Stat { czxid: 1, mzxid: 2, data_length: 4, ..Stat::default() };
    let path = || Some("/a".into());
    let results = vec![
        MultiResult::Create { path: path() },
        MultiResult::Create2 { path: path(), stat },
        MultiResult::Delete,
        MultiResult::SetData { stat },
        MultiResult::GetChildren { children: Some(vec![path(), None]) },
        MultiResult::Error(Some(ErrorCode::NoNode)),
    ];
    let responses = [
        (OpCode::Create, Response::Path(path())),
        (OpCode::Create2, Response::PathStat(path(), stat)),
        (OpCode::Exists, Response::Stat(stat)),
        (OpCode::GetData, Response::Data(Some(b"data".as_slice().into()), stat)),
        (OpCode::GetAcl, Response::Acl(Some(vec![Acl::open()]), stat)),
        (OpCode::GetChildren, Response::Children(Some(vec![path(), None]))),
        (OpCode::GetChildren2, Response::Children2(Some(vec![path()]), stat)),
        (OpCode::Multi, Response::Multi(results)),
        (OpCode::GetAllChildrenNumber, Response::Int(7)),
    ];
    let mut seeds: Vec<Vec<u8>> = responses
        .iter()
        .map(|(op, response)| [&[choice(*op)], response.to_bytes().as_slice()].concat())
        .collect();
    let event = WatcherEvent { event_type: 3, state: 3, path: path() };
    let header = ReplyHeader { xid: 1, zxid: 2, err: 0 };
    for record in [event.to_bytes(), header.to_bytes(), ConnectResponse::invalid(Some(false)).to_bytes()] {
        seeds.push([&[0], record.as_slice()].concat());
    }
    seeds
}

/// The payloads in Apache's logs.
pub fn txns() -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    for (_, bytes) in data_files().iter().filter(|(name, _)| name.starts_with("log.")) {
        let mut source = bytes.as_slice();
        let Ok(mut reader) = LogReader::open(&mut source, Limits::default()) else { continue };
        while let Ok(Some(record)) = reader.next_record() {
            payloads.push(record.payload.to_vec());
        }
    }
    payloads.sort();
    payloads.dedup();
    payloads
}

fn captures(ends: [&str; 2]) -> Vec<Vec<u8>> {
    let all = files("quorum-captures");
    all.into_iter()
        .filter(|(name, _)| ends.iter().any(|end| name.ends_with(end)))
        .map(|(_, bytes)| bytes)
        .collect()
}

/// Conversations between Apache's leaders and learners.
pub fn quorum() -> Vec<Vec<u8>> {
    captures([".leader.bin", ".learner.bin"])
}

/// Elections of Apache servers.
pub fn election() -> Vec<Vec<u8>> {
    captures([".initiator.bin", ".acceptor.bin"])
}

/// Apache's logs.
pub fn txn_log() -> Vec<Vec<u8>> {
    let logs = data_files().into_iter().filter(|(name, _)| name.starts_with("log."));
    logs.map(|(_, bytes)| unpadded(&bytes)).collect()
}

/// Apache's snapshots, each behind a byte for its compression.
pub fn snapshot() -> Vec<Vec<u8>> {
    let snapshots = data_files().into_iter().filter(|(name, _)| name.starts_with("snapshot."));
    snapshots.map(|(name, bytes)| [&[compression(&name)], bytes.as_slice()].concat()).collect()
}

fn compression(name: &str) -> u8 {
    match name {
        name if name.ends_with(".gz") => 1,
        name if name.ends_with(".snappy") => 2,
        _ => 0,
    }
}

/// Indexes of our own.
pub fn log_index() -> Vec<Vec<u8>> {
    let line = |n: i64| IndexLine {
        first: Zxid(n * 10),
        last: Zxid(n * 10 + 9),
        end: 100 * n as u64,
        crc: n as u32,
    };
    let mut seeds = Vec::new();
    for count in [0, 1, 5] {
        let index = LogIndex { lines: (1..=count).map(line).collect() };
        seeds.push([&[1], index.to_bytes(Zxid(1)).as_slice()].concat());
    }
    seeds
}

/// Apache's data directories, and some in which the seals are made by the target.
pub fn directory() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for directory in DIRECTORIES {
        let mut seed = vec![2];
        for (name, bytes) in files(&format!("{directory}/version-2")) {
            let zxid =
                name.split('.').nth(1).and_then(|hex| u8::from_str_radix(hex, 16).ok()).unwrap_or_default();
            let kind = if name.starts_with("log.") { 0 } else { compression(&name) + 1 };
            push_file(&mut seed, kind, zxid, &unpadded(&bytes));
        }
        seeds.push(seed);
    }
    for (name, bytes) in data_files() {
        if name.starts_with("snapshot.") && compression(&name) == 0 {
            let mut seed = vec![2];
            push_file(&mut seed, 8, 0x39, &bytes);
            push_file(&mut seed, 7, 0x3a, &txns().concat()[..600]);
            push_file(&mut seed, 5, 1, b"half");
            push_file(&mut seed, 6, 1, b"initialize");
            seeds.push(seed);
        }
    }
    seeds
}

fn push_file(seed: &mut Vec<u8>, kind: u8, zxid: u8, bytes: &[u8]) {
    seed.extend([kind, zxid]);
    seed.extend((bytes.len() as u16).to_be_bytes());
    seed.extend(bytes);
}

/// Apache's transactions in their order.
pub fn history() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for directory in ["apache-3.8/full", "apache-3.9/full"] {
        let mut seed = vec![2];
        for (_, bytes) in
            files(&format!("{directory}/version-2")).iter().filter(|(name, _)| name.starts_with("log."))
        {
            let mut source = bytes.as_slice();
            let Ok(mut reader) = LogReader::open(&mut source, Limits::default()) else { continue };
            while let Ok(Some(record)) = reader.next_record() {
                seed.extend((record.payload.len() as u16).to_be_bytes());
                seed.extend(record.payload);
            }
        }
        seeds.push(seed.clone());
        seed.truncate(seed.len() / 2);
        seeds.push(seed);
    }
    seeds
}

/// Sessions that do a little of everything.
pub fn frames() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (who, requests) in some_requests().chunks(6).enumerate() {
        let who = (who % 4) as u8;
        let mut seed = vec![who << 4 | 3];
        for (xid, request) in requests.iter().enumerate() {
            let body = request.to_bytes();
            seed.extend([who << 4 | 5, choice(request.op()), xid as u8 + 1, body.len() as u8]);
            seed.extend(body);
        }
        seeds.push([seed.as_slice(), &[10, 20, who << 4 | 13, who << 4 | 4, 15, 3]].concat());
        seeds.push([&[11, 12], seed.as_slice(), &[11, 12, 10, 255]].concat());
    }
    seeds.push(all_at_once());
    for word in ["ruok", "mntr", "stat", "cons", "dump", "wchc", "wchp", "conf"] {
        seeds.push([&[0, 4], word.as_bytes()].concat());
    }
    seeds.push(vec![0, 8, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0, 16, 4, 0x80, 0, 0, 0]);
    seeds
}

/// Every request in one session, whose bytes come cut in the middle of frames.
fn all_at_once() -> Vec<u8> {
    let mut stream = Vec::new();
    for (xid, request) in some_requests().iter().enumerate() {
        if request.op() != OpCode::CloseSession {
            stream.extend(crate::world::frame_of(xid as i32 + 1, request.op().code(), &request.to_bytes()));
        }
    }
    let mut seed = vec![3];
    for piece in stream.chunks(33) {
        seed.extend([2, piece.len() as u8]);
        seed.extend(piece);
    }
    seed.push(14);
    seed
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Configurations, some with a dynamic part.
pub fn zoo_cfg() -> Vec<Vec<u8>> {
    let all_keys = server::config::document::markdown().lines().filter_map(key_line).collect::<String>();
    let mut seeds = texts(&[
        "tickTime=2000\ndataDir=/var/lib/zookeeper\nclientPort=2181\ninitLimit=5\nsyncLimit=2\n",
        "dataDir = data\\\n  /x\nclientPort:2181 # no\n!c\nkey\\=with\\:all\\u0041 value\\t\n4lw.commands.whitelist=stat, ruok\n",
        "dataDir=d\nclientPortAddress=[::1]\nclientPort=2181\nserver.1=a:2888:3888:participant;b:2181\nserver.2=[::1]:1:2|c:3:4\n\
         group.1=1:2\nweight.1=3\nautopurge.purgeInterval=24h\nmaxClientCnxns=60\njute.maxbuffer=0xfffff\n",
        "dataDir=d\ninitLimit=5\nsyncLimit=2\ndynamicConfigFile=x\n---\nserver.1=a:2888:3888;2181\nserver.2=b:2888:3888:observer;2181\n\
         server.3=c:2888:3888;2181\nversion=100000000\n",
    ]);
    seeds.push(all_keys.into_bytes());
    seeds
}

/// A key of the configuration's documentation as a line of a configuration.
fn key_line(row: &str) -> Option<String> {
    let name = row.strip_prefix("| `")?.split('`').next()?;
    Some(format!("{name}=1\n"))
}

/// Flags as start scripts pass them.
pub fn jvm_flags() -> Vec<Vec<u8>> {
    texts(&[
        "-Xmx1g -Djute.maxbuffer=4194304 -Dzookeeper.snapCount=1000",
        "-Dzookeeper.DigestAuthenticationProvider.superDigest='super:D/InIHSb7yEEbrWz8b9l71RjZJU=' -D\"a b\"=c\\ d",
        "2181 data 2000 60",
        "-Dzookeeper.snapshot.compression.method=gz -Dzookeeper.forceSync=no -Dx",
    ])
}

/// Words, each with a whitelist.
pub fn words() -> Vec<Vec<u8>> {
    let known = [
        "conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "hash", "isro", "mntr", "ruok", "srst",
        "srvr",
    ];
    let more = ["stat", "stmk", "wchc", "wchp", "wchs", "rouk", "\u{ff}\u{f4}", "GET ", "\0\0\0-"];
    known.iter().chain(&more).map(|word| format!("{word}*, stat,ruok , mntr").into_bytes()).collect()
}

/// Lines of the shell.
pub fn shell() -> Vec<Vec<u8>> {
    texts(&[
        "ls -R -w /a",
        "create -e -s /a 'some data' world:anyone:cdrwa",
        "create --ttl 100 /a \"x y\" digest:bob:fyVmFCwVbTJYrznoSu1koqYEYF0=:rw,ip:10.0.0.0/8:r",
        "set -v 1 /a b --json",
        "setAcl -R /a auth::cdrwa",
        "addauth digest a:b",
        "setquota -n 5 -b 10 /a",
        "removewatches /a --any",
        "connect host1:2181,host2/chroot",
        "[::1]:2181,10.0.0.1/a/b",
        "AAECAwQFBgcICQ==",
        "get --help",
    ])
}

/// ACL lists: permissions, scheme and id per line.
pub fn acl() -> Vec<Vec<u8>> {
    texts(&[
        "31 world anyone\n1 ip 10.0.0.0/8\n1 ip ::1/64\n31 auth \n",
        "31 digest bob:fyVmFCwVbTJYrznoSu1koqYEYF0=\n31 digest bob:fyVmFCwVbTJYrznoSu1koqYEYF0=\n",
        "-1 ip 10.0.0.1/33\n0 sasl x\n31 x509 CN=a\n31\n31 ip\n",
        "31 ip 1.2.3\n31 ip fe80::1%eth0\n31 ip ::ffff:1.2.3.4/96\n",
    ])
}

//! Addresses, files and directories.

use super::*;

#[test]
fn the_client_address_is_resolved_and_the_wildcard_takes_both_families() {
    let address = |line: &str| quiet(line).client_address().map(|address| address.unwrap().to_string());
    assert_eq!(address("").unwrap(), "[::]:2181");
    assert_eq!(address("clientPortAddress=0.0.0.0").unwrap(), "[::]:2181");
    assert_eq!(address("clientPortAddress=127.0.0.1").unwrap(), "127.0.0.1:2181");
    assert_eq!(address("clientPortAddress=[::1]").unwrap(), "[::1]:2181");
    let error = address("clientPortAddress=no such host").unwrap_err().to_string();
    assert!(error.starts_with("zoo.cfg: clientPortAddress=no such host: unknown host: "), "{error}");
    assert_eq!(Config::default().client_address(), Ok(None));
}

#[test]
fn the_local_start_needs_no_file() {
    let config = Config::default_local();
    assert_eq!(config.listen.client_port, Some(2181));
    assert_eq!(config.listen.client_port_address.as_deref(), Some("127.0.0.1"));
    assert_eq!(config.data_dir, Path::new("./headkeeper-data"));
    assert_eq!(config.operations.words_whitelist.as_deref(), Some("*"));
}

#[test]
fn port_and_directory_may_be_arguments() {
    let arguments = |list: &[&str]| {
        let list: Vec<String> = list.iter().map(|text| (*text).to_owned()).collect();
        Config::from_arguments(&list, &[]).map(|(config, _)| config).map_err(|error| error.to_string())
    };
    let config = arguments(&["2181", "/zk", "500", "7"]).unwrap();
    assert_eq!((config.listen.client_port, config.sessions.tick_time_ms), (Some(2181), 500));
    assert_eq!(config.listen.max_client_cnxns, 7);
    assert_eq!(arguments(&["2181", "/zk"]).unwrap().sessions.tick_time_ms, 3000);
    assert!(
        arguments(&["zoo", "/zk"]).unwrap_err().starts_with("argument: clientPort=zoo: For input string")
    );
    assert!(
        arguments(&["1"]).unwrap_err().starts_with("Usage: ZooKeeperServerMain configfile | port datadir")
    );
}

#[test]
fn files_are_found_read_and_missed() {
    let dir = scratch("load");
    let path = dir.join("zoo.cfg");
    let load = |path: &Path| load::load(path, &[]);
    assert!(load(&path).unwrap_err().to_string().ends_with("zoo.cfg file is missing"));
    assert!(load(&dir).unwrap_err().to_string().contains("Error processing"));
    let data = dir.join("data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("myid"), "7\n").unwrap();
    std::fs::write(dir.join("zoo.cfg.dynamic.5"), "server.7=h:1:2;[::1]:2185").unwrap();
    let shown = dir.display();
    std::fs::write(&path, format!("dataDir={shown}/data\ndynamicConfigFile={shown}/zoo.cfg.dynamic.5"))
        .unwrap();
    let (config, notices) = load(&path).unwrap();
    assert_eq!(config.ensemble.my_id, Some(7));
    assert_eq!(
        (config.listen.client_port, config.listen.client_port_address.as_deref()),
        (Some(2185), Some("::1"))
    );
    assert_eq!(
        notices.iter().filter(|notice| notice.level == Level::Error).count(),
        1,
        "one server: {notices:?}"
    );
    std::fs::write(data.join("myid"), "seven").unwrap();
    assert!(load(&path).unwrap_err().to_string().contains("serverid seven is not a number"));
}

#[test]
fn directories_are_made_and_checked() {
    let dir = scratch("directories");
    let mut config =
        Config { data_dir: dir.join("a"), data_log_dir: Some(dir.join("b")), ..Config::default() };
    config.storage.datadir_autocreate = false;
    let text = load::prepare_directories(&config).unwrap_err().to_string();
    assert!(text.starts_with("Missing data directory "), "{text}");
    assert!(
        text.ends_with("(zookeeper.datadir.autocreate is false). Please create this directory manually."),
        "{text}"
    );
    config.storage.datadir_autocreate = true;
    load::prepare_directories(&config).unwrap();
    assert!(config.snap_version_dir().is_dir() && config.log_version_dir().is_dir());
    std::fs::write(config.log_version_dir().join("snapshot.0"), "").unwrap();
    let text = load::prepare_directories(&config).unwrap_err().to_string();
    let hint = "Check if dataLogDir and dataDir configuration is correct.";
    assert!(text.starts_with(&format!("Log directory has snapshot files. {hint}")), "{text}");
    std::fs::remove_file(config.log_version_dir().join("snapshot.0")).unwrap();
    std::fs::write(config.snap_version_dir().join("log.1"), "").unwrap();
    let text = load::prepare_directories(&config).unwrap_err().to_string();
    assert!(text.starts_with(&format!("Snapshot directory has log files. {hint}")), "{text}");
    std::fs::write(dir.join("file"), "").unwrap();
    config = Config { data_dir: dir.join("file"), ..Config::default() };
    let text = load::prepare_directories(&config).unwrap_err().to_string();
    assert!(text.starts_with("Unable to create data directory "), "{text}");
}

#[test]
fn a_data_dir_that_is_the_version_dir_is_refused() {
    let dir = scratch("version");
    std::fs::write(dir.join("snapshot.1f.gz"), "").unwrap();
    let config = Config { data_dir: dir.clone(), ..Config::default() };
    let text = load::prepare_directories(&config).unwrap_err().to_string();
    assert!(
        text.contains("/snapshot.1f.gz is in dataDir itself") && text.contains("the directory above"),
        "{text}"
    );
    std::fs::rename(dir.join("snapshot.1f.gz"), dir.join("snapshot.txt")).unwrap();
    load::prepare_directories(&config).unwrap();
    std::fs::write(dir.join("snapshot.1"), "").unwrap();
    load::prepare_directories(&config).expect("version-2 is there by now");
}

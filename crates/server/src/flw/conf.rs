//! `conf`, `dirs` and `envi`.

use super::VERSION;
use super::facts::{DirectorySizes, Environment};
use super::text::assign;
use crate::config::Config;
use zab::{Address, Ensemble, Role, ServerId};

/// The settings that matter to clients, and for a member those of its ensemble. Directories are the `version-2` ones; a
/// standalone server has id 0. In read-only mode nothing is said of the others.
pub fn conf(config: &Config, ensemble: Option<&Ensemble>, read_only: bool, sizes: DirectorySizes) -> String {
    let mut text = String::new();
    let port = |port: Option<u16>| port.map_or(-1, i32::from);
    assign(&mut text, "clientPort", port(config.listen.client_port));
    // Not the configured one: nothing listens there.
    assign(&mut text, "secureClientPort", -1);
    assign(&mut text, "dataDir", config.snap_version_dir().display());
    assign(&mut text, "dataDirSize", sizes.data_bytes);
    assign(&mut text, "dataLogDir", config.log_version_dir().display());
    assign(&mut text, "dataLogSize", sizes.log_bytes);
    assign(&mut text, "tickTime", config.sessions.tick_time_ms);
    assign(&mut text, "maxClientCnxns", config.listen.max_client_cnxns);
    assign(&mut text, "minSessionTimeout", config.sessions.min_ms());
    assign(&mut text, "maxSessionTimeout", config.sessions.max_ms());
    assign(&mut text, "clientPortListenBacklog", config.listen.backlog);
    match ensemble {
        None => assign(&mut text, "serverId", 0),
        Some(ensemble) => {
            own_part(&mut text, config, ensemble);
            if !read_only {
                // Nothing stands behind the last line, not even its end.
                text.push_str("membership: \n");
                text.push_str(&ensemble.text());
            }
        }
    }
    text
}

/// What a member is in its ensemble.
fn own_part(text: &mut String, config: &Config, ensemble: &Ensemble) {
    let id = config.ensemble.my_id.unwrap_or_default();
    let own = ensemble.members.get(&ServerId(id));
    let ports = |addresses: Option<&Vec<Address>>| {
        let ports = addresses.into_iter().flatten().map(|address| address.port.to_string());
        ports.collect::<Vec<_>>().join("|")
    };
    let observes = own.is_some_and(|spec| spec.role == Role::Observer);
    assign(text, "serverId", id);
    assign(text, "initLimit", config.ensemble.init_limit);
    assign(text, "syncLimit", config.ensemble.sync_limit);
    assign(text, "electionAlg", 3);
    assign(text, "electionPort", ports(own.map(|spec| &spec.election)));
    assign(text, "quorumPort", ports(own.map(|spec| &spec.quorum)));
    assign(text, "peerType", u8::from(observes));
}

/// How much is on disk, in bytes.
pub fn dirs(sizes: DirectorySizes) -> String {
    format!("datadir_size: {}\nlogdir_size: {}\n", sizes.data_bytes, sizes.log_bytes)
}

/// Where the server runs. Apache's keys in Apache's order; what a server without a JVM cannot know is `<NA>`.
pub fn envi(environment: &Environment) -> String {
    const NONE: &str = "<NA>";
    let mut text = String::from("Environment:\n");
    let megabytes = |bytes: u64| format!("{}MB", bytes >> 20);
    assign(&mut text, "zookeeper.version", VERSION);
    assign(&mut text, "host.name", &environment.host_name);
    for key in ["java.version", "java.vendor", "java.home", "java.class.path", "java.library.path"] {
        assign(&mut text, key, NONE);
    }
    assign(&mut text, "java.io.tmpdir", &environment.temp_dir);
    assign(&mut text, "java.compiler", NONE);
    assign(&mut text, "os.name", &environment.os_name);
    assign(&mut text, "os.arch", &environment.os_arch);
    assign(&mut text, "os.version", &environment.os_version);
    assign(&mut text, "user.name", &environment.user_name);
    assign(&mut text, "user.home", &environment.user_home);
    assign(&mut text, "user.dir", &environment.user_dir);
    assign(&mut text, "os.memory.free", megabytes(environment.memory_free_bytes));
    assign(&mut text, "os.memory.max", megabytes(environment.memory_max_bytes));
    assign(&mut text, "os.memory.total", megabytes(environment.memory_used_bytes));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conf_of_a_standalone_server() {
        let text =
            "dataDir=/zk/data\ndataLogDir=/zk/log\nclientPort=22011\ntickTime=2000\nmaxClientCnxns=0\n";
        let (config, _) = Config::parse("zoo.cfg", text, &[]).unwrap();
        assert_eq!(
            conf(&config, None, false, DirectorySizes { data_bytes: 478, log_bytes: 102_416 }),
            "clientPort=22011\nsecureClientPort=-1\ndataDir=/zk/data/version-2\ndataDirSize=478\n\
             dataLogDir=/zk/log/version-2\ndataLogSize=102416\ntickTime=2000\nmaxClientCnxns=0\n\
             minSessionTimeout=4000\nmaxSessionTimeout=40000\nclientPortListenBacklog=-1\nserverId=0\n"
        );
    }

    #[test]
    fn conf_of_a_member() {
        let text = "dataDir=/zk/data\nclientPort=22011\ntickTime=2000\ninitLimit=10\nsyncLimit=5\n\
                    server.1=zk1:2888:3888\nserver.3=zk3:2888:3888\nserver.4=zk4:2889:3889:observer\n";
        let (mut config, _) = Config::parse("zoo.cfg", text, &[]).unwrap();
        config.ensemble.my_id = Some(4);
        let members = "server.1=zk1:2888:3888:participant\nserver.3=zk3:2888:3888:participant\n\
                       server.4=zk4:2889:3889:observer\nversion=100000000";
        let ensemble = Ensemble::parse(members).unwrap();
        let own = |read_only| {
            let conf = conf(&config, Some(&ensemble), read_only, DirectorySizes::default());
            conf.split_once("clientPortListenBacklog=-1\n").unwrap().1.to_owned()
        };
        let alone = "serverId=4\ninitLimit=10\nsyncLimit=5\nelectionAlg=3\nelectionPort=3889\nquorumPort=2889\n\
                     peerType=1\n";
        assert_eq!(own(false), format!("{alone}membership: \n{members}"));
        assert_eq!(own(true), alone);
    }

    #[test]
    fn dirs_of_two_directories() {
        let sizes = DirectorySizes { data_bytes: 478, log_bytes: 102_416 };
        assert_eq!(dirs(sizes), "datadir_size: 478\nlogdir_size: 102416\n");
    }

    #[test]
    fn envi_has_apaches_keys_in_order_and_the_version_first() {
        let text = envi(&Environment { memory_free_bytes: 5 << 20, ..Environment::default() });
        let keys: Vec<&str> = text.lines().skip(1).map(|line| line.split_once('=').unwrap().0).collect();
        assert_eq!(
            keys.join(" "),
            "zookeeper.version host.name java.version java.vendor java.home java.class.path java.library.path \
             java.io.tmpdir java.compiler os.name os.arch os.version user.name user.home user.dir os.memory.free \
             os.memory.max os.memory.total"
        );
        assert!(text.starts_with("Environment:\nzookeeper.version=3.9.5-headkeeper-"));
        assert!(text.contains("\njava.compiler=<NA>\n") && text.contains("\nos.memory.free=5MB\n"));
    }
}

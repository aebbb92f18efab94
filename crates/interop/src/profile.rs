//! The settings a pair of servers runs with.

/// A set of settings worth a run of its own.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Its name on the command line.
    pub name: &'static str,
    /// Lines of zoo.cfg.
    pub settings: &'static [(&'static str, &'static str)],
    /// `-D` properties.
    pub properties: &'static [(&'static str, &'static str)],
    /// `jute.maxbuffer`, in bytes.
    pub jute_max_buffer: usize,
    /// Are TTL nodes on?
    pub extended_types: bool,
    /// Are hard quotas enforced?
    pub enforce_quota: bool,
    /// Is everything allowed to everybody?
    pub skip_acl: bool,
    /// Are the servers killed and started again within a sequence?
    pub restarts: bool,
}

impl Profile {
    /// Nothing but these settings; everything else as a server has it by itself.
    pub const fn plain(name: &'static str, settings: &'static [(&'static str, &'static str)]) -> Profile {
        Profile {
            name,
            settings,
            properties: &[],
            jute_max_buffer: 65536,
            extended_types: false,
            enforce_quota: false,
            skip_acl: false,
            restarts: false,
        }
    }
}

/// `super:test`, which every profile lets in as the superuser.
pub const SUPER_DIGEST: &str = "super:D/InIHSb7yEEbrWz8b9l71RjZJU=";

/// What every profile has. Sessions are half a second to an hour; containers and TTL nodes are left alone, since a sweep would take
/// zxids at a moment of its own.
pub const COMMON_SETTINGS: &[(&str, &str)] = &[
    ("tickTime", "100"),
    ("minSessionTimeout", "500"),
    ("maxSessionTimeout", "3600000"),
    ("maxClientCnxns", "0"),
    ("admin.enableServer", "false"),
    ("4lw.commands.whitelist", "*"),
    ("forceSync", "no"),
];

/// Properties of every profile.
pub const COMMON_PROPERTIES: &[(&str, &str)] = &[
    ("jute.maxbuffer", "65536"),
    ("znode.container.checkIntervalMs", "36000000"),
    ("zookeeper.DigestAuthenticationProvider.superDigest", SUPER_DIGEST),
];

/// All profiles.
pub const PROFILES: &[Profile] = &[
    Profile::plain("default", &[]),
    Profile {
        properties: &[("zookeeper.extendedTypesEnabled", "true"), ("zookeeper.enforceQuota", "true")],
        extended_types: true,
        enforce_quota: true,
        ..Profile::plain("extended", &[])
    },
    Profile {
        properties: &[("zookeeper.skipACL", "yes"), ("zookeeper.extendedTypesEnabled", "true")],
        extended_types: true,
        skip_acl: true,
        ..Profile::plain("open", &[("reconfigEnabled", "true")])
    },
    Profile {
        properties: &[("zookeeper.extendedTypesEnabled", "true")],
        extended_types: true,
        restarts: true,
        ..Profile::plain("restart", &[("snapCount", "300"), ("preAllocSize", "64")])
    },
];

//! Limits, throttles and the knobs of a JVM server (reference: operations §1.1, §1.2).

use crate::config::Config;
use crate::config::key::Class::{File, Property, System};
use crate::config::key::Kind::{Fraction, Int, Switch, Text, Unread};
use crate::config::key::Verdict::{Honoured, Ignored, Later};
use crate::config::key::{Key, Trouble};

const INT_MAX: i32 = i32::MAX;
const INT_MIN: i32 = i32::MIN;

#[rustfmt::skip]
pub static LIMITS: &[Key] = &[
    Key::new("globalOutstandingLimit", Property, Honoured,
        Int(1, INT_MAX, |c, v| c.requests.global_outstanding_limit = v), "1000",
        "Requests under way in the whole ensemble, beyond which connections are not read."),
    Key::new("request_throttle_max_requests", Property, Honoured,
        Int(INT_MIN, INT_MAX, |c, v| c.requests.throttle_max_requests = v), "0",
        "Requests under way beyond which new ones wait; 0 or less is off."),
    Key::new("request_throttle_stall_time", Property, Honoured,
        Int(1, INT_MAX, |c, v| c.requests.throttle_stall_ms = v), "100",
        "Milliseconds a throttled request waits between two tries."),
    Key::new("request_throttle_drop_stale", Property, Honoured,
        Switch(|c, v| c.requests.throttle_drop_stale = v), "true",
        "Whether a request that became stale while it waited is dropped."),
    Key::new("request_stale_latency_check", Property, Honoured,
        Switch(|c, v| c.requests.stale_latency_check = v), "false",
        "Whether a request older than its session's timeout is stale."),
    Key::new("request_stale_connection_check", Property, Honoured,
        Switch(|c, v| c.requests.stale_connection_check = v), "true",
        "Whether a request of a closed connection is stale."),
    Key::new("request_throttler.shutdownTimeout", Property, Honoured,
        Int(0, INT_MAX, |c, v| c.requests.throttle_shutdown_ms = v), "10000",
        "Milliseconds the throttle may take to empty itself at the end."),
    Key::new("throttled_op_wait_time", Property, Honoured,
        Int(INT_MIN, INT_MAX, |c, v| c.requests.throttled_op_wait_ms = v), "0",
        "Milliseconds in the queue beyond which a request is answered THROTTLEDOP; 0 or less is off."),
    Key::new("largeRequestMaxBytes", Property, Honoured,
        Int(1, INT_MAX, |c, v| c.requests.large_request_max_bytes = v), "104857600",
        "Bytes of large requests under way beyond which another one closes its connection."),
    Key::new("largeRequestThreshold", Property, Honoured,
        Int(-1, INT_MAX, |c, v| c.requests.large_request_threshold = v), "-1",
        "Bytes from which a request is large; -1 is off."),
    Key::new("enableEagerACLCheck", Property, Honoured,
        Switch(|c, v| c.requests.eager_acl_check = v), "false",
        "Whether ACLs are checked before a request is forwarded to the leader."),
    Key::new("maxResponseCacheSize", Property, Honoured,
        Int(INT_MIN, INT_MAX, |c, v| c.requests.response_cache_size = v), "400",
        "Entries of the cache of serialised data; 0 or less is off. There is no such cache here, and no need for it."),
    Key::new("maxGetChildrenResponseCacheSize", Property, Honoured,
        Int(INT_MIN, INT_MAX, |c, v| c.requests.children_cache_size = v), "400",
        "Entries of the cache of serialised children; as above."),
];

#[rustfmt::skip]
pub static CONNECTIONS: &[Key] = &[
    Key::new("connection_throttle_tokens", Property, Honoured,
        Int(INT_MIN, INT_MAX, |c, v| c.throttle.tokens = v), "0",
        "Tokens in the full bucket of new sessions; 0 or less is off."),
    Key::new("connection_throttle_fill_time", Property, Honoured,
        Int(1, INT_MAX, |c, v| c.throttle.fill_time_ms = v), "1",
        "Milliseconds between two fills."),
    Key::new("connection_throttle_fill_count", Property, Honoured,
        Int(0, INT_MAX, |c, v| c.throttle.fill_count = v), "1",
        "Tokens per fill."),
    Key::new("connection_throttle_freeze_time", Property, Honoured,
        Int(-1, INT_MAX, |c, v| c.throttle.freeze_time_ms = v), "-1",
        "Milliseconds between two changes of the drop probability; -1 never changes it."),
    Key::new("connection_throttle_drop_increase", Property, Honoured,
        Fraction(0.0, 1.0, |c, v| c.throttle.drop_increase = v), "0.02",
        "Added to the drop probability while the bucket is empty."),
    Key::new("connection_throttle_drop_decrease", Property, Honoured,
        Fraction(0.0, 1.0, |c, v| c.throttle.drop_decrease = v), "0.002",
        "Taken from the drop probability while there are enough tokens."),
    Key::new("connection_throttle_decrease_ratio", Property, Honoured,
        Fraction(0.0, 1.0, |c, v| c.throttle.decrease_ratio = v), "0",
        "The share of free tokens that is enough."),
    Key::new("connection_throttle_weight_enabled", Property, Honoured,
        Switch(|c, v| c.throttle.weight_enabled = v), "false",
        "Whether kinds of sessions cost different numbers of tokens."),
    Key::new("connection_throttle_global_session_weight", Property, Honoured,
        Int(1, INT_MAX, |c, v| c.throttle.global_weight = v), "3",
        "Tokens of a new global session."),
    Key::new("connection_throttle_local_session_weight", Property, Honoured,
        Int(1, INT_MAX, |c, v| c.throttle.local_weight = v), "1",
        "Tokens of a new local session."),
    Key::new("connection_throttle_renew_session_weight", Property, Honoured,
        Int(1, INT_MAX, |c, v| c.throttle.renew_weight = v), "2",
        "Tokens of a returning session."),
];

const THREADS: &str = "the server sizes its own threads and buffers";
const JAVA: &str = "there is no JVM here";
const QUEUES: &str = "this server has no such stage";
const LOGGING: &str = "the log goes to standard error; see --log-level";
const WATCHES: &str = "there is one kind of watch table";

#[rustfmt::skip]
pub static JVM: &[Key] = &[
    Key::new("serverCnxnFactory", Property, Ignored("there is one network layer"),
        Text("org.apache.zookeeper.server.NIOServerCnxnFactory or …NettyServerCnxnFactory", connection_factory), "",
        "Class of the network layer."),
    Key::new("nio.numSelectorThreads", Property, Ignored(THREADS), Unread, "", "Threads."),
    Key::new("nio.numWorkerThreads", Property, Ignored(THREADS), Unread, "", "Threads."),
    Key::new("nio.directBufferBytes", Property, Ignored(THREADS), Unread, "65536", "Bytes of a buffer."),
    Key::new("nio.shutdownTimeout", Property, Ignored(THREADS), Unread, "5000", "Milliseconds."),
    Key::new("netty.advancedFlowControl.enabled", Property, Ignored("flow control is always on"), Unread, "false",
        "Flow control of the Netty layer."),
    Key::new("netty.server.outstandingHandshake.limit", Property, Later("TLS"), Unread, "-1",
        "TLS handshakes under way at most."),
    Key::new("netty.server.earlyDropSecureConnectionHandshakes", Property, Later("TLS"), Unread, "false",
        "Whether TLS connections are refused while the server does not serve."),
    Key::new("commitProcessor.numWorkerThreads", Property, Ignored(THREADS), Unread, "", "Threads."),
    Key::new("commitProcessor.maxReadBatchSize", Property, Ignored(QUEUES), Unread, "-1", "Requests."),
    Key::new("commitProcessor.maxCommitBatchSize", Property, Ignored(QUEUES), Unread, "1", "Requests."),
    Key::new("commitProcessor.shutdownTimeout", Property, Ignored(QUEUES), Unread, "5000", "Milliseconds."),
    Key::new("watchManagerName", Property, Ignored(WATCHES), Unread, "", "Class of the watch table."),
    Key::new("watcherCleanThreadsNum", Property, Ignored(WATCHES), Unread, "2", "Threads."),
    Key::new("watcherCleanThreshold", Property, Ignored(WATCHES), Unread, "1000", "Watchers."),
    Key::new("watcherCleanIntervalInSeconds", Property, Ignored(WATCHES), Unread, "600", "Seconds."),
    Key::new("maxInProcessingDeadWatchers", Property, Ignored(WATCHES), Unread, "-1", "Watchers."),
    Key::new("bitHashCacheSize", Property, Ignored(WATCHES), Unread, "10", "Entries."),
    Key::new("intBufferStartingSizeBytes", Property, Ignored(THREADS), Unread, "1024", "Bytes of a buffer."),
    Key::new("learner.asyncSending", Property, Ignored(QUEUES), Unread, "false", "Sending from a queue of its own."),
    Key::new("learner.closeSocketAsync", Property, Ignored(QUEUES), Unread, "false", "Closing in a thread of its own."),
    Key::new("leader.closeSocketAsync", Property, Ignored(QUEUES), Unread, "false", "Closing in a thread of its own."),
    Key::new("forward_learner_requests_to_commit_processor_disabled", Property, Ignored(QUEUES), Unread, "false",
        "A short cut between stages."),
    Key::new("follower.skipLearnerRequestToNextProcessor", Property, Ignored(QUEUES), Unread, "false",
        "A short cut between stages."),
    Key::new("messageTracker.BufferSize", Property, Ignored(QUEUES), Unread, "10", "Messages."),
    Key::new("messageTracker.Enabled", Property, Ignored(QUEUES), Unread, "false", "A trace of learner messages."),
    Key::new("pathStats.*", Property, Ignored("there is no report of hot paths"), Unread, "", "Report of hot paths."),
    Key::new("quorum.cnxn.threads.size", File, Ignored(THREADS), Unread, "20", "Threads."),
    Key::new("jvm.pause.monitor", File, Ignored(JAVA), Unread, "false", "Whether pauses of the JVM are watched."),
    Key::new("jvm.pause.sleep.time.ms", File, Ignored(JAVA), Unread, "500", "Milliseconds."),
    Key::new("jvm.pause.info-threshold.ms", File, Ignored(JAVA), Unread, "1000", "Milliseconds."),
    Key::new("jvm.pause.warn-threshold.ms", File, Ignored(JAVA), Unread, "10000", "Milliseconds."),
    Key::new("jmx.log4j.disable", Property, Ignored(JAVA), Unread, "", "Whether loggers are JMX beans."),
    Key::new("jmx.log4j.mbean", Property, Ignored(JAVA), Unread, "", "Class of their bean."),
    Key::new("DisableJMX", System, Ignored(JAVA), Unread, "", "Whether there is JMX."),
    Key::new("log.*", Property, Ignored(LOGGING), Unread, "", "Log files of the Java server's scripts."),
    Key::new("console.threshold", Property, Ignored(LOGGING), Unread, "", "Log level of the Java server's scripts."),
    Key::new("root.logger", Property, Ignored(LOGGING), Unread, "", "Logger of the Java server's scripts."),
    Key::new("tracelog.*", Property, Ignored(LOGGING), Unread, "", "Trace log of the Java server's scripts."),
];

fn connection_factory(_: &mut Config, value: &str) -> Result<(), Trouble> {
    let known = [
        "org.apache.zookeeper.server.NIOServerCnxnFactory",
        "org.apache.zookeeper.server.NettyServerCnxnFactory",
    ];
    if known.contains(&value) { Ok(()) } else { Err(Trouble::Wrong(format!("Couldn't instantiate {value}"))) }
}

/*
 * What the shell cli_mt has no command for, through the C client itself: ACLs, multi, authentication, versions, removed watches,
 * a session that outlives its process, expiry, a restart. `driver HOST:PORT`.
 *
 * Prints `PASS name` or `FAIL name: why` for each test. A line RESTART asks whoever started this program to stop the server and
 * start it again; a line on standard input says that it is done.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zookeeper/zookeeper.h>

enum { PATIENCE_S = 30, EVENTS_MAX = 64 };

static const char *hosts;
static const char *test_name;
static int failed;

static void fail(int line, const char *format, ...)
{
    if (failed)
        return;
    failed = 1;
    printf("FAIL %s: line %d, ", test_name, line);
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
}

#define IS(expected, got)                                                                     \
    do {                                                                                      \
        long long wanted_ = (expected), got_ = (got);                                         \
        if (wanted_ != got_)                                                                  \
            fail(__LINE__, "%s is %lld and not %lld", #got, got_, wanted_);                   \
    } while (0)

#define IS_TEXT(expected, got)                                                                \
    do {                                                                                      \
        if (strcmp((expected), (got)) != 0)                                                   \
            fail(__LINE__, "%s is %s and not %s", #got, (got), (expected));                   \
    } while (0)

/* Events in the order they came; `heard` is broadcast with each. */
struct ear {
    pthread_mutex_t lock;
    pthread_cond_t heard;
    struct {
        int type, state;
        char path[128];
    } events[EVENTS_MAX];
    int count, taken;
};

static struct ear ear_new(void)
{
    struct ear ear = {.lock = PTHREAD_MUTEX_INITIALIZER, .heard = PTHREAD_COND_INITIALIZER};
    return ear;
}

static void hear(zhandle_t *handle, int type, int state, const char *path, void *context)
{
    (void)handle;
    struct ear *ear = context;
    pthread_mutex_lock(&ear->lock);
    if (ear->count < EVENTS_MAX) {
        ear->events[ear->count].type = type;
        ear->events[ear->count].state = state;
        snprintf(ear->events[ear->count].path, sizeof ear->events[0].path, "%s", path ? path : "");
        ear->count++;
    }
    pthread_cond_broadcast(&ear->heard);
    pthread_mutex_unlock(&ear->lock);
}

static struct timespec deadline(void)
{
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    at.tv_sec += PATIENCE_S;
    return at;
}

/* Waits for the next event; it must be this one. Session events of another state are passed over when one is waited for. */
static void expect(int line, struct ear *ear, int type, int state, const char *path)
{
    struct timespec at = deadline();
    pthread_mutex_lock(&ear->lock);
    for (;;) {
        while (ear->taken == ear->count)
            if (pthread_cond_timedwait(&ear->heard, &ear->lock, &at) == ETIMEDOUT) {
                pthread_mutex_unlock(&ear->lock);
                fail(line, "no event of type %d, state %d for %s", type, state, path);
                return;
            }
        int i = ear->taken++;
        if (type == ZOO_SESSION_EVENT && ear->events[i].type == type && ear->events[i].state != state)
            continue;
        if (ear->events[i].type != type || ear->events[i].state != state || strcmp(ear->events[i].path, path) != 0)
            fail(line, "an event of type %d, state %d for %s", ear->events[i].type, ear->events[i].state,
                 ear->events[i].path);
        break;
    }
    pthread_mutex_unlock(&ear->lock);
}

#define EXPECT(ear, type, path) expect(__LINE__, (ear), (type), ZOO_CONNECTED_STATE, (path))
#define EXPECT_SESSION(ear, state) expect(__LINE__, (ear), ZOO_SESSION_EVENT, (state), "")

static void silent(int line, struct ear *ear)
{
    pthread_mutex_lock(&ear->lock);
    if (ear->taken != ear->count)
        fail(line, "an event of type %d that nobody waits for", ear->events[ear->taken].type);
    pthread_mutex_unlock(&ear->lock);
}

static zhandle_t *open_as(struct ear *ear, const clientid_t *id, int timeout_ms)
{
    zhandle_t *handle = zookeeper_init(hosts, hear, timeout_ms, id, ear, 0);
    if (!handle) {
        fail(__LINE__, "no handle");
        exit(1);
    }
    return handle;
}

static zhandle_t *connect_new(struct ear *ear)
{
    *ear = ear_new();
    zhandle_t *handle = open_as(ear, NULL, 10000);
    EXPECT_SESSION(ear, ZOO_CONNECTED_STATE);
    return handle;
}

static int make(zhandle_t *handle, const char *path, const char *data, const struct ACL_vector *acl, int flags)
{
    return zoo_create(handle, path, data, data ? (int)strlen(data) : -1, acl, flags, NULL, 0);
}

static void test_create_modes(void)
{
    struct ear ear;
    zhandle_t *h = connect_new(&ear);
    char name[128];
    struct Stat stat;
    IS(ZOK, make(h, "/c", "x", &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT));
    IS(ZOK, zoo_create(h, "/c/s-", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT_SEQUENTIAL, name, sizeof name));
    IS_TEXT("/c/s-0000000000", name);
    IS(ZOK, zoo_create2(h, "/c/es-", NULL, -1, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL_SEQUENTIAL, name, sizeof name, &stat));
    IS_TEXT("/c/es-0000000001", name);
    IS(zoo_client_id(h)->client_id, stat.ephemeralOwner);
    IS(0, stat.dataLength);
    IS(ZOK, make(h, "/c/container", NULL, &ZOO_OPEN_ACL_UNSAFE, ZOO_CONTAINER));
    IS(ZOK, zoo_create_ttl(h, "/c/ttl", "t", 1, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT_WITH_TTL, 60000, name, sizeof name));
    IS(ZOK, zoo_create2_ttl(h, "/c/ttl-", "t", 1, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT_SEQUENTIAL_WITH_TTL, 60000, name,
                            sizeof name, &stat));
    IS_TEXT("/c/ttl-0000000004", name);
    IS(ZNODEEXISTS, make(h, "/c", "x", &ZOO_OPEN_ACL_UNSAFE, 0));
    IS(ZNONODE, make(h, "/absent/x", "x", &ZOO_OPEN_ACL_UNSAFE, 0));
    IS(ZNOCHILDRENFOREPHEMERALS, make(h, "/c/es-0000000001/x", "x", &ZOO_OPEN_ACL_UNSAFE, 0));
    IS(ZOK, zookeeper_close(h));
    h = connect_new(&ear);
    IS(ZNONODE, zoo_exists(h, "/c/es-0000000001", 0, &stat));
    IS(ZOK, zoo_exists(h, "/c", 0, &stat));
    IS(4, stat.numChildren);
    zookeeper_close(h);
}

static void test_versions(void)
{
    struct ear ear;
    zhandle_t *h = connect_new(&ear);
    struct Stat before, stat;
    char data[16];
    int length = sizeof data;
    IS(ZOK, make(h, "/v", "one", &ZOO_OPEN_ACL_UNSAFE, 0));
    IS(ZOK, zoo_get(h, "/v", 0, data, &length, &before));
    IS(3, length);
    IS(0, memcmp("one", data, 3));
    IS(ZOK, zoo_set2(h, "/v", "four", 4, 0, &stat));
    IS(1, stat.version);
    IS(4, stat.dataLength);
    IS(before.czxid, stat.czxid);
    IS(before.mzxid + 1, stat.mzxid);
    IS(ZBADVERSION, zoo_set(h, "/v", "x", 1, 0));
    IS(ZNONODE, zoo_set(h, "/absent", "x", 1, -1));
    IS(ZOK, zoo_set(h, "/v", NULL, -1, -1));
    length = sizeof data;
    IS(ZOK, zoo_get(h, "/v", 0, data, &length, &stat));
    IS(-1, length);
    IS(ZBADVERSION, zoo_delete(h, "/v", 0));
    IS(ZOK, zoo_delete(h, "/v", 2));
    IS(ZNONODE, zoo_delete(h, "/v", -1));
    zookeeper_close(h);
}

static void test_children(void)
{
    struct ear ear;
    zhandle_t *h = connect_new(&ear);
    struct String_vector children;
    struct Stat stat;
    IS(ZOK, make(h, "/k", "", &ZOO_OPEN_ACL_UNSAFE, 0));
    IS(ZOK, zoo_get_children(h, "/k", 0, &children));
    IS(0, children.count);
    deallocate_String_vector(&children);
    IS(ZOK, make(h, "/k/a", "", &ZOO_OPEN_ACL_UNSAFE, 0));
    IS(ZOK, make(h, "/k/b", "", &ZOO_OPEN_ACL_UNSAFE, 0));
    IS(ZOK, zoo_get_children2(h, "/k", 0, &children, &stat));
    IS(2, children.count);
    IS(2, stat.cversion);
    IS(2, stat.numChildren);
    deallocate_String_vector(&children);
    IS(ZNOTEMPTY, zoo_delete(h, "/k", -1));
    IS(ZNONODE, zoo_get_children(h, "/absent", 0, &children));
    zookeeper_close(h);
}

static void authenticated(int rc, const void *data)
{
    hear(NULL, rc, 0, "authenticated", (void *)data);
}

static void test_acl(void)
{
    struct ear mine, theirs, answers = ear_new();
    zhandle_t *owner = connect_new(&mine), *stranger = connect_new(&theirs);
    struct ACL_vector acl;
    struct Stat stat;
    char data[8];
    int length = sizeof data;
    IS(ZINVALIDACL, make(owner, "/acl", "x", &ZOO_CREATOR_ALL_ACL, 0));
    IS(ZOK, zoo_add_auth(owner, "digest", "user:secret", 11, authenticated, &answers));
    expect(__LINE__, &answers, ZOK, 0, "authenticated");
    IS(ZOK, make(owner, "/acl", "x", &ZOO_CREATOR_ALL_ACL, 0));
    IS(ZOK, zoo_get_acl(owner, "/acl", &acl, &stat));
    IS(1, acl.count);
    IS(ZOO_PERM_ALL, acl.data[0].perms);
    IS_TEXT("digest", acl.data[0].id.scheme);
    IS(0, strncmp("user:", acl.data[0].id.id, 5));
    deallocate_ACL_vector(&acl);
    IS(ZNOAUTH, zoo_get(stranger, "/acl", 0, data, &length, &stat));
    IS(ZNOAUTH, zoo_set(stranger, "/acl", "y", 1, -1));
    IS(ZNOAUTH, make(stranger, "/acl/x", "y", &ZOO_OPEN_ACL_UNSAFE, 0));
    IS(ZNOAUTH, zoo_set_acl(stranger, "/acl", -1, &ZOO_OPEN_ACL_UNSAFE));
    IS(ZBADVERSION, zoo_set_acl(owner, "/acl", 7, &ZOO_READ_ACL_UNSAFE));
    IS(ZOK, zoo_set_acl(owner, "/acl", 0, &ZOO_READ_ACL_UNSAFE));
    length = sizeof data;
    IS(ZOK, zoo_get(stranger, "/acl", 0, data, &length, &stat));
    IS(1, stat.aversion);
    IS(ZNOAUTH, zoo_set(owner, "/acl", "y", 1, -1));
    zookeeper_close(owner);
    zookeeper_close(stranger);
}

static void test_auth_failure(void)
{
    struct ear ear;
    zhandle_t *h = connect_new(&ear);
    struct ear answers = ear_new();
    struct Stat stat;
    IS(ZOK, zoo_add_auth(h, "nonsense", "x", 1, authenticated, &answers));
    expect(__LINE__, &answers, ZAUTHFAILED, 0, "authenticated");
    EXPECT_SESSION(&ear, ZOO_AUTH_FAILED_STATE);
    IS(ZINVALIDSTATE, zoo_exists(h, "/", 0, &stat));
    zookeeper_close(h);
}

static void test_multi(void)
{
    struct ear ear;
    zhandle_t *h = connect_new(&ear);
    char names[3][64];
    struct Stat set, stat;
    zoo_op_t ops[6];
    zoo_op_result_t results[6];
    zoo_create_op_init(&ops[0], "/m", "x", 1, &ZOO_OPEN_ACL_UNSAFE, 0, names[0], sizeof names[0]);
    zoo_create_op_init(&ops[1], "/m/s-", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_SEQUENCE, names[1], sizeof names[1]);
    zoo_create_op_init(&ops[2], "/m/e", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL, names[2], sizeof names[2]);
    zoo_set_op_init(&ops[3], "/m", "yy", 2, 0, &set);
    zoo_check_op_init(&ops[4], "/m", 1);
    zoo_delete_op_init(&ops[5], "/m/e", 0);
    IS(ZOK, zoo_multi(h, 6, ops, results));
    for (int i = 0; i < 6; i++)
        IS(ZOK, results[i].err);
    IS_TEXT("/m", names[0]);
    IS_TEXT("/m/s-0000000000", names[1]);
    IS(1, set.version);
    IS(2, set.dataLength);
    IS(ZOK, zoo_exists(h, "/m", 0, &stat));
    IS(stat.czxid, stat.mzxid);
    IS(stat.czxid, stat.pzxid);
    IS(1, stat.numChildren);
    zookeeper_close(h);
}

static void test_multi_failure(void)
{
    struct ear ear;
    zhandle_t *h = connect_new(&ear);
    char name[64];
    struct Stat stat;
    zoo_op_t ops[3];
    zoo_op_result_t results[3];
    zoo_create_op_init(&ops[0], "/mf", "x", 1, &ZOO_OPEN_ACL_UNSAFE, 0, name, sizeof name);
    zoo_check_op_init(&ops[1], "/mf", 5);
    zoo_create_op_init(&ops[2], "/mf/x", "x", 1, &ZOO_OPEN_ACL_UNSAFE, 0, name, sizeof name);
    IS(ZBADVERSION, zoo_multi(h, 3, ops, results));
    IS(ZOK, results[0].err);
    IS(ZBADVERSION, results[1].err);
    IS(ZRUNTIMEINCONSISTENCY, results[2].err);
    IS(ZNONODE, zoo_exists(h, "/mf", 0, &stat));
    zookeeper_close(h);
}

static void test_watches(void)
{
    struct ear mine, other, data, children, exists;
    zhandle_t *h = connect_new(&mine), *o = connect_new(&other);
    data = ear_new();
    children = ear_new();
    exists = ear_new();
    struct Stat stat;
    struct String_vector names;
    char buffer[8];
    int length = sizeof buffer;
    IS(ZNONODE, zoo_wexists(h, "/w", hear, &exists, &stat));
    IS(ZOK, make(o, "/w", "x", &ZOO_OPEN_ACL_UNSAFE, 0));
    EXPECT(&exists, ZOO_CREATED_EVENT, "/w");
    IS(ZOK, zoo_wget(h, "/w", hear, &data, buffer, &length, &stat));
    IS(ZOK, zoo_wget_children(h, "/w", hear, &children, &names));
    deallocate_String_vector(&names);
    IS(ZOK, make(o, "/w/c", "x", &ZOO_OPEN_ACL_UNSAFE, 0));
    EXPECT(&children, ZOO_CHILD_EVENT, "/w");
    silent(__LINE__, &data);
    IS(ZOK, zoo_set(o, "/w", "y", 1, -1));
    EXPECT(&data, ZOO_CHANGED_EVENT, "/w");
    IS(ZOK, zoo_set(o, "/w", "z", 1, -1));
    IS(ZOK, zoo_delete(o, "/w/c", -1));
    IS(ZOK, zoo_exists(h, "/w", 0, &stat));
    silent(__LINE__, &data);
    silent(__LINE__, &children);
    zookeeper_close(h);
    zookeeper_close(o);
}

static void test_remove_watches(void)
{
    struct ear mine, first = ear_new(), second = ear_new();
    zhandle_t *h = connect_new(&mine);
    struct Stat stat;
    char buffer[8];
    int length = sizeof buffer;
    IS(ZOK, make(h, "/rw", "x", &ZOO_OPEN_ACL_UNSAFE, 0));
    IS(ZOK, zoo_wget(h, "/rw", hear, &first, buffer, &length, &stat));
    length = sizeof buffer;
    IS(ZOK, zoo_wget(h, "/rw", hear, &second, buffer, &length, &stat));
    IS(ZNOWATCHER, zoo_remove_watches(h, "/rw", ZWATCHTYPE_CHILD, hear, &first, 0));
    IS(ZOK, zoo_remove_watches(h, "/rw", ZWATCHTYPE_DATA, hear, &first, 0));
    IS(ZOK, zoo_set(h, "/rw", "y", 1, -1));
    EXPECT(&second, ZOO_CHANGED_EVENT, "/rw");
    IS(ZOK, zoo_exists(h, "/rw", 0, &stat));
    silent(__LINE__, &first);
    zookeeper_close(h);
}

static void test_config(void)
{
    struct ear ear;
    zhandle_t *h = connect_new(&ear);
    char buffer[256];
    int length = sizeof buffer;
    struct Stat stat;
    IS(ZOK, zoo_getconfig(h, 0, buffer, &length, &stat));
    IS(0, length);
    IS(-1, stat.aversion);
    length = sizeof buffer;
    IS(ZRECONFIGDISABLED, zoo_reconfig(h, NULL, "1", NULL, -1, buffer, &length, &stat));
    zookeeper_close(h);
}

/* A process of its own: opens a session with an ephemeral node, tells its id, and waits to be killed. */
static pid_t client_process(clientid_t *id)
{
    int pipe_ends[2];
    if (pipe(pipe_ends) != 0)
        exit(1);
    pid_t child = fork();
    if (child == 0) {
        struct ear ear;
        zhandle_t *h = connect_new(&ear);
        if (make(h, "/inherited", "x", &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL) != ZOK)
            _exit(1);
        if (write(pipe_ends[1], zoo_client_id(h), sizeof *id) != sizeof *id)
            _exit(1);
        for (;;)
            pause();
    }
    close(pipe_ends[1]);
    IS(sizeof *id, read(pipe_ends[0], id, sizeof *id));
    close(pipe_ends[0]);
    return child;
}

static void test_session_is_inherited(void)
{
    struct ear ear = ear_new(), late = ear_new();
    struct Stat stat;
    clientid_t id = {0};
    pid_t client = client_process(&id);
    kill(client, SIGKILL);
    waitpid(client, NULL, 0);
    zhandle_t *heir = open_as(&ear, &id, 10000);
    EXPECT_SESSION(&ear, ZOO_CONNECTED_STATE);
    IS(id.client_id, zoo_client_id(heir)->client_id);
    IS(10000, zoo_recv_timeout(heir));
    IS(ZOK, zoo_exists(heir, "/inherited", 0, &stat));
    IS(id.client_id, stat.ephemeralOwner);
    IS(ZOK, zookeeper_close(heir));
    zhandle_t *too_late = open_as(&late, &id, 10000);
    EXPECT_SESSION(&late, ZOO_EXPIRED_SESSION_STATE);
    IS(ZINVALIDSTATE, zoo_exists(too_late, "/", 0, &stat));
    zookeeper_close(too_late);
}

static void test_wrong_password(void)
{
    struct ear first, second = ear_new();
    zhandle_t *h = connect_new(&first);
    clientid_t id = *zoo_client_id(h);
    id.passwd[0] ^= 1;
    zhandle_t *thief = open_as(&second, &id, 10000);
    EXPECT_SESSION(&second, ZOO_EXPIRED_SESSION_STATE);
    zookeeper_close(thief);
    zookeeper_close(h);
}

static void test_restart(void)
{
    struct ear ear;
    struct ear watch = ear_new();
    zhandle_t *h = connect_new(&ear);
    struct Stat stat;
    int64_t id = zoo_client_id(h)->client_id;
    IS(ZOK, make(h, "/restart", "x", &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL));
    IS(ZOK, zoo_wexists(h, "/restart", hear, &watch, &stat));
    printf("RESTART\n");
    char answer[16];
    if (!fgets(answer, sizeof answer, stdin))
        fail(__LINE__, "nobody restarts the server");
    EXPECT_SESSION(&ear, ZOO_CONNECTED_STATE);
    IS(id, zoo_client_id(h)->client_id);
    IS(ZOK, zoo_set(h, "/restart", "y", 1, 0));
    /* A watcher hears of its session's states too. */
    EXPECT_SESSION(&watch, ZOO_CONNECTED_STATE);
    EXPECT(&watch, ZOO_CHANGED_EVENT, "/restart");
    IS(ZOK, zoo_exists(h, "/restart", 0, &stat));
    IS(id, stat.ephemeralOwner);
    zookeeper_close(h);
}

int main(int count, char **arguments)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } tests[] = {
        {"create with every mode", test_create_modes},
        {"versions and stat", test_versions},
        {"children", test_children},
        {"ACLs and digest authentication", test_acl},
        {"an unknown scheme ends the session", test_auth_failure},
        {"multi", test_multi},
        {"multi, one failure undoes all", test_multi_failure},
        {"watches", test_watches},
        {"removing watches", test_remove_watches},
        {"the configuration node", test_config},
        {"a session inherited from a killed process", test_session_is_inherited},
        {"a session with a wrong password", test_wrong_password},
        {"a restart of the server", test_restart},
    };
    if (count != 2) {
        fprintf(stderr, "usage: %s HOST:PORT\n", arguments[0]);
        return 2;
    }
    hosts = arguments[1];
    setvbuf(stdout, NULL, _IOLBF, 0);
    zoo_set_debug_level(ZOO_LOG_LEVEL_WARN);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        test_name = tests[i].name;
        failed = 0;
        tests[i].run();
        if (!failed)
            printf("PASS %s\n", test_name);
    }
    return 0;
}

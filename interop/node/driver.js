// Every call of node-zookeeper-client against a server: `node driver.js PORT`.
//
// Prints `PASS name` or `FAIL name: why` for each test. A line RESTART asks whoever started this program to stop the server and
// start it again; a line on standard input says that it is done.

'use strict';

const assert = require('assert');
const net = require('net');
const readline = require('readline');
const zookeeper = require('node-zookeeper-client');

const { ACL, CreateMode, Event, Exception, Id, Permission, State } = zookeeper;
const port = Number(process.argv[2]);
const PATIENCE_MS = 30000;
const tests = [];

function test(name, run) {
    tests.push({ name, run });
}

// A call as a promise; several results come as an array.
function ask(client, method, ...args) {
    return new Promise((resolve, reject) => {
        client[method](...args, (error, ...results) => {
            if (error) {
                reject(error);
            } else {
                resolve(results.length > 1 ? results : results[0]);
            }
        });
    });
}

async function fails(promise, code) {
    await assert.rejects(promise, (error) => {
        assert.strictEqual(error.getCode && error.getCode(), code, String(error));
        return true;
    });
}

const opened = [];

function open(options = {}, to = port) {
    const client = zookeeper.createClient(`127.0.0.1:${to}`, { retries: 0, spinDelay: 100, ...options });
    client.states = [];
    client.on('state', (state) => client.states.push(state.getName()));
    opened.push(client);
    client.connect();
    return client;
}

function until(client, event) {
    return new Promise((resolve) => client.once(event, resolve));
}

async function connected(options, to) {
    const client = open(options, to);
    await until(client, 'connected');
    return client;
}

async function closed(client) {
    client.close();
    await until(client, 'disconnected');
}

// A watcher that gives its events one after the other.
function watcher() {
    const events = [];
    const waiting = [];
    const watch = (event) => (waiting.length ? waiting.shift()(event) : events.push(event));
    watch.next = () => (events.length ? Promise.resolve(events.shift()) : new Promise((r) => waiting.push(r)));
    watch.none = () => assert.deepStrictEqual(events, []);
    return watch;
}

async function sees(watch, type, path) {
    const event = await watch.next();
    assert.strictEqual(event.getType(), type);
    assert.strictEqual(event.getPath(), path);
}

const text = (buffer) => buffer.toString();
const long = (buffer) => buffer.readBigInt64BE();

test('create with every mode', async () => {
    const client = await connected();
    assert.strictEqual(await ask(client, 'create', '/modes'), '/modes');
    assert.strictEqual(await ask(client, 'create', '/modes/e', Buffer.from('x'), CreateMode.EPHEMERAL), '/modes/e');
    const sequential = CreateMode.PERSISTENT_SEQUENTIAL;
    assert.strictEqual(await ask(client, 'create', '/modes/s-', sequential), '/modes/s-0000000001');
    const both = CreateMode.EPHEMERAL_SEQUENTIAL;
    assert.strictEqual(await ask(client, 'create', '/modes/es-', both), '/modes/es-0000000002');
    const stat = await ask(client, 'exists', '/modes/es-0000000002');
    assert.deepStrictEqual(stat.ephemeralOwner, client.getSessionId());
    await closed(client);
    const other = await connected();
    const [children] = await ask(other, 'getChildren', '/modes');
    assert.deepStrictEqual(children, ['s-0000000001'], 'ephemerals end with their session');
});

test('create: what the server refuses', async () => {
    const client = await connected();
    await ask(client, 'create', '/refused');
    await fails(ask(client, 'create', '/refused'), Exception.NODE_EXISTS);
    await fails(ask(client, 'create', '/no/parent'), Exception.NO_NODE);
    await ask(client, 'create', '/refused/e', CreateMode.EPHEMERAL);
    await fails(ask(client, 'create', '/refused/e/x'), Exception.NO_CHILDREN_FOR_EPHEMERALS);
    const acl = [new ACL(Permission.ALL, new Id('nonsense', 'x'))];
    await fails(ask(client, 'create', '/refused/acl', acl), Exception.INVALID_ACL);
    await fails(ask(client, 'create', '/refused/auth', ACL.CREATOR_ALL_ACL), Exception.INVALID_ACL);
});

test('data: null, empty, binary and a mebibyte less a little', async () => {
    const client = await connected();
    const binary = Buffer.from([...Array(256).keys()]);
    for (const [name, data, read] of [
        ['null', null, undefined],
        ['empty', Buffer.alloc(0), Buffer.alloc(0)],
        ['binary', binary, binary],
        ['large', Buffer.alloc(1024 * 1024 - 200, 7), Buffer.alloc(1024 * 1024 - 200, 7)],
    ]) {
        await ask(client, 'create', `/data-${name}`, data);
        const [got, stat] = await ask(client, 'getData', `/data-${name}`);
        assert.deepStrictEqual(got, read, name);
        assert.strictEqual(stat.dataLength, read ? read.length : 0);
    }
});

test('setData: versions and stat', async () => {
    const client = await connected();
    await ask(client, 'create', '/set', Buffer.from('one'));
    const [, before] = await ask(client, 'getData', '/set');
    const stat = await ask(client, 'setData', '/set', Buffer.from('two!'), 0);
    assert.strictEqual(stat.version, 1);
    assert.strictEqual(stat.dataLength, 4);
    assert.strictEqual(long(stat.mzxid), long(before.mzxid) + 1n);
    assert.deepStrictEqual(stat.czxid, before.czxid);
    await fails(ask(client, 'setData', '/set', Buffer.from('x'), 0), Exception.BAD_VERSION);
    await fails(ask(client, 'setData', '/absent', Buffer.from('x'), -1), Exception.NO_NODE);
    assert.strictEqual((await ask(client, 'setData', '/set', Buffer.from('three'))).version, 2);
    assert.strictEqual(text((await ask(client, 'getData', '/set'))[0]), 'three');
});

test('exists, getChildren and their stat', async () => {
    const client = await connected();
    assert.strictEqual(await ask(client, 'exists', '/family'), null);
    await ask(client, 'create', '/family');
    await ask(client, 'create', '/family/b');
    await ask(client, 'create', '/family/a');
    const [children, stat] = await ask(client, 'getChildren', '/family');
    assert.deepStrictEqual(children.sort(), ['a', 'b']);
    assert.strictEqual(stat.numChildren, 2);
    assert.strictEqual(stat.cversion, 2);
    await fails(ask(client, 'getChildren', '/absent'), Exception.NO_NODE);
    assert.strictEqual((await ask(client, 'exists', '/family')).numChildren, 2);
});

test('remove', async () => {
    const client = await connected();
    await ask(client, 'mkdirp', '/remove/child');
    await fails(ask(client, 'remove', '/remove'), Exception.NOT_EMPTY);
    await fails(ask(client, 'remove', '/remove/child', 3), Exception.BAD_VERSION);
    await ask(client, 'remove', '/remove/child', 0);
    await fails(ask(client, 'remove', '/remove/child'), Exception.NO_NODE);
    await ask(client, 'remove', '/remove', -1);
});

// In this version of the client the tree of listSubTreeBFS ends with the children, whatever they have.
test('mkdirp, listSubTreeBFS, removeRecursive', async () => {
    const client = await connected();
    assert.strictEqual(await ask(client, 'mkdirp', '/deep/b/c', Buffer.from('d')), '/deep/b/c');
    assert.strictEqual(await ask(client, 'mkdirp', '/deep/b/d'), '/deep/b/d');
    const all = await ask(client, 'listSubTreeBFS', '/deep/b');
    assert.deepStrictEqual(all.sort(), ['/deep/b', '/deep/b/c', '/deep/b/d']);
    assert.strictEqual(text((await ask(client, 'getData', '/deep/b'))[0]), 'd');
    await ask(client, 'removeRecursive', '/deep/b');
    assert.strictEqual(await ask(client, 'exists', '/deep/b'), null);
    await ask(client, 'remove', '/deep', 0);
});

test('watchers: exists', async () => {
    const [client, other] = [await connected(), await connected()];
    const watch = watcher();
    await ask(client, 'exists', '/w', watch);
    await ask(other, 'create', '/w');
    await sees(watch, Event.NODE_CREATED, '/w');
    await ask(other, 'setData', '/w', Buffer.from('x'));
    await ask(client, 'exists', '/w', watch);
    watch.none();
    await ask(other, 'setData', '/w', Buffer.from('y'));
    await sees(watch, Event.NODE_DATA_CHANGED, '/w');
    await ask(client, 'exists', '/w', watch);
    await ask(other, 'remove', '/w');
    await sees(watch, Event.NODE_DELETED, '/w');
});

test('watchers: getData and getChildren, with the reply to the write behind the event', async () => {
    const client = await connected();
    const [data, children, parent] = [watcher(), watcher(), watcher()];
    await ask(client, 'create', '/watched');
    await ask(client, 'getData', '/watched', data);
    await ask(client, 'getChildren', '/watched', children);
    await ask(client, 'getChildren', '/', parent);
    const order = [];
    const event = children.next().then((e) => order.push(e.getName()));
    await ask(client, 'create', '/watched/child').then(() => order.push('reply'));
    await event;
    assert.deepStrictEqual(order, ['NODE_CHILDREN_CHANGED', 'reply']);
    data.none();
    await ask(client, 'setData', '/watched', Buffer.alloc(0));
    await sees(data, Event.NODE_DATA_CHANGED, '/watched');
    await ask(client, 'remove', '/watched/child');
    children.none();
    await ask(client, 'getData', '/watched', data);
    await ask(client, 'getChildren', '/watched', children);
    await ask(client, 'remove', '/watched');
    await sees(data, Event.NODE_DELETED, '/watched');
    await sees(children, Event.NODE_DELETED, '/watched');
    await sees(parent, Event.NODE_CHILDREN_CHANGED, '/');
});

test('getACL and setACL', async () => {
    const client = await connected();
    await ask(client, 'create', '/acl', ACL.READ_ACL_UNSAFE);
    const [acls, stat] = await ask(client, 'getACL', '/acl');
    assert.deepStrictEqual(acls, ACL.READ_ACL_UNSAFE);
    assert.strictEqual(stat.aversion, 0);
    await fails(ask(client, 'setData', '/acl', Buffer.from('x')), Exception.NO_AUTH);
    await fails(ask(client, 'create', '/acl/child'), Exception.NO_AUTH);
    await fails(ask(client, 'setACL', '/acl', ACL.OPEN_ACL_UNSAFE), Exception.NO_AUTH);
    await ask(client, 'create', '/acl-open');
    const changed = await ask(client, 'setACL', '/acl-open', ACL.READ_ACL_UNSAFE, 0);
    assert.strictEqual(changed.aversion, 1);
    await fails(ask(client, 'getACL', '/absent'), Exception.NO_NODE);
});

test('setACL with an old version', async () => {
    const client = await connected();
    await ask(client, 'create', '/acl-version');
    await ask(client, 'setACL', '/acl-version', ACL.OPEN_ACL_UNSAFE, 0);
    await fails(ask(client, 'setACL', '/acl-version', ACL.OPEN_ACL_UNSAFE, 0), Exception.BAD_VERSION);
});

test('addAuthInfo: digest', async () => {
    const [owner, stranger] = [await connected(), await connected()];
    owner.addAuthInfo('digest', Buffer.from('user:secret'));
    await ask(owner, 'create', '/mine', Buffer.from('x'), ACL.CREATOR_ALL_ACL);
    const [acls] = await ask(owner, 'getACL', '/mine');
    assert.strictEqual(acls[0].id.scheme, 'digest');
    assert.ok(acls[0].id.id.startsWith('user:'));
    assert.strictEqual(text((await ask(owner, 'getData', '/mine'))[0]), 'x');
    await fails(ask(stranger, 'getData', '/mine'), Exception.NO_AUTH);
    await fails(ask(stranger, 'getChildren', '/mine'), Exception.NO_AUTH);
    stranger.addAuthInfo('digest', Buffer.from('user:wrong'));
    await fails(ask(stranger, 'getData', '/mine'), Exception.NO_AUTH);
    stranger.addAuthInfo('digest', Buffer.from('user:secret'));
    assert.strictEqual(text((await ask(stranger, 'getData', '/mine'))[0]), 'x');
});

test('addAuthInfo: an unknown scheme ends the session', async () => {
    const client = await connected();
    client.addAuthInfo('nonsense', Buffer.from('x'));
    await until(client, 'authenticationFailed');
    await fails(ask(client, 'exists', '/'), Exception.AUTH_FAILED);
});

test('transaction: all kinds of operations', async () => {
    const client = await connected();
    const transaction = client.transaction()
        .create('/txn', Buffer.from('a'))
        .create('/txn/s-', CreateMode.PERSISTENT_SEQUENTIAL)
        .create('/txn/e', CreateMode.EPHEMERAL)
        .setData('/txn', Buffer.from('b'), -1)
        .check('/txn', 1)
        .remove('/txn/e');
    const results = await ask(transaction, 'commit');
    assert.deepStrictEqual(results.map((r) => r.type), [1, 1, 1, 5, 13, 2]);
    assert.deepStrictEqual(results.slice(0, 3).map((r) => r.path), ['/txn', '/txn/s-0000000000', '/txn/e']);
    assert.strictEqual(results[3].stat.version, 1);
    const [, stat] = await ask(client, 'getData', '/txn');
    assert.deepStrictEqual(stat.mzxid, stat.czxid, 'one transaction has one zxid');
    assert.deepStrictEqual(stat.pzxid, stat.czxid);
});

test('transaction: one failure undoes all', async () => {
    const client = await connected();
    const commit = (transaction) => new Promise((resolve) => {
        transaction.commit((error, results) => resolve([error, results]));
    });
    const [error, results] = await commit(
        client.transaction().create('/undone').check('/nowhere').create('/undone/child'),
    );
    assert.strictEqual(error.getCode(), Exception.NO_NODE);
    assert.deepStrictEqual(results.map((r) => r.err), [0, Exception.NO_NODE, -2]);
    assert.strictEqual(await ask(client, 'exists', '/undone'), null);
    const [none, empty] = await commit(client.transaction());
    assert.ok(!none);
    assert.deepStrictEqual(empty, []);
});

test('transaction: its watchers', async () => {
    const [client, other] = [await connected(), await connected()];
    const [data, children] = [watcher(), watcher()];
    await ask(client, 'create', '/txw');
    await ask(client, 'getData', '/txw', data);
    await ask(client, 'getChildren', '/txw', children);
    await ask(other.transaction().setData('/txw', null).create('/txw/child'), 'commit');
    await sees(data, Event.NODE_DATA_CHANGED, '/txw');
    await sees(children, Event.NODE_CHILDREN_CHANGED, '/txw');
});

test('session: id, password, timeout, states', async () => {
    const client = await connected({ sessionTimeout: 1000 });
    assert.strictEqual(client.getSessionId().length, 8);
    assert.notStrictEqual(long(client.getSessionId()), 0n);
    assert.strictEqual(client.getSessionPassword().length, 16);
    assert.strictEqual(client.getSessionTimeout(), 1000);
    assert.strictEqual((await connected({ sessionTimeout: 1 })).getSessionTimeout(), 1000, 'the least is two ticks');
    assert.strictEqual((await connected({ sessionTimeout: 99000 })).getSessionTimeout(), 10000, 'the most is twenty');
    assert.strictEqual(client.getState(), State.SYNC_CONNECTED);
    await closed(client);
    assert.deepStrictEqual(client.states, ['SYNC_CONNECTED', 'DISCONNECTED']);
});

test('session: an idle one lives on by its pings', async () => {
    const client = await connected({ sessionTimeout: 1000 });
    await ask(client, 'create', '/idle', CreateMode.EPHEMERAL);
    await new Promise((resolve) => setTimeout(resolve, 4000));
    assert.ok(await ask(client, 'exists', '/idle'));
    assert.deepStrictEqual(client.states, ['SYNC_CONNECTED']);
});

// What is between a client and the server can be cut.
function cable() {
    const pairs = new Set();
    let whole = true;
    const server = net.createServer((from) => {
        if (!whole) {
            from.destroy();
            return;
        }
        const to = net.connect(port, '127.0.0.1');
        pairs.add(from).add(to);
        from.pipe(to).on('error', () => {}).on('close', () => from.destroy());
        to.pipe(from).on('error', () => {}).on('close', () => to.destroy());
    });
    const cut = () => {
        whole = false;
        pairs.forEach((socket) => socket.destroy());
        pairs.clear();
    };
    return new Promise((resolve) => {
        server.listen(0, '127.0.0.1', () => {
            resolve({ port: server.address().port, cut, mend: () => (whole = true), end: () => server.close() });
        });
    });
}

test('session: it survives a cut connection, with its watchers', async () => {
    const line = await cable();
    const client = await connected({ sessionTimeout: 10000 }, line.port);
    const id = Buffer.from(client.getSessionId());
    const [data, later] = [watcher(), watcher()];
    await ask(client, 'create', '/cut', CreateMode.EPHEMERAL);
    await ask(client, 'getData', '/cut', data);
    await ask(client, 'exists', '/cut-later', later);
    line.cut();
    await until(client, 'disconnected');
    const other = await connected();
    await ask(other, 'setData', '/cut', Buffer.from('while away'));
    line.mend();
    await until(client, 'connected');
    assert.deepStrictEqual(client.getSessionId(), id);
    await sees(data, Event.NODE_DATA_CHANGED, '/cut');
    await ask(other, 'create', '/cut-later');
    await sees(later, Event.NODE_CREATED, '/cut-later');
    assert.strictEqual(text((await ask(client, 'getData', '/cut'))[0]), 'while away');
    line.end();
});

test('session: it expires when it is away too long', async () => {
    const line = await cable();
    const client = await connected({ sessionTimeout: 1000 }, line.port);
    await ask(client, 'create', '/expires', CreateMode.EPHEMERAL);
    const other = await connected();
    const gone = watcher();
    await ask(other, 'exists', '/expires', gone);
    line.cut();
    await sees(gone, Event.NODE_DELETED, '/expires');
    line.mend();
    await until(client, 'expired');
    await fails(ask(client, 'exists', '/'), Exception.SESSION_EXPIRED);
    line.end();
});

const answers = readline.createInterface({ input: process.stdin });

test('a restart of the server: sessions, ephemerals and watchers stay', async () => {
    const client = await connected({ sessionTimeout: 10000 });
    const id = Buffer.from(client.getSessionId());
    const watch = watcher();
    await ask(client, 'create', '/stays', Buffer.from('x'), CreateMode.EPHEMERAL);
    await ask(client, 'getChildren', '/', watch);
    const away = until(client, 'disconnected');
    const back = until(client, 'connected');
    console.log('RESTART');
    await new Promise((resolve) => answers.once('line', resolve));
    await away;
    await back;
    assert.deepStrictEqual(client.getSessionId(), id);
    assert.strictEqual(text((await ask(client, 'getData', '/stays'))[0]), 'x');
    watch.none();
    await ask(client, 'create', '/after-restart');
    await sees(watch, Event.NODE_CHILDREN_CHANGED, '/');
});

async function main() {
    for (const { name, run } of tests) {
        let timer;
        const late = new Promise((_, reject) => {
            timer = setTimeout(() => reject(new Error('it takes too long')), PATIENCE_MS);
        });
        try {
            await Promise.race([run(), late]);
            console.log(`PASS ${name.replace(/: /g, ', ')}`);
        } catch (error) {
            console.log(`FAIL ${name.replace(/: /g, ', ')}: ${String(error.stack || error).replace(/\s+/g, ' ')}`);
        }
        clearTimeout(timer);
        opened.splice(0).forEach((client) => client.close());
    }
    process.exit(0);
}

main();

import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { NarrowError, isNarrowError } from '../../src/errors.ts';
import { hashBytes } from '../../src/model/hash.ts';
import type { PathInfo } from '../../src/model/path-info.ts';
import { TrustedKeys, parsePublicKey } from '../../src/model/signature.ts';
import { parseStorePath } from '../../src/model/store-path.ts';
import type { Item, Outcome } from '../../src/store/store.ts';
import { localDirectories } from '../../src/store/local/directories.ts';
import { closure, copyOfStore, keyPair } from '../lab/closures.ts';
import { nix } from '../lab/nix.ts';
import { run } from '../lab/run.ts';
import { projectDir, tempDir } from '../lab/temp.ts';
import { addAll, closureInfos, copyAll, itemsOf, openRoot } from './local/stores.ts';

const parse = (path: string) => parseStorePath('/nix/store', path);
const statuses = (outcomes: readonly Outcome[]): string[] => [...new Set(outcomes.map((o) => o.status))].sort();
const errorOf = (outcome: Outcome | undefined): NarrowError => {
  assert.ok(outcome && 'error' in outcome && outcome.error instanceof NarrowError, JSON.stringify(outcome));
  return outcome.error;
};
const node = process.execPath;
const copyScript = join(projectDir, 'test/store/local/copy.ts');

/** The items of the lab's basic closure, references first. */
async function basicItems(): Promise<Item[]> {
  const { root, paths } = await closure('basic');
  const source = await openRoot(root, { mode: 'read' });
  const infos = await closureInfos(source, paths.map(parse));
  return itemsOf(source, infos.values());
}

test('where a store lies follows from its URL and the environment as in Nix', () => {
  const dirs = (query: string, env = {}) => localDirectories(new URLSearchParams(query), env);
  const plain = dirs('');
  assert.deepEqual(plain, {
    storeDir: '/nix/store',
    realDir: '/nix/store',
    stateDir: '/nix/var/nix',
    logDir: '/nix/var/log/nix',
    url: 'local',
  });
  assert.deepEqual(dirs('root=/mnt'), {
    storeDir: '/nix/store',
    realDir: '/mnt/nix/store',
    stateDir: '/mnt/nix/var/nix',
    logDir: '/mnt/nix/var/log/nix',
    url: 'local?root=/mnt',
  });
  const moved = dirs('', { NIX_STORE_DIR: '/x/store/', NIX_STATE_DIR: '/x/var', NIX_LOG_DIR: '/x/log' });
  assert.deepEqual(
    [moved.storeDir, moved.realDir, moved.stateDir, moved.logDir],
    ['/x/store', '/x/store', '/x/var', '/x/log'],
  );
  const parts = dirs('store=/a/store&state=/b&log=/c&real=/d');
  assert.deepEqual([parts.storeDir, parts.realDir, parts.stateDir, parts.logDir], ['/a/store', '/d', '/b', '/c']);
  assert.equal(dirs('root=/mnt', { NIX_STORE_DIR: '/x/store', NIX_STATE_DIR: '/x/var' }).stateDir, '/mnt/nix/var/nix');
  assert.throws(() => dirs('rooot=/mnt'), { code: 'usage' });
});

test('objects are canonical: modes, times, no write permission anywhere', async () => {
  const to = tempDir('canonical');
  const store = await openRoot(to);
  await addAll(store, await basicItems());
  await store[Symbol.asyncDispose]();
  const { stdout } = await run([
    'find',
    join(to, 'nix/store'),
    '-mindepth',
    '2',
    '-not',
    '-path',
    '*/.links*',
    '-printf',
    '%y %m %T@\n',
  ]);
  const kinds = new Set(stdout.split('\n').filter(Boolean));
  assert.deepEqual([...kinds].sort(), [
    'd 555 1.0000000000',
    'f 444 1.0000000000',
    'f 555 1.0000000000',
    'l 777 1.0000000000',
  ]);
  assert.deepEqual(
    readdirSync(join(to, 'nix/store')).filter((n) => n.endsWith('.lock')),
    [],
  );
});

test('a second copy finds everything valid; a repair rewrites what is damaged', async () => {
  const to = tempDir('again');
  await using store = await openRoot(to);
  const items = await basicItems();
  assert.deepEqual(statuses(await addAll(store, items)), ['added']);
  assert.deepEqual(statuses(await addAll(store, items)), ['valid']);
  const file = join(to, 'nix/store', items[0]!.info.path);
  chmodSync(file, 0o644);
  rmSync(file, { recursive: true });
  mkdirSync(file);
  assert.deepEqual(statuses(await addAll(store, items.slice(0, 1), { repair: true })), ['added']);
  assert.equal(await nix('current').complaints(to), undefined);
});

test('what an interrupted run left at a path is removed, links are not followed', async () => {
  const to = tempDir('leftover');
  await using store = await openRoot(to);
  const [item] = await basicItems();
  const path = join(to, 'nix/store', item!.info.path);
  const precious = join(to, 'precious');
  mkdirSync(precious);
  writeFileSync(join(precious, 'file'), 'kept');
  mkdirSync(join(path, 'sub'), { recursive: true });
  writeFileSync(join(path, 'sub/old'), 'x', { mode: 0o444 });
  symlinkSync(precious, join(path, 'sub/link'));
  writeFileSync(`${path}.lock`, 'd');
  chmodSync(join(path, 'sub'), 0o555);
  assert.deepEqual(statuses(await addAll(store, [item!])), ['added']);
  assert.equal(readFileSync(join(precious, 'file'), 'utf8'), 'kept');
  assert.equal(await nix('2.8').complaints(to), undefined);
});

test('a NAR of another path, of another size or cut is refused and leaves nothing', async () => {
  const items = await basicItems();
  const [one, two] = items.filter((item) => item.info.references.length === 0);
  const wrong: [string, Item][] = [
    ['another path', { ...one!, open: (options) => two!.open(options) }],
    ['too long', { ...one!, info: { ...one!.info, narSize: one!.info.narSize - 8 } }],
    ['too short', { ...one!, info: { ...one!.info, narSize: one!.info.narSize + 8 } }],
    ['cut', { ...one!, open: async () => ({ encoding: 'none', bytes: [Buffer.from('0d000000')] }) }],
  ];
  for (const [what, item] of wrong) {
    const to = tempDir('wrong');
    await using store = await openRoot(to);
    const [outcome] = await addAll(store, [item]);
    assert.equal(outcome?.status, 'failed', what);
    assert.ok(['integrity', 'format'].includes(errorOf(outcome).code), what);
    assert.deepEqual(readdirSync(join(to, 'nix/store')), ['.links']);
    assert.deepEqual(await store.allPaths(), []);
  }
});

test('what depends on a failed path fails with it; the rest is added', async () => {
  const items = await basicItems();
  const broken = items.find((item) =>
    items.some((other) => other.info.references.includes(item.info.path) && other !== item),
  )!;
  const to = tempDir('dependents');
  await using store = await openRoot(to);
  const outcomes = await addAll(
    store,
    items.map((item) =>
      item === broken ? { ...item, open: () => Promise.reject(new NarrowError('unavailable', 'cut')) } : item,
    ),
  );
  assert.deepEqual(statuses(outcomes), ['added', 'failed']);
  for (const outcome of outcomes.filter((o) => o.status === 'failed')) {
    if (outcome.path !== broken.info.path) assert.equal(errorOf(outcome).code, 'missing');
  }
  assert.equal(await nix('current').complaints(to), undefined);
  assert.deepEqual(statuses(await addAll(store, items)), ['added', 'valid']);
});

test('a path whose reference is nowhere is not even opened', async () => {
  const items = await basicItems();
  const item = items.find(({ info }) => info.references.some((r) => r !== info.path))!;
  await using store = await openRoot(tempDir('alone'));
  const [outcome] = await addAll(store, [{ ...item, open: () => assert.fail('opened') }]);
  assert.equal(errorOf(outcome).code, 'missing');
});

test('signatures are asked for as Nix asks: none, an untrusted one, a trusted one, a content address', async () => {
  const { root, paths } = await closure('signed');
  const key = await keyPair('lab-1');
  const other = await keyPair('lab-3');
  await using source = await openRoot(root, { mode: 'read' });
  const trusting = (...keys: string[]) =>
    openRoot(tempDir('trust'), { flags: { 'require-sigs': true }, keys: new TrustedKeys(keys.map(parsePublicKey)) });
  await using good = await trusting(key.publicKey);
  const taken = await copyAll(source, good, paths.map(parse));
  assert.deepEqual(
    taken.filter((o) => o.status !== 'added').map((o) => errorOf(o).message),
    [],
  );
  await using bad = await trusting(other.publicKey);
  const outcomes = await copyAll(source, bad, paths.map(parse));
  const infos = await source.pathInfos(paths.map(parse));
  const added = outcomes.filter((o) => o.status === 'added');
  assert.ok(added.length > 0 && added.every((o) => infos.get(o.path)?.ca));
  assert.match(
    errorOf(outcomes.find((o) => o.status === 'refused')).message,
    /it is signed by lab-1(, lab-2)?, trusted are lab-3/,
  );
  assert.deepEqual(statuses(await copyAll(source, bad, paths.map(parse), { checkSignatures: false })), [
    'added',
    'valid',
  ]);
});

test('contents that are not those of the content address are refused, a false address, too', async () => {
  const { root } = await closure('ca');
  await using source = await openRoot(root, { mode: 'read' });
  const infos = await closureInfos(source, await source.allPaths());
  const items = await itemsOf(source, infos.values());
  const item = items.find(({ info }) => info.ca?.method === 'flat')!;
  const forged = { ...item.info, ca: { ...item.info.ca!, hash: hashBytes('x', item.info.ca!.hash.algo) } };
  await using store = await openRoot(tempDir('forged'));
  const [outcome] = await addAll(store, [{ ...item, info: forged }]);
  assert.equal(outcome?.status, 'refused');
  assert.match(errorOf(outcome).message, /claims to be content-addressed/);
  // a NAR with the right hash for a path made of another file
  const text = items.find(({ info }) => info.ca?.method === 'nar' && info.references.length === 0)!;
  const swapped: PathInfo = { ...item.info, narHash: text.info.narHash, narSize: text.info.narSize };
  const [second] = await addAll(store, [{ info: swapped, open: (options) => text.open(options) }]);
  assert.equal(errorOf(second).code, 'integrity');
  assert.deepEqual(await store.allPaths(), []);
});

test('check tells missing, valid with new signatures, differs and refused', async () => {
  const { root } = await closure('signed');
  await using source = await openRoot(root, { mode: 'read' });
  const infos = [...(await source.pathInfos(await source.allPaths())).values()];
  const [one] = infos.filter((info) => info.references.length === 0 && info.signatures.length > 0 && !info.ca);
  const to = tempDir('check');
  await using store = await openRoot(to, { flags: { 'require-sigs': true } });
  const verdict = async (info: PathInfo, checkSignatures = true) =>
    (await store.check([info], { checkSignatures })).get(info.path);
  assert.equal((await verdict(one!))?.status, 'refused');
  assert.deepEqual(await verdict(one!, false), { status: 'missing' });
  assert.equal(existsSync(join(to, 'nix')), false, 'asking makes nothing');
  const [item] = await itemsOf(source, [{ ...one!, signatures: [] }]);
  await addAll(store, [item!], { checkSignatures: false });
  assert.deepEqual(await verdict(one!), { status: 'valid', newSignatures: one!.signatures });
  await store.addSignatures(one!.path, one!.narHash, one!.signatures);
  assert.deepEqual(await verdict(one!), { status: 'valid', newSignatures: [] });
  const other = { ...one!, narHash: hashBytes('other') };
  assert.equal((await verdict(other))?.status, 'differs');
  assert.equal((await verdict({ ...one!, references: [one!.path] }))?.status, 'differs');
  await assert.rejects(store.addSignatures(one!.path, other.narHash, ['k:AA==']), { code: 'differs' });
  const [differs] = await addAll(store, await itemsOf(source, [other]), { checkSignatures: false });
  assert.equal(differs?.status, 'differs');
});

test('a database of another schema is refused by its version, a damaged one by its name', async () => {
  const { root } = await closure('basic');
  for (const version of ['9', '11']) {
    const copy = await copyOfStore(root);
    writeFileSync(join(copy, 'nix/var/nix/db/schema'), version);
    await assert.rejects(
      openRoot(copy, { mode: 'read' }),
      (error) => isNarrowError(error, 'unsupported') && error.message.includes(`schema ${version}`),
    );
  }
  const db = 'nix/var/nix/db/db.sqlite';
  const damage: ((file: string) => void)[] = [
    (file) => truncateSync(file, 8192),
    (file) => truncateSync(file, 0),
    (file) => writeFileSync(file, Buffer.alloc(65536, 7)),
    (file) => new DatabaseSync(file).exec("update ValidPaths set hash = 'sha256:nothing'"),
    (file) => new DatabaseSync(file).exec("pragma foreign_keys = 0; delete from ValidPaths where path like '%libc%'"),
  ];
  for (const [n, break_] of damage.entries()) {
    const copy = await copyOfStore(root);
    rmSync(join(copy, `${db}-wal`), { force: true });
    rmSync(join(copy, `${db}-shm`), { force: true });
    break_(join(copy, db));
    const all = async () => {
      await using store = await openRoot(copy, { mode: 'read' });
      return await store.pathInfos(await store.allPaths());
    };
    await assert.rejects(
      all(),
      (error) => isNarrowError(error, 'format') && error.message.includes('damaged'),
      `damage ${n}`,
    );
  }
});

test('a read-only view is given with and without the log, also to users who may write nothing', async () => {
  const { root, paths } = await closure('basic');
  const copy = await copyOfStore(root);
  // the last to close takes the log's files away
  await run(['sqlite3', join(copy, 'nix/var/nix/db/db.sqlite'), 'pragma wal_checkpoint(truncate)']);
  await run(['chmod', '-R', 'a+rX', copy]);
  chmodSync(join(copy, '..'), 0o755);
  const count = `import { openRoot } from ${JSON.stringify(join(projectDir, 'test/store/local/stores.ts'))};
    const store = await openRoot(${JSON.stringify(copy)}, { mode: 'read', params: JSON.parse(process.argv[1] ?? '{}') });
    console.log((await store.allPaths()).length); await using held = await store.hold(await store.allPaths());`;
  const as = (uid: string, params = '{}') =>
    run(
      [
        'setpriv',
        '--reuid',
        uid,
        '--clear-groups',
        node,
        '--disable-warning=ExperimentalWarning',
        '--input-type=module',
        '-e',
        count,
        params,
      ],
      { mayFail: true },
    );
  const expected = String((await (await openRoot(root, { mode: 'read' })).allPaths()).length);
  assert.ok(Number(expected) >= paths.length);
  for (const params of ['{}', '{"read-only":"true"}']) {
    const result = await as('65534', params);
    assert.equal(result.stdout.trim(), expected, result.stderr);
  }
  assert.deepEqual(
    readdirSync(join(copy, 'nix/var/nix/db')).filter((n) => n.endsWith('-shm')),
    [],
  );
});

test('equal files are linked as auto-optimise-store links them', async () => {
  const { root, paths } = await closure('basic');
  const [ours, theirs] = [tempDir('optimised'), tempDir('optimised')];
  await using source = await openRoot(root, { mode: 'read' });
  {
    await using store = await openRoot(ours, { flags: { 'auto-optimise-store': true } });
    await copyAll(source, store, paths.map(parse));
  }
  await nix('2.8').run('nix', ['copy', '--no-check-sigs', '--from', root, '--to', theirs, ...paths], {
    conf: 'auto-optimise-store = true\n',
  });
  const shape = async (dir: string) =>
    (await run(['find', join(dir, 'nix/store'), '-not', '-type', 'd', '-printf', '%P %n %m %T@\n'])).stdout
      .split('\n')
      .sort();
  assert.deepEqual(await shape(ours), await shape(theirs));
  assert.equal(await nix('current').complaints(ours), undefined);
  // the next path shares inodes with what is there: nothing of it may be opened for writing
  const before = statSync(join(ours, 'nix/store/.links', readdirSync(join(ours, 'nix/store/.links'))[0]!)).mtimeMs;
  assert.equal(before, 1000);
});

test('a root replaces only links into the store', async () => {
  const { root, top, paths } = await closure('basic');
  const copy = await copyOfStore(root);
  const dir = tempDir('roots');
  await using store = await openRoot(copy);
  const link = join(dir, 'a/result');
  await store.addRoot(link, parse(top));
  await store.addRoot(link, parse(paths[0]!));
  assert.equal(readlinkSync(link), paths[0]);
  const auto = readdirSync(join(copy, 'nix/var/nix/gcroots/auto'));
  assert.ok(auto.some((name) => readlinkSync(join(copy, 'nix/var/nix/gcroots/auto', name)) === link));
  writeFileSync(join(dir, 'file'), '');
  symlinkSync('/etc', join(dir, 'elsewhere'));
  mkdirSync(join(dir, 'directory'));
  for (const name of ['file', 'elsewhere', 'directory'])
    await assert.rejects(store.addRoot(join(dir, name), parse(top)), { code: 'refused' });
  await assert.rejects(store.addRoot('/nix/store/x', parse(top)), { code: 'refused' });
  await assert.rejects(store.addRoot(join(dir, 'gone'), parse(`/nix/store/${'0'.repeat(32)}-gone`)), {
    code: 'missing',
  });
  assert.equal(lstatSync(join(dir, 'gone'), { throwIfNoEntry: false }), undefined);
});

test('an abort ends the run, takes back what was begun and leaves no lock', async () => {
  const to = tempDir('abort');
  const items = await basicItems();
  const abort = new AbortController();
  await using store = await openRoot(to);
  const endless: Item = {
    ...items[0]!,
    open: async (options) => {
      const nar = await items[0]!.open(options);
      const bytes = (async function* () {
        for await (const chunk of nar.bytes) {
          yield chunk.subarray(0, 100);
          abort.abort();
          await new Promise((resolve) => setTimeout(resolve, 5));
          yield chunk.subarray(100);
        }
      })();
      return { ...nar, bytes };
    },
  };
  await assert.rejects(addAll(store, [endless, ...items.slice(1)], { signal: abort.signal }), { name: 'AbortError' });
  assert.deepEqual(
    readdirSync(join(to, 'nix/store')).filter((n) => n !== '.links' && !items.some((i) => i.info.path === n)),
    [],
  );
  await store[Symbol.asyncDispose]();
  assert.equal(await nix('current').complaints(to), undefined);
});

test('a private umask makes no private store', async () => {
  const { root } = await closure('basic');
  const to = join(tempDir('umask'), 'root');
  await run([
    'sh',
    '-c',
    'umask 077; exec "$0" --disable-warning=ExperimentalWarning "$@"',
    node,
    copyScript,
    root,
    to,
  ]);
  const { stdout } = await run(['find', to, '-not', '-perm', '-444', '-printf', '%P %m\n']);
  // as Nix has them: locks are their owner's alone
  assert.deepEqual(
    stdout.split('\n').filter((line) => !/^(nix\/var\/nix\/(db\/big-lock|gc\.lock) 600)?$/.test(line)),
    [],
  );
});

test('64 descriptors suffice', async () => {
  const { root } = await closure('basic');
  const to = tempDir('few');
  const script = `ulimit -n 64; exec "$0" --disable-warning=ExperimentalWarning "$@"`;
  const { stdout } = await run(['sh', '-c', script, node, copyScript, root, to]);
  assert.deepEqual([...new Set((JSON.parse(stdout) as Outcome[]).map((o) => o.status))], ['added']);
});

test('a full disk: an error, nothing half done, and the next run completes', async () => {
  const { root } = await closure('basic');
  const dir = tempDir('full');
  const script = `mount -t tmpfs -o size=1m none "$3"; "$0" --disable-warning=ExperimentalWarning "$1" "$2" "$3" > "$4/first"
    find "$3/nix/store" -mindepth 1 -maxdepth 1 -printf '%P\\n' > "$4/left"; ls "$3/nix/var/nix/temproots" > "$4/temproots"
    sqlite3 "$3/nix/var/nix/db/db.sqlite" 'select path from ValidPaths' > "$4/valid"
    mount -o remount,size=50m "$3"; "$0" --disable-warning=ExperimentalWarning "$1" "$2" "$3" > "$4/second"; cp -a "$3/nix" "$4/nix"`;
  mkdirSync(join(dir, 'disk'));
  await run(['unshare', '--mount', 'sh', '-ec', script, node, copyScript, root, join(dir, 'disk'), dir]);
  const lines = (name: string) => readFileSync(join(dir, name), 'utf8').split('\n').filter(Boolean);
  const first = JSON.parse(lines('first')[0]!) as { status: string; path: string; error?: string }[];
  assert.ok(
    first.some((o) => o.status === 'failed' && o.error?.includes('no space left')),
    JSON.stringify(first.map((o) => o.error)),
  );
  const valid = lines('valid').map((path) => path.slice('/nix/store/'.length));
  assert.deepEqual(
    lines('left')
      .filter((name) => name !== '.links')
      .sort(),
    valid.sort(),
  );
  assert.deepEqual(lines('temproots'), []);
  const second = JSON.parse(lines('second')[0]!) as { status: string }[];
  assert.ok(second.every((o) => o.status === 'added' || o.status === 'valid'));
  assert.equal(await nix('current').complaints(dir), undefined);
});

test('a store that is mounted read-only is written by root in a mount namespace of its own', async () => {
  const { root } = await closure('basic');
  const to = tempDir('readonly');
  mkdirSync(join(to, 'nix/store'), { recursive: true });
  // the namespace in which the mount is made stands for the machine: afterwards it must still be read-only there
  const script = `mount --bind "$3/nix/store" "$3/nix/store"; mount -o remount,bind,ro "$3/nix/store"
    "$0" --disable-warning=ExperimentalWarning "$1" "$2" "$3"
    if touch "$3/nix/store/x" 2> /dev/null; then echo writable >&2; exit 1; fi`;
  const { stdout } = await run(['unshare', '--mount', 'sh', '-ec', script, node, copyScript, root, to]);
  assert.deepEqual([...new Set((JSON.parse(stdout) as Outcome[]).map((o) => o.status))], ['added']);
  assert.equal(await nix('current').complaints(to), undefined);
});

test('who may not write to the store is told of the daemon', async () => {
  const root = await copyOfStore((await closure('basic')).root);
  await run(['chmod', '-R', 'a+rX', join(root, '..')]);
  const to = tempDir('forbidden');
  mkdirSync(join(to, 'nix/store'), { recursive: true });
  for (const dir of [to, join(to, 'nix')]) chmodSync(dir, 0o755);
  const failed = await run(
    [
      'setpriv',
      '--reuid',
      '65534',
      '--clear-groups',
      node,
      '--disable-warning=ExperimentalWarning',
      copyScript,
      root,
      to,
    ],
    {
      mayFail: true,
    },
  );
  assert.notEqual(failed.status, 0);
  assert.match(failed.stderr, /may not write to .*nix\/store/);
  assert.match(failed.stderr, /--to daemon/);
});

test('another store directory gives other full paths, and a mismatch is noticed', async () => {
  const { root } = await closure('basic');
  const copy = await copyOfStore(root);
  await using store = await openRoot(copy, { mode: 'read', params: { store: '/other/store' } });
  await assert.rejects(store.allPaths(), { code: 'format' });
});

test('paths are found by their hash part', async () => {
  const { root, top } = await closure('basic');
  await using store = await openRoot(root, { mode: 'read' });
  const path = parse(top);
  assert.equal(await store.pathByHashPart(path.slice(0, 32)), path);
  assert.equal(await store.pathByHashPart('0'.repeat(32)), undefined);
  assert.equal(await store.pathByHashPart('not a hash'), undefined);
});

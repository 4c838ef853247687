// Every broken input of the laboratory through our own commands: each is refused with its place, what was expected and the
// right exit status, and leaves no trace: not at the destination, not beside it, not in temporary files.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, test } from 'node:test';
import { printable } from '../../src/cli/output/printable.ts';
import { readNixSettings } from '../../src/config/nix-conf.ts';
import { errorCodes, isNarrowError } from '../../src/errors.ts';
import { TrustedKeys } from '../../src/model/signature.ts';
import { parseStorePath } from '../../src/model/store-path.ts';
import { openStore, openWritable } from '../../src/store/open.ts';
import type { OpenContext } from '../../src/store/open-context.ts';
import { copyClosure } from '../../src/transfer/copy.ts';
import { narrow } from '../e2e/narrow.ts';
import {
  brokenCaches,
  brokenCopy,
  brokenDatabases,
  brokenDerivations,
  brokenExports,
  brokenKeys,
  brokenNars,
  goodDerivation,
  oddNars,
} from '../lab/broken.ts';
import { string, u64 } from '../lab/broken/broken.ts';
import { nar, regular } from '../lab/broken/nar.ts';
import type { Broken } from '../lab/broken.ts';
import { closure, copyOfStore, keyPair } from '../lab/closures.ts';
import { freshStore, nix } from '../lab/nix.ts';
import type { RunResult } from '../lab/run.ts';
import { tempDir } from '../lab/temp.ts';

/** Everything below it is ours: whatever escapes from a destination is found here. */
const base = tempDir('broken-input');
const nowhere = { NIX_CONF_DIR: base, HOME: base };
process.env['TMPDIR'] = join(base, 'tmp');
mkdirSync(join(base, 'tmp'));
mkdirSync(join(base, 'compiled'));

/** A directory for one input, with a home, a state directory and one for temporary files. */
class Sandbox {
  readonly dir: string;
  readonly #env: Record<string, string>;
  readonly #places: readonly string[];

  constructor(name: string) {
    this.dir = join(base, name);
    const places = { HOME: 'home', XDG_STATE_HOME: 'state', TMPDIR: 'tmp' };
    this.#places = Object.entries(places).map(([, place]) => join(this.dir, place));
    for (const place of this.#places) mkdirSync(place, { recursive: true });
    const own = Object.entries(places).map(([key, place]) => [key, join(this.dir, place)]);
    // what Node compiles is kept by all together
    this.#env = { ...(Object.fromEntries(own) as Record<string, string>), XDG_CACHE_HOME: join(base, 'compiled') };
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  write(name: string, bytes: Uint8Array): string {
    writeFileSync(this.path(name), bytes);
    return this.path(name);
  }

  run(args: readonly string[], input?: Uint8Array): Promise<RunResult> {
    return narrow(args, { env: this.#env, input, mayFail: true });
  }

  /** Files left in the home, the state directory and among temporary files. */
  left(): string[] {
    return this.#places.flatMap(filesBelow);
  }
}

function filesBelow(dir: string): string[] {
  if (!existsSync(dir)) return [];
  const entries = readdirSync(dir, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
}

/** Some at once: most of the time is other processes'. All are tried, and all that failed is told. */
async function forEach<T>(items: Iterable<T>, action: (item: T) => Promise<void>): Promise<number> {
  const queue = [...items];
  const count = queue.length;
  const failures: string[] = [];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift())
      await action(item).catch((error: unknown) => void failures.push(String(error)));
  };
  await Promise.all([worker(), worker(), worker()]);
  assert.equal(failures.length, 0, failures.join('\n\n'));
  return count;
}

/** `narrow copy --no-check-sigs` in this process, for what was shown through processes before: they take their time. */
async function copyHere(from: string, to: string, path: string): Promise<RunResult> {
  const context: OpenContext = { settings: readNixSettings(nowhere), trustedKeys: new TrustedKeys(), warn() {} };
  const done = { status: 0, signal: null, stdout: '', stderr: '', bytes: Buffer.alloc(0) };
  try {
    await using source = await openStore(from, context);
    await using destination = await openWritable(to, context);
    const roots = [parseStorePath(source.storeDir, path)];
    await copyClosure({ source, destination, roots, checkSignatures: false });
    return done;
  } catch (error) {
    if (!isNarrowError(error)) throw error;
    const stderr = printable(`narrow: ${error.message}\n  hint: ${error.hint ?? ''}`);
    return { ...done, status: errorCodes[error.code].exit, stderr };
  }
}

/** Where it is and what it should be: what every refusal of a malformed input has to say. */
const place = / at offset \d+ of | in line \d+ of /;
const contrast = /expected .+|got .+/;

interface Expected {
  readonly said?: RegExp;
  readonly status?: number;
}

function refused(name: string, result: RunResult, { said, status = 1 }: Expected = {}): void {
  const shown = `${name}: ${result.stderr}`;
  assert.equal(result.status, status, shown);
  assert.equal(result.stdout, '', shown);
  assert.match(result.stderr, /^narrow: |^\{"error":/m, shown);
  assert.doesNotMatch(result.stderr, /unexpected error|^ {4}at /m, shown);
  // eslint-disable-next-line no-control-regex
  assert.doesNotMatch(result.stderr, /[\x00-\x08\x0b-\x1f\x7f-\x9f]/, `${name}: control characters reach the terminal`);
  if (said) return assert.match(result.stderr, said, shown);
  assert.match(result.stderr, place, shown);
  assert.match(result.stderr, contrast, shown);
}

/** Names of the objects in a store, locks and foreign things included, and what its database holds. */
function inStore(root: string): { objects: string[]; valid: string[] } {
  const dir = join(root, 'nix/store');
  const objects = existsSync(dir) ? readdirSync(dir).filter((name) => name !== '.links') : [];
  return { objects: objects.sort(), valid: validPaths(root).map((path) => basename(path)) };
}

function validPaths(root: string): string[] {
  const file = join(root, 'nix/var/nix/db/db.sqlite');
  if (!existsSync(file)) return [];
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    return db
      .prepare('select path from ValidPaths order by path')
      .all()
      .map((row) => String(row['path']));
  } finally {
    db.close();
  }
}

after(() => {
  const escaped = [base, '/tmp', '/etc', '/', process.cwd()].flatMap((dir) =>
    readdirSync(dir, { recursive: dir === base }).filter((name) => /escaped/.test(String(name))),
  );
  assert.deepEqual(escaped, []);
  assert.deepEqual(
    filesBelow(join(base, 'tmp')).filter((file) => !/\/tmp\/narrow-/.test(file)),
    [],
    'temporary files',
  );
});

test('NARs, unpacked and imported', async () => {
  const path = `/nix/store/${'1'.repeat(32)}-broken`;
  const count = await forEach(brokenNars(), async ({ name, bytes }) => {
    const box = new Sandbox(`nar-${name}`);
    const file = box.write('in.nar', bytes);
    refused(name, await box.run(['nar', 'unpack', box.path('out'), file]));
    const imported = ['import', '--no-check-sigs', '--to', `local?root=${box.path('store')}`, '--path', path];
    refused(name, await box.run(imported, bytes));
    assert.deepEqual(inStore(box.path('store')), { objects: [], valid: [] }, name);
    assert.deepEqual(
      readdirSync(box.dir)
        .filter((n) => n !== 'store')
        .sort(),
      ['home', 'in.nar', 'state', 'tmp'],
      name,
    );
    assert.deepEqual(box.left(), [], name);
  });
  assert.ok(count >= 38);
});

test('NARs that only look odd come in and go out as they were', async () => {
  await forEach(oddNars(), async ({ name, bytes }) => {
    const box = new Sandbox(`odd-${name}`);
    const result = await box.run(['nar', 'unpack', box.path('out')], bytes);
    assert.equal(result.status, 0, `${name}: ${result.stderr}`);
    assert.deepEqual((await box.run(['nar', 'pack', box.path('out')])).bytes, bytes, name);
  });
});

test('export streams, spooled and path by path', async () => {
  const { root, named } = await closure('basic');
  const path = named['libc']!;
  const dump = (await nix('current').run('nix-store', ['--dump', join(root, path)])).bytes;
  const streams = brokenExports(
    { nar: dump, path, references: [path], deriver: '' },
    `/nix/store/${'0'.repeat(32)}-nowhere`,
  );
  const exceptions: Record<string, Expected> = {
    'missing-reference': {
      said: /neither in the stream nor in .*:\n.*-nowhere, needed by .*\n +hint: nothing was imported/,
    },
  };
  // the object itself is whole: the fault comes behind it
  const importedBefore = ['no-end', 'trailing'];
  await forEach(streams, async ({ name, bytes }) => {
    const box = new Sandbox(`export-${name}`);
    const args = (to: string) => ['import', '--no-check-sigs', '--to', `local?root=${box.path(to)}`];
    refused(name, await box.run(args('piped'), bytes), exceptions[name]);
    refused(name, await box.run([...args('one'), '--no-spool'], bytes), exceptions[name]);
    for (const store of ['piped', 'one']) {
      const there = store === 'one' && importedBefore.includes(name) ? [basename(path)] : [];
      assert.deepEqual(inStore(box.path(store)), { objects: there, valid: there }, `${name} ${store}`);
    }
    assert.deepEqual(box.left(), [], name);
  });
});

test('derivations', async () => {
  await forEach(brokenDerivations(), async ({ name, bytes }) => {
    const box = new Sandbox(`drv-${name}`);
    refused(name, await box.run(['drv', 'show', box.write('x.drv', bytes)]));
    assert.deepEqual(box.left(), [], name);
  });
});

test('derivations that come as store paths: what Nix does not register we do not', async () => {
  const path = `/nix/store/${'1'.repeat(32)}-x.drv`;
  const output = '/nix/store/zr2knphxg8yyy2mkq8akf2hfknjvdiz7-x';
  const alone = goodDerivation.replace(/,\[\("\/nix\/store\/mh3.*?\],\["\/nix\/store\/32v[^\]]*\]/, ',[],[]');
  assert.ok(!alone.includes('mh3r') && alone.includes(output));
  const wrongPath = { name: 'wrong-path', why: 'an output path that does not follow', bytes: Buffer.from(alone) };
  await forEach([...brokenDerivations(), wrongPath], async ({ name, bytes }) => {
    const box = new Sandbox(`stored-drv-${name}`);
    const stream = exported(nar(regular(bytes)), path);
    const [ours, theirs] = [box.path('ours'), await freshStore()];
    const result = await box.run(['import', '--no-check-sigs', '--store', `local?root=${ours}`], stream);
    refused(name, result, name === 'wrong-path' ? elsewhere(/wrong output path for 'out': expected .*, got /) : {});
    assert.deepEqual(inStore(ours), { objects: [], valid: [] }, name);
    assert.deepEqual(box.left(), [], name);
    if (name !== 'wrong-path') return;
    const nixs = await nix('current').run('nix-store', ['--import'], { store: theirs, input: stream, mayFail: true });
    assert.notEqual(nixs.status, 0, 'Nix registers it');
  });
});

/** An export stream of one object without references. */
function exported(bytes: Buffer, path: string): Buffer {
  const end = [string(path), u64(0), string(''), u64(0)];
  return Buffer.concat([u64(1), bytes, u64(0x4558494e), ...end, u64(0)]);
}

test('keys name their file, and nobody prints a secret', async () => {
  const { root, top } = await closure('basic');
  const good = readFileSync((await keyPair('lab-1')).secretFile, 'utf8');
  const seed = /:(.{20})/.exec(good)![1]!;
  await forEach(brokenKeys(good), async ({ name, bytes }) => {
    const box = new Sandbox(`key-${name}`);
    const file = box.write('key.sec', bytes);
    const said = /bad secret key in \S*key\.sec: expected .*, got /;
    const to = `file://${box.path('cache')}?secret-key=${file}`;
    const results = [
      await box.run(['key', 'public', file]),
      await box.run(['sign', '--store', root, '--key', file, '--dry-run', top]),
      await box.run(['copy', '--from', root, '--to', to, top]),
    ];
    for (const result of results) {
      refused(name, result, { said });
      assert.ok(!result.stderr.includes(seed), `${name}: ${result.stderr}`);
    }
    refused(name, await box.run(['key', 'public'], bytes), { said: /bad secret key in standard input: expected/ });
    assert.ok(!existsSync(box.path('cache')), name);
    assert.deepEqual(box.left(), [], name);
  });
});

const elsewhere = (pattern: RegExp): Expected => ({ said: pattern });
const unsigned = elsewhere(/would refuse 1 of \d+ paths\n.*-bash-5\.2 lacks a valid signature by a trusted key/);
const absent = elsewhere(/does not have .*-bash-5\.2/);
/** No place in a text can be told: a whole file is another, or a field of it is missing, or it is not about bytes. */
const cacheErrors: Record<string, Expected> = {
  'missing-nar': elsewhere(
    /has the narinfo of .*-bash-5\.2, but not its NAR nar\/.*\n +hint: take this path from another/,
  ),
  'cut-nar': elsewhere(/-bash-5\.2.* expected \d+ bytes, got \d+/),
  'flipped-nar': elsewhere(/bad zstd data|-bash-5\.2.*expected sha256:\S+.*got sha256:/),
  'trailing-nar': elsewhere(/-bash-5\.2.* expected \d+ bytes, got \d+/),
  'trailing-frame': elsewhere(/-bash-5\.2.* expected \d+ bytes, got \d+/),
  'empty-nar': elsewhere(/-bash-5\.2.* expected \d+ bytes, got 0/),
  'swapped-nar': elsewhere(/-bash-5\.2.* expected \d+ bytes, got \d+/),
  'swapped-url': elsewhere(/-bash-5\.2 is not what was promised: expected sha256:\S+ with \d+ bytes, got sha256:/),
  'dotdot-nar': unsigned,
  'unsorted-nar': unsigned,
  'other-nar': unsigned,
  bomb: unsigned,
  narhash: unsigned,
  narsize: unsigned,
  'narsize-0': elsewhere(/bad narinfo in .*: expected a field NarSize above 0, got none/),
  filesize: elsewhere(/expected \d+ bytes, got \d+/),
  'compression-unknown': elsewhere(/-bash-5\.2 is compressed with 'lzw', which is not known/),
  'other-path': absent,
  'other-hash': absent,
  'reference-unknown': elsewhere(/does not have .*-nowhere \(needed by .*-bash-5\.2\)/),
  'references-none': unsigned,
  'references-many': elsewhere(/the file is too large in .*: expected at most 16777216 bytes, got \d+/),
  'url-dotdot': elsewhere(/got '\.\.\/.*etc\/passwd', which leads out of the cache/),
  'url-file': elsewhere(/got 'file:\/\/\/etc\/passwd', and only http and https are followed/),
  'url-away': elsewhere(/http:\/\/127\.0\.0\.1:1\/x\.nar: the connection was refused/),
  'no-url': elsewhere(/bad narinfo in .*: expected a field URL, got none/),
  'no-narhash': elsewhere(/bad narinfo in .*: expected a field NarHash, got none/),
  'no-narsize': elsewhere(/bad narinfo in .*: expected a field NarSize above 0, got none/),
  'no-storepath': elsewhere(/bad narinfo in .*: expected a field StorePath, got none/),
  ca: elsewhere(/-bash-5\.2 claims to be content-addressed by fixed:r:sha256:0+, but is not/),
  signature: unsigned,
  'no-signature': unsigned,
  'signature-other': unsigned,
  'missing-narinfo': absent,
  'empty-narinfo': elsewhere(/bad narinfo in .*: expected a field StorePath, got none/),
  'no-colon': elsewhere(/bad narinfo in .*: expected a field StorePath, got none/),
  storedir: { said: /is no path in \/gnu\/store/, status: 2 },
};
/** The NAR is what was signed, which is all that counts: Nix looks at the hash of the file as little. */
const takenAnyway = ['filehash'];

/** The same with nobody asked for signatures: what is inside of the NAR decides. */
const cacheErrorsUnsigned: Record<string, Expected> = {
  ...cacheErrors,
  'dotdot-nar': elsewhere(/bad name of a directory entry at offset 128 of .*-bash-5\.2: expected neither/),
  'unsorted-nar': elsewhere(/names are not sorted at offset \d+ of .*-bash-5\.2: expected a name after "b", got "a"/),
  bomb: elsewhere(/-bash-5\.2 is longer than announced, unpacked from zstd: expected 1000 bytes/),
  narhash: elsewhere(/-bash-5\.2 is not what was promised: expected sha256:0+ with \d+ bytes, got sha256:/),
  narsize: elsewhere(/-bash-5\.2 is not what was promised: expected .* with 1328881 bytes, got .* with 1328880/),
};
/** Other things than those that were signed, or nothing was: whoever asks for no signature takes them. */
const takenUnsigned = ['filehash', 'other-nar', 'references-none', 'signature', 'no-signature', 'signature-other'];

/** A good signed cache and the path in it that is broken. */
async function signedCache(): Promise<{ cache: string; path: string; trust: string[] }> {
  const { root, named } = await closure('signed');
  const path = named['bash']!;
  const cache = join(base, 'good-cache');
  if (!existsSync(cache))
    await nix('2.8').nix('copy', '--from', root, '--to', `file://${cache}?compression=zstd`, path);
  return { cache, path, trust: ['--trusted-public-key', (await keyPair('lab-1')).publicKey] };
}

/** What came along before the fault may stay: it is whole. Of the broken path nothing may. */
function expectNothingOf(path: string, root: string, name: string): void {
  const { objects, valid } = inStore(root);
  assert.deepEqual(objects, valid, `${name}: what is there is valid`);
  assert.ok(!objects.includes(basename(path)), name);
}

test('caches, into a store that asks for signatures', async () => {
  const { cache, path, trust } = await signedCache();
  const count = await forEach(brokenCaches(cache, basename(path).slice(0, 32)), async (broken) => {
    const { name } = broken;
    const box = new Sandbox(`cache-${name}`);
    using copy = brokenCopy(cache, broken);
    const to = `local?root=${box.path('store')}`;
    const result = await box.run(['copy', '--from', `file://${copy.dir}`, '--to', to, ...trust, path]);
    assert.deepEqual(box.left(), [], name);
    if (takenAnyway.includes(name)) return assert.equal(result.status, 0, `${name}: ${result.stderr}`);
    refused(name, result, cacheErrors[name]);
    expectNothingOf(path, box.path('store'), name);
  });
  assert.ok(count >= 48);
});

test('caches, into a store without asking for signatures', async () => {
  const { cache, path } = await signedCache();
  await forEach(brokenCaches(cache, basename(path).slice(0, 32)), async (broken) => {
    const { name } = broken;
    const store = join(base, `unsigned-${name}`);
    using copy = brokenCopy(cache, broken);
    const result = await copyHere(`file://${copy.dir}`, `local?root=${store}`, path);
    if (takenUnsigned.includes(name)) return assert.equal(result.status, 0, `${name}: ${result.stderr}`);
    refused(
      name,
      result,
      name === 'storedir' ? elsewhere(/expected a path in \/gnu\/store/) : cacheErrorsUnsigned[name],
    );
    expectNothingOf(path, store, name);
  });
});

/** Nothing is unpacked or trusted here, and the file is the one that its narinfo names: who takes it into a store looks. */
const travelsOn = [
  'other-nar',
  'references-none',
  'signature',
  'no-signature',
  'signature-other',
  'ca',
  'swapped-url',
  'bomb',
  'narhash',
  'narsize',
  'compression',
];

test('caches, into another cache: no narinfo without its NAR, nothing half done', async () => {
  const { cache, path } = await signedCache();
  const narinfo = `${basename(path).slice(0, 32)}.narinfo`;
  await forEach(brokenCaches(cache, narinfo.slice(0, 32)), async (broken) => {
    const { name } = broken;
    using copy = brokenCopy(cache, broken);
    const to = join(base, `passed-${name}`);
    const result = await copyHere(`file://${copy.dir}`, `file://${to}`, path);
    const files = filesBelow(to).map((file) => file.slice(to.length + 1));
    const narinfos = files.filter((file) => file.endsWith('.narinfo'));
    const named = narinfos.map((file) => /^URL: (.*)$/m.exec(readFileSync(join(to, file), 'utf8'))![1]!);
    const others = files.filter((file) => !/\.narinfo$|^nix-cache-info$/.test(file));
    assert.deepEqual(others.sort(), [...new Set(named)].sort(), name);
    assert.equal(files.includes(narinfo), travelsOn.includes(name), `${name}: ${result.stderr}`);
    assert.equal(result.status === 0, travelsOn.includes(name), `${name}: ${result.stderr}`);
  });
});

test('databases', async () => {
  const { root, drv, top } = await closure('signed');
  const exceptions: Record<string, Expected> = {
    'schema-9': elsewhere(/has schema 9 .*knows only 10.*\n? *("hint":|hint: )/),
    'schema-11': elsewhere(/has schema 11 .*knows only 10/),
    path: { said: /does not have .*-nixos-system-lab-26\.05/, status: 3 },
  };
  const damaged = elsewhere(/db\/(db\.sqlite|schema) is damaged: /);
  await forEach(brokenDatabases(top), async ({ name, apply }) => {
    const box = new Sandbox(`db-${name}`);
    const copy = await copyOfStore(root);
    await apply(copy);
    const info = await box.run(['info', '-r', '--json', '--store', `local?root=${copy}`, top, drv]);
    const { said, status } = exceptions[name] ?? damaged;
    if (name === 'path') assert.equal(JSON.parse(info.stdout)[top], null);
    refused(name, { ...info, stdout: status === 3 ? '' : info.stdout }, { said: said!, status: status ?? 1 });
    const out = await copyHere(`local?root=${copy}`, `file://${box.path('cache')}`, top);
    assert.equal(out.status, 1, `${name}: ${out.stderr}`);
    assert.deepEqual(filesBelow(box.path('cache')), [], name);
    assert.deepEqual(box.left(), [], name);
  });
});

test('a destination whose database is broken is left as it is', async () => {
  const { root, top } = await closure('signed');
  const { root: other, named } = await closure('updated');
  const structural = [
    'schema-9',
    'schema-11',
    'schema-text',
    'schema-empty',
    'no-table',
    'no-column',
    'empty',
    'cut',
    'text',
    'gone',
  ];
  const cases = [...brokenDatabases(top)].filter(({ name }) => structural.includes(name));
  assert.equal(cases.length, structural.length);
  await forEach(cases, async ({ name, apply }) => {
    const copy = await copyOfStore(root);
    await apply(copy);
    const before = picture(copy);
    const result = await copyHere(`local?root=${other}`, `local?root=${copy}`, named['top']!);
    refused(name, result, elsewhere(/is damaged|knows only 10/));
    assert.deepEqual(picture(copy), before, name);
  });
});

/** What a store holds, but for SQLite's own files and the lock. */
function picture(root: string): string[] {
  const hash = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');
  const db = join(root, 'nix/var/nix/db');
  const database = readdirSync(db)
    .filter((name) => !/-(wal|shm)$|^big-lock$/.test(name))
    .map((name) => `${name} ${statSync(join(db, name)).size} ${hash(join(db, name))}`);
  return [...database.sort(), ...readdirSync(join(root, 'nix/store')).sort()];
}

test('every kind of input is among those above', () => {
  const kinds: readonly Iterable<Broken>[] = [
    brokenNars(),
    brokenDerivations(),
    brokenKeys('k:AAAA'),
    brokenDatabases('x'),
  ];
  assert.ok(kinds.every((kind) => [...kind].length > 8));
});

import assert from 'node:assert/strict';
import { closeSync, existsSync, openSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { closure, keyPair } from '../lab/closures.ts';
import type { Closure, KeyPair } from '../lab/closures.ts';
import { freshStore, nix } from '../lab/nix.ts';
import { run } from '../lab/run.ts';
import { tempDir } from '../lab/temp.ts';
import { command, environment, fails, narrow } from './narrow.ts';

const dir = tempDir('export');
const old = nix('2.8');
let basic: Closure;
let signed: Closure;
let ca: Closure;
let key: KeyPair;
/** Export streams made by Nix. */
let outputs: string;
let derivations: string;

async function exported(what: Closure, name: string, paths: readonly string[]): Promise<string> {
  const file = join(dir, name);
  writeFileSync(file, (await old.run('nix-store', ['--export', ...paths], { store: what.root })).bytes);
  return file;
}

before(async () => {
  [basic, signed, ca, key] = await Promise.all([closure('basic'), closure('signed'), closure('ca'), keyPair('lab-1')]);
  outputs = await exported(basic, 'outputs', basic.paths);
  derivations = await exported(basic, 'derivations', basic.drvs);
});

const lines = (text: string): string[] => text.trimEnd().split('\n');
const registered = async (root: string): Promise<string[]> =>
  (await old.store(root, '--dump-db')).split('\n').filter((line) => line.startsWith('/nix/store/'));
/** Nothing in the store directory but what the empty store has. */
const isEmpty = (root: string): boolean =>
  !existsSync(join(root, 'nix/store')) || readdirSync(join(root, 'nix/store')).every((name) => name === '.links');

test('export is byte for byte that of nix-store, whatever order the paths are given in', async () => {
  const whole = await narrow(['export', '-r', '--store', basic.root, basic.top]);
  assert.ok(whole.bytes.equals(readFileSync(outputs)));
  const some = await narrow(['export', '--store', basic.root, '--stdin'], {
    input: basic.paths.toReversed().join('\n'),
  });
  assert.ok(some.bytes.equals(readFileSync(outputs)));
  const drvs = await narrow(['export', '-r', '--store', basic.root, basic.drv]);
  assert.ok(drvs.bytes.equals(readFileSync(derivations)));
});

test('what we export every Nix imports', async () => {
  const { bytes } = await narrow(['export', '-r', '--store', ca.root, ca.top]);
  for (const label of ['2.8', '2.26', 'current'] as const) {
    const store = await freshStore();
    await nix(label).run('nix-store', ['--import'], { store, input: bytes });
    assert.equal(await old.complaints(store), undefined, label);
  }
});

test('a closure of derivations is imported without any trust: their content addresses are restored', async () => {
  const store = await freshStore();
  const { stdout } = await narrow(['import', '--store', store, derivations]);
  assert.deepEqual(
    lines(stdout),
    lines(
      (await old.run('nix-store', ['--import'], { store: await freshStore(), input: readFileSync(derivations) }))
        .stdout,
    ),
  );
  assert.equal(await old.complaints(store), undefined);
  const infos = JSON.parse(await old.nix('path-info', '--derivation', '--json', '--store', store, '-r', basic.drv)) as {
    ca?: string;
  }[];
  assert.equal(infos.length, basic.drvs.length);
  assert.ok(infos.every((info) => info.ca?.startsWith('text:') || info.ca?.startsWith('fixed:')));
});

test('content addresses of every kind are restored: fixed outputs, texts, sources, self references', async () => {
  const infosOf = async (root: string, paths: readonly string[]): Promise<{ path: string; ca?: string }[]> =>
    JSON.parse(await old.nix('path-info', '--json', '--store', root, ...paths));
  const all = await infosOf(ca.root, ca.paths);
  const needsTrust = all.filter((info) => info.ca === undefined).map((info) => info.path);
  const store = await freshStore();
  const base = (await old.store(ca.root, '-qR', ...needsTrust)).split('\n');
  await narrow(['import', '--no-check-sigs', '--store', store, await exported(ca, 'base', base)]);
  await narrow(['import', '--store', store, await exported(ca, 'ca', ca.paths)]);
  assert.equal(await old.complaints(store), undefined);
  const addresses = (infos: { path: string; ca?: string }[]): unknown =>
    infos.map((info) => [info.path, info.ca]).sort();
  assert.deepEqual(addresses(await infosOf(store, ca.paths)), addresses(all));
});

test('built outputs need signatures: refused without, whole; taken with those of a file or of a store', async () => {
  const trust = ['--trusted-public-key', key.publicKey];
  const store = await freshStore();
  const refusal = await fails(1, ['import', '--store', store, ...trust, outputs]);
  assert.match(refusal, /lacks a valid signature/);
  assert.match(refusal, /--no-check-sigs/);
  assert.deepEqual(await registered(store), []);
  assert.ok(isEmpty(store));

  const infos = join(dir, 'infos');
  const file = join(dir, 'signed');
  const ours = await narrow(['export', '-r', '--path-info', infos, '--store', signed.root, signed.top]);
  writeFileSync(file, ours.bytes);
  assert.deepEqual(
    lines((await narrow(['import', '--store', store, ...trust, '--path-info', infos, file])).stdout),
    signed.paths,
  );
  assert.equal(await old.complaints(store), undefined);
  await old.nix(
    'store',
    'verify',
    '--store',
    store,
    '-r',
    '-n',
    '1',
    '--trusted-public-keys',
    key.publicKey,
    signed.top,
  );

  const from = ['--sigs-from', `local?root=${signed.root}`];
  const other = await freshStore();
  await narrow(['import', '--store', other, ...trust, ...from, '-'], { input: readFileSync(file) });
  await old.nix(
    'store',
    'verify',
    '--store',
    other,
    '-r',
    '-n',
    '1',
    '--trusted-public-keys',
    key.publicKey,
    signed.top,
  );
});

test('signatures for other contents are not taken over', async () => {
  const rebuilt = await closure('updated');
  const infos = join(dir, 'lies');
  const [one] = basic.paths;
  const info = JSON.parse((await narrow(['info', '--json', '--store', signed.root, one!])).stdout)[one!] as object;
  const other = JSON.parse((await narrow(['info', '--json', '--store', rebuilt.root, rebuilt.top])).stdout)[
    rebuilt.top
  ] as { narHash: string };
  writeFileSync(infos, JSON.stringify({ ...info, path: one, narHash: other.narHash }));
  const file = await exported(basic, 'one', [one!]);
  const result = await narrow(['import', '--no-check-sigs', '--store', await freshStore(), '--path-info', infos, file]);
  assert.match(result.stderr, /other contents or references in the stream/);
});

test('all missing references are told before anything is written', async () => {
  const store = await freshStore();
  const file = await exported(basic, 'top', [basic.top]);
  for (const how of [[file], ['-']]) {
    const error = await fails(1, ['import', '--no-check-sigs', '--json', '--store', store, ...how], {
      input: readFileSync(file),
    });
    const missing = (JSON.parse(error.trimEnd().split('\n').at(-1)!) as { error: { missing: string[] } }).error.missing;
    const references = lines(await old.store(basic.root, '-q', '--references', basic.top));
    assert.deepEqual(
      missing.map((path) => `/nix/store/${path}`).sort(),
      references.filter((path) => path !== basic.top).sort(),
    );
  }
  assert.deepEqual(await registered(store), []);
});

test('--no-spool imports path by path and stops at the first that cannot be added', async () => {
  const input = readFileSync(outputs);
  const store = await freshStore();
  assert.deepEqual(
    lines((await narrow(['import', '--no-check-sigs', '--no-spool', '--store', store], { input })).stdout),
    basic.paths,
  );
  assert.equal(await old.complaints(store), undefined);
  const bash = basic.named['bash'] as string;
  const without = await exported(
    basic,
    'without',
    basic.paths.filter((path) => path !== bash),
  );
  const part = await freshStore();
  const error = await fails(1, ['import', '--no-check-sigs', '--no-spool', '--store', part], {
    input: readFileSync(without),
  });
  assert.ok(error.includes(bash.slice('/nix/store/'.length)), error);
  assert.equal(await old.complaints(part), undefined);
  assert.ok((await registered(part)).length > 0);
});

test('compressed streams, files as standard input, and dry runs', async () => {
  await run(['zstd', '-q', outputs]);
  const store = await freshStore();
  const dry = await narrow(['import', '--no-check-sigs', '--dry-run', '--json', '--store', store, `${outputs}.zst`]);
  const planned = JSON.parse(dry.stdout) as { dryRun: boolean; paths: { path: string; status: string }[] };
  assert.deepEqual(
    planned.paths.map((p) => p.path),
    basic.paths,
  );
  assert.ok(planned.dryRun && planned.paths.every((p) => p.status === 'missing'));
  assert.deepEqual(await registered(store), []);
  await narrow(['import', '--no-check-sigs', '--store', store, `${outputs}.zst`]);
  assert.equal(await old.complaints(store), undefined);

  const other = await freshStore();
  const stdin = openSync(outputs, 'r');
  const args = ['import', '--no-check-sigs', '--json', '--store', other];
  const { status, stdout } = spawnSync(command, args, { stdio: [stdin, 'pipe', 'inherit'], env: environment() });
  closeSync(stdin);
  assert.equal(status, 0);
  const { paths } = JSON.parse(stdout.toString()) as typeof planned;
  assert.ok(paths.length === basic.paths.length && paths.every((p) => p.status === 'added'));
});

test('a plain NAR with its references named, the inverse of nix store dump-path', async () => {
  const [bash] = [basic.named['bash'] as string];
  const references = lines(await old.store(basic.root, '-q', '--references', bash));
  const store = await freshStore();
  const needed = await exported(
    basic,
    'needed',
    lines(await old.store(basic.root, '-qR', bash)).filter((path) => path !== bash),
  );
  await narrow(['import', '--no-check-sigs', '--store', store, needed]);
  const nar = (await old.run('nix', ['store', 'dump-path', '--store', basic.root, bash])).bytes;
  const named = [
    'import',
    '--no-check-sigs',
    '--store',
    store,
    '--path',
    bash,
    ...references.flatMap((path) => ['--reference', path]),
  ];
  assert.match(await fails(1, named, { input: nar.subarray(0, 1000) }), /at offset 1000/);
  assert.match(await fails(1, named, { input: Buffer.concat([nar, nar]) }), /bytes after the end/);
  assert.equal((await narrow(named, { input: nar })).stdout.trimEnd(), bash);
  assert.equal(await old.complaints(store), undefined);
  assert.deepEqual(lines(await old.store(store, '-q', '--references', bash)), references);
  assert.match(await fails(2, ['import', '--store', store, '--reference', bash, outputs]), /needs --path/);
});

test('damaged streams: the byte offset is told, nothing is written', async () => {
  const whole = readFileSync(outputs);
  const at = (offset: number, byte: number): Buffer => {
    const copy = Buffer.from(whole);
    copy[offset] = byte;
    return copy;
  };
  const magic = whole.indexOf('NIXE');
  const bad: [string, Buffer, RegExp][] = [
    ['empty', Buffer.alloc(0), /unexpected end of input at offset 0/],
    ['another tag', at(0, 2), /at offset 0.*expected 1 .*got 2/],
    ['another magic', at(magic, 88), new RegExp(`at offset ${magic} `)],
    ['a path elsewhere', at(magic + 17, 88), /bad at offset/],
    ['cut in a NAR', whole.subarray(0, magic - 100), /at offset/],
    ['cut before the end', whole.subarray(0, -8), new RegExp(`at offset ${whole.length - 8} `)],
  ];
  for (const [what, bytes, expected] of bad) {
    const store = await freshStore();
    const file = join(dir, 'damaged');
    writeFileSync(file, bytes);
    assert.match(await fails(1, ['import', '--no-check-sigs', '--store', store, file]), expected, what);
    assert.deepEqual(await registered(store), [], what);
    assert.ok(isEmpty(store), what);
  }
});

test('a store whose contents are damaged is not exported: no importer takes the stream', async () => {
  const { copyOfStore } = await import('../lab/closures.ts');
  const damaged = await copyOfStore(basic.root);
  const libc = basic.named['libc'] as string;
  writeFileSync(join(damaged, libc, 'more'), '');
  const result = await narrow(['export', '--store', damaged, libc], { mayFail: true });
  assert.equal(result.status, 1);
  assert.match(result.stderr, /not what was promised|longer than announced/);
  assert.match(await fails(1, ['import', '--store', await freshStore()], { input: result.bytes }), /at offset/);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ByteString } from '../../../src/bytes/byte-string.ts';
import { ColumnReader, ColumnWriter } from '../../../src/delta/columns.ts';
import { algos, column, drvColumns, methods } from '../../../src/delta/derivations/layout.ts';
import { DrvReader } from '../../../src/delta/derivations/reader.ts';
import { DrvWriter } from '../../../src/delta/derivations/writer.ts';
import { formatDrv } from '../../../src/format/drv.ts';
import { DerivationHasher, derivationPath } from '../../../src/format/drv-hash.ts';
import { fixedOutputPath } from '../../../src/model/derivation.ts';
import type { Derivation, DerivationOutput } from '../../../src/model/derivation.ts';
import { encodeHash, hashBytes } from '../../../src/model/hash.ts';
import type { HashAlgo } from '../../../src/model/hash.ts';
import { defaultStoreDir, parseBaseName, printStorePath } from '../../../src/model/store-path.ts';
import type { StorePath } from '../../../src/model/store-path.ts';

const storeDir = defaultStoreDir;
const source = parseBaseName('0000000000000000000000000000000a-builder.sh');
const text = (value: string): ByteString => value as ByteString;
const full = (path: StorePath): ByteString => text(printStorePath(storeDir, path));
const drvs = new Map<StorePath, Derivation>();
const hasher = new DerivationHasher(storeDir, (path) => drvs.get(path)!);

interface Made {
  readonly path: StorePath;
  readonly drv: Derivation;
}

function made(drv: Derivation): Made {
  const path = derivationPath(drv, storeDir);
  drvs.set(path, drv);
  return { path, drv };
}

function base(name: string, env: Record<string, string>): Derivation {
  const entries = Object.entries(env)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => [text(key), text(value)] as const);
  const nothing = { outputs: new Map(), inputDrvs: new Map(), inputSrcs: [], args: [] };
  return { ...nothing, name, system: text('x86_64-linux'), builder: text('/bin/sh'), env: new Map(entries) };
}

function fetched(name: string, algo: HashAlgo, method: 'flat' | 'nar'): Made {
  const hash = hashBytes(name, algo);
  const path = fixedOutputPath(storeDir, { method, hash }, name, 'out');
  const env = {
    out: full(path),
    outputHash: encodeHash(hash, algo === 'md5' ? 'base16' : 'base32'),
    url: `https://example.org/${name}`,
  };
  return made({ ...base(name, env), outputs: new Map([['out', { kind: 'fixed', path, ca: { method, hash } }]]) });
}

async function built(name: string, inputs: readonly Made[], names: readonly string[] = ['out']): Promise<Made> {
  const outputOf = ({ drv }: Made): StorePath =>
    (drv.outputs.get('out') as DerivationOutput & { path: StorePath }).path;
  const env = {
    ...Object.fromEntries(names.map((one) => [one, ''])),
    inputs: inputs.map((one) => full(outputOf(one))).join(' '),
    script: `${full(source)} and ${full(source)}x`,
  };
  const inputDrvs = new Map(
    inputs
      .map(({ path }) => [path, { outputs: ['out'], dynamic: new Map() }] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
  const blank = { ...base(name, env), inputDrvs, inputSrcs: [source], args: [text('-e'), full(source)] };
  const paths = await hasher.outputPaths({
    ...blank,
    outputs: new Map(names.map((one) => [one, { kind: 'deferred' }])),
  });
  const outputs = new Map(
    [...paths].map(([one, path]): [string, DerivationOutput] => [one, { kind: 'input-addressed', path: path! }]),
  );
  const filled = new Map(
    [...blank.env].map(([key, value]) => [key, names.includes(key) ? full(paths.get(key)!) : value]),
  );
  return made({ ...blank, outputs, env: filled });
}

test('derivations are what they were, and little of them travels', async () => {
  const first = [
    fetched('a.tar.gz', 'sha256', 'flat'),
    fetched('b.tar.gz', 'sha512', 'flat'),
    fetched('c', 'md5', 'nar'),
  ];
  const lib = await built('lib-1.0', first);
  const tool = await built('tool-2.0', [...first, lib], ['bin', 'dev', 'out']);
  const all = [...first, lib, tool];
  const writer = new DrvWriter(storeDir);
  for (const { path, drv } of all) assert.ok(await writer.take(path, formatDrv(drv, storeDir)), drv.name);
  const paths = [source, ...all.map(({ path }) => path)];
  const out = new ColumnWriter(drvColumns);
  for (const [index, { path }] of all.entries()) writer.write(path, index + 1, (one) => paths.indexOf(one), out);
  const columns = out.take();
  for (const bytes of columns.slice(0, 5)) assert.doesNotMatch(Buffer.from(bytes).toString('latin1'), /[0-9a-z]{32}/);
  const reader = new DrvReader(storeDir);
  const input = new ColumnReader(columns);
  for (const [index, { path, drv }] of all.entries()) {
    const again = await reader.read(input, index + 1, (number) => paths[number]!);
    assert.equal(again.text.toString(), formatDrv(drv, storeDir).toString());
    assert.equal(again.path, path);
  }
  input.expectEnd();
});

test('what would come out differently is not taken', async () => {
  const writer = new DrvWriter(storeDir);
  const { path, drv } = fetched('a', 'sha256', 'flat');
  assert.equal(await writer.take(path, Buffer.concat([formatDrv(drv, storeDir), Buffer.from('\n')])), false);
  const other = parseBaseName('0000000000000000000000000000000b-a.drv');
  assert.equal(await writer.take(other, formatDrv(drv, storeDir)), false);
  const marks = made({ ...drv, env: new Map([...drv.env, [text('x'), text('\x01')]]) });
  assert.equal(await writer.take(marks.path, formatDrv(marks.drv, storeDir)), false);
  // its input was not taken
  const user = await built('user', [marks]);
  assert.equal(await writer.take(user.path, formatDrv(user.drv, storeDir)), false);
});

test('a fixed output that Nix has no path for is refused as malformed', async () => {
  const out = new ColumnWriter(drvColumns);
  out.bytes(column.name, Buffer.from('a\0'));
  // a text by SHA-1
  out.varint(column.number, 1 + methods.indexOf('text') + methods.length * algos.indexOf('sha1'));
  out.bytes(column.digest, new Uint8Array(20));
  const read = new DrvReader(storeDir).read(new ColumnReader(out.take()), 0, () => source);
  await assert.rejects(read, { code: 'format', message: /text is hashed by sha256 only/ });
});

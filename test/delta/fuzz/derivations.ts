// Some derivations that columns can tell: fetched ones, and one that is built from them.

import type { ByteString } from '../../../src/bytes/byte-string.ts';
import { formatDrv } from '../../../src/format/drv.ts';
import { DerivationHasher, derivationPath } from '../../../src/format/drv-hash.ts';
import { fixedOutputPath } from '../../../src/model/derivation.ts';
import type { Derivation, DerivationOutput } from '../../../src/model/derivation.ts';
import { encodeHash, hashBytes } from '../../../src/model/hash.ts';
import { defaultStoreDir, parseBaseName, printStorePath } from '../../../src/model/store-path.ts';
import type { StorePath } from '../../../src/model/store-path.ts';

interface Made {
  readonly path: StorePath;
  readonly text: Buffer;
}

const storeDir = defaultStoreDir;
const builder = parseBaseName('0000000000000000000000000000000a-builder.sh');
const text = (value: string): ByteString => value as ByteString;
const full = (path: StorePath): ByteString => text(printStorePath(storeDir, path));

const plain = { system: text('x86_64-linux'), builder: text('/bin/sh'), args: [] };

function fetched(name: string): Derivation {
  const ca = { method: 'flat' as const, hash: hashBytes(name) };
  const path = fixedOutputPath(storeDir, ca, name, 'out');
  const env = new Map([
    [text('out'), full(path)],
    [text('outputHash'), text(encodeHash(ca.hash, 'base32'))],
    [text('url'), text(`https://example.org/${name}`)],
  ]);
  return {
    ...plain,
    name,
    outputs: new Map([['out', { kind: 'fixed', path, ca }]]),
    inputDrvs: new Map(),
    inputSrcs: [],
    env,
  };
}

/** Paths with the first numbers, and derivations with the next. */
export async function someDerivations(): Promise<{
  readonly before: readonly StorePath[];
  readonly made: readonly Made[];
}> {
  const drvs = new Map<StorePath, Derivation>();
  const sources = [fetched('a.tar.gz'), fetched('b.patch')];
  for (const drv of sources) drvs.set(derivationPath(drv, storeDir), drv);
  const user = await built([...drvs.keys()].sort(), sources, new DerivationHasher(storeDir, (path) => drvs.get(path)!));
  drvs.set(derivationPath(user, storeDir), user);
  return { before: [builder], made: [...drvs].map(([path, drv]) => ({ path, text: formatDrv(drv, storeDir) })) };
}

async function built(
  inputs: readonly StorePath[],
  sources: readonly Derivation[],
  hasher: DerivationHasher,
): Promise<Derivation> {
  const names = ['dev', 'out'];
  const outputOf = ({ outputs }: Derivation): ByteString =>
    full((outputs.get('out') as DerivationOutput & { path: StorePath }).path);
  const env = (paths: ReadonlyMap<string, StorePath | undefined>): Derivation['env'] =>
    new Map([
      ...names.map((name): [ByteString, ByteString] => [
        text(name),
        paths.get(name) ? full(paths.get(name)!) : text(''),
      ]),
      [text('patches'), text(sources.map(outputOf).join(' '))],
      [text('script'), text(`${full(builder)} twice: ${full(builder)}x`)],
    ]);
  const blank: Derivation = {
    ...plain,
    name: 'tool-1.0',
    args: [text('-e'), full(builder)],
    outputs: new Map(names.map((name) => [name, { kind: 'deferred' }])),
    inputDrvs: new Map(inputs.map((path) => [path, { outputs: ['out'], dynamic: new Map() }])),
    inputSrcs: [builder],
    env: env(new Map()),
  };
  const paths = await hasher.outputPaths(blank);
  const outputs = new Map(
    [...paths].map(([name, path]): [string, DerivationOutput] => [name, { kind: 'input-addressed', path: path! }]),
  );
  return { ...blank, outputs, env: env(paths) };
}

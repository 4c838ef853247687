// Closures of any number of tiny derivations, right in every path, in a store in memory: nobody has to evaluate them.

import { byteStringOf } from '../../src/bytes/byte-string.ts';
import type { ByteString } from '../../src/bytes/byte-string.ts';
import { bytesOf } from '../../src/bytes/source.ts';
import { formatDrv } from '../../src/format/drv.ts';
import { DerivationHasher, derivationPath } from '../../src/format/drv-hash.ts';
import { packNar } from '../../src/format/nar/pack.ts';
import { memoryTree } from '../../src/format/nar/memory-tree.ts';
import type { Derivation, DerivationOutput } from '../../src/model/derivation.ts';
import { derivationReferences } from '../../src/model/derivation.ts';
import { hashBytes } from '../../src/model/hash.ts';
import type { PathInfo } from '../../src/model/path-info.ts';
import type { StorePath } from '../../src/model/store-path.ts';
import { defaultStoreDir, printStorePath } from '../../src/model/store-path.ts';
import { memoryStore } from '../../src/store/memory.ts';
import type { Item, WritableStore } from '../../src/store/store.ts';

export interface GeneratedDerivation {
  readonly path: StorePath;
  readonly output: StorePath;
}

export interface Generated {
  readonly store: WritableStore;
  /** Inputs before those that need them; the last one needs all. */
  readonly all: readonly GeneratedDerivation[];
}

const word = (text: string): ByteString => byteStringOf(text);

/**
 * `count` derivations, each with the one before it and another as inputs. `script` is what `/bin/sh` builds the n-th with; by
 * default it makes a file that names its inputs, and says so.
 */
export async function generateDerivations(
  count: number,
  script: (n: number) => string = sayAndMake,
): Promise<Generated> {
  const drvs = new Map<StorePath, Derivation>();
  const hasher = new DerivationHasher(defaultStoreDir, (path) => drvs.get(path)!);
  const all: GeneratedDerivation[] = [];
  const items: Item[] = [];
  for (let i = 0; i < count; i++) {
    const inputs = new Set(i === 0 ? [] : [i - 1, Math.floor(i / 2)]);
    const { drv, output } = await makeOne(
      `tiny-${i}`,
      script(i),
      [...inputs].map((n) => all[n]!),
      hasher,
    );
    const path = derivationPath(drv, defaultStoreDir);
    drvs.set(path, drv);
    all.push({ path, output });
    items.push(itemOf(path, drv));
  }
  const store = memoryStore();
  for await (const outcome of store.add(streamOf(items))) if ('error' in outcome) throw outcome.error;
  return { store, all };
}

const sayAndMake = (): string => 'echo "making $name"; echo "$inputs" > $out';

async function makeOne(
  name: string,
  script: string,
  inputs: readonly GeneratedDerivation[],
  hasher: DerivationHasher,
): Promise<{ drv: Derivation; output: StorePath }> {
  const node = { outputs: ['out'], dynamic: new Map() };
  const drvOf = (output: DerivationOutput, out: string): Derivation => ({
    name,
    outputs: new Map([['out', output]]),
    inputDrvs: new Map(inputs.map((input) => [input.path, node])),
    inputSrcs: [],
    system: word(process.arch === 'arm64' ? 'aarch64-linux' : 'x86_64-linux'),
    builder: word('/bin/sh'),
    args: [word('-c'), word(script)],
    env: new Map([
      [word('inputs'), word(inputs.map((input) => printStorePath(defaultStoreDir, input.output)).join(' '))],
      [word('name'), word(name)],
      [word('out'), word(out)],
    ]),
  });
  const output = (await hasher.outputPaths(drvOf({ kind: 'deferred' }, ''))).get('out')!;
  return { drv: drvOf({ kind: 'input-addressed', path: output }, printStorePath(defaultStoreDir, output)), output };
}

function itemOf(path: StorePath, drv: Derivation): Item {
  const text = formatDrv(drv, defaultStoreDir);
  const tree = memoryTree({ type: 'regular', executable: false, contents: text });
  const nar = Buffer.concat([...(packNar(tree) as Iterable<Uint8Array>)].map((chunk) => Buffer.from(chunk)));
  const info: PathInfo = {
    path,
    narHash: hashBytes(nar),
    narSize: nar.length,
    references: derivationReferences(drv),
    signatures: [],
    ca: { method: 'text', hash: hashBytes(text) },
  };
  return { info, open: async () => ({ encoding: 'none', size: nar.length, bytes: bytesOf(nar) }) };
}

async function* streamOf(items: readonly Item[]): AsyncGenerator<Item> {
  yield* items;
}

/** An output of a generated derivation: a file with `references`. */
export async function addOutput(
  store: WritableStore,
  { path: deriver, output }: GeneratedDerivation,
  references: readonly StorePath[],
): Promise<void> {
  const tree = memoryTree({ type: 'regular', executable: false, contents: Buffer.from(references.join('\n')) });
  const nar = Buffer.concat([...(packNar(tree) as Iterable<Uint8Array>)].map((chunk) => Buffer.from(chunk)));
  const info: PathInfo = {
    path: output,
    narHash: hashBytes(nar),
    narSize: nar.length,
    references: [...references].sort(),
    deriver,
    signatures: [],
  };
  const item: Item = { info, open: async () => ({ encoding: 'none', size: nar.length, bytes: bytesOf(nar) }) };
  for await (const outcome of store.add(streamOf([item]))) if ('error' in outcome) throw outcome.error;
}

// Random values of the model, shared by all property tests.

import fc from 'fast-check';
import type { ByteString } from '../../src/bytes/byte-string.ts';
import { compareBytes } from '../../src/bytes/byte-string.ts';
import { encodeBase32 } from '../../src/model/base32.ts';
import { encodeBase64 } from '../../src/model/base64.ts';
import type { ContentAddress, IngestionMethod } from '../../src/model/content-address.ts';
import type { Derivation, DerivationOutput, InputNode, OutputKind } from '../../src/model/derivation.ts';
import { fixedOutputPath } from '../../src/model/derivation.ts';
import type { Hash, HashAlgo } from '../../src/model/hash.ts';
import { formatHash, hashSizes } from '../../src/model/hash.ts';
import type { NarFile, PathInfo } from '../../src/model/path-info.ts';
import { sortedUnique } from '../../src/model/path-info.ts';
import type { Realisation } from '../../src/model/realisation.ts';
import type { StorePath } from '../../src/model/store-path.ts';
import { storeNameFault } from '../../src/model/store-path.ts';

export const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });

export const byteStrings = (maxLength = 40): fc.Arbitrary<ByteString> =>
  fc.uint8Array({ maxLength }).map((b) => Buffer.from(b).toString('latin1') as ByteString);

export const hashAlgo: fc.Arbitrary<HashAlgo> = fc.constantFrom('md5', 'sha1', 'sha256', 'sha512');

export const hashOf = (algo: HashAlgo): fc.Arbitrary<Hash> => bytes(hashSizes[algo]).map((b) => ({ algo, bytes: b }));

export const hash: fc.Arbitrary<Hash> = hashAlgo.chain(hashOf);

export const sha256: fc.Arbitrary<Hash> = hashOf('sha256');

const nameCharacters = '0123456789ABCXYZabcxyz+-._?=';

export const storeName: fc.Arbitrary<string> = fc
  .string({ unit: fc.constantFrom(...nameCharacters), minLength: 1, maxLength: 30 })
  .filter((name) => storeNameFault(name) === undefined);

export const storePathOf = (name: fc.Arbitrary<string>): fc.Arbitrary<StorePath> =>
  fc.tuple(bytes(20), name).map(([digest, n]) => `${encodeBase32(digest)}-${n}` as StorePath);

export const storePath: fc.Arbitrary<StorePath> = storePathOf(storeName);

export const drvPath: fc.Arbitrary<StorePath> = storePathOf(storeName.map((n) => `${n}.drv`));

export const storePaths = (maxLength = 5): fc.Arbitrary<StorePath[]> =>
  fc.array(storePath, { maxLength }).map((paths) => sortedUnique(paths));

export const signature: fc.Arbitrary<string> = fc
  .tuple(fc.string({ unit: fc.constantFrom('a', 'k', 'é', '.', '-', '1'), minLength: 1, maxLength: 8 }), bytes(64))
  .map(([name, sig]) => `${name}:${encodeBase64(sig)}`);

export const ingestionMethod: fc.Arbitrary<IngestionMethod> = fc.constantFrom('text', 'flat', 'nar', 'git');

export const contentAddress: fc.Arbitrary<ContentAddress> = ingestionMethod.chain((method) =>
  (method === 'text' ? sha256 : method === 'git' ? fc.oneof(sha256, hashOf('sha1')) : hash).map((h) => ({
    method,
    hash: h,
  })),
);

export const size: fc.Arbitrary<number> = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });

const narFile: fc.Arbitrary<NarFile> = fc.record({
  url: fc.webPath().map((p) => `nar/${p}`),
  compression: fc.constantFrom('none', 'xz', 'zstd', 'bzip2', 'br'),
  hash: fc.option(sha256, { nil: undefined }),
  size: fc.option(size, { nil: undefined }),
});

/** A path info as a binary cache has it: with `file`, without what narinfos do not carry. */
export const narinfo: fc.Arbitrary<PathInfo & { readonly file: NarFile }> = fc.record({
  path: storePath,
  narHash: sha256,
  narSize: size,
  references: storePaths(),
  deriver: fc.option(drvPath, { nil: undefined }),
  signatures: fc.array(signature, { maxLength: 3 }).map((s) => sortedUnique(s)),
  ca: fc.option(contentAddress, { nil: undefined }),
  file: narFile,
});

export const realisation: fc.Arbitrary<Realisation> = fc
  .record({
    digest: sha256,
    drv: drvPath,
    output: storeName,
    outPath: storePath,
    others: fc.array(fc.tuple(sha256, storePath)),
  })
  .chain(({ digest, drv, output, outPath, others }) =>
    fc.tuple(fc.boolean(), fc.uniqueArray(signature, { maxLength: 3 })).map(([traced, sigs]): Realisation => {
      const signatures = sortedUnique(sigs);
      if (traced) return { kind: 'traced', drvPath: drv, output, outPath, signatures };
      const dependents = others.map(([h, path]) => [`${formatHash(h, 'base16')}!${output}`, path] as const);
      const id = `${formatHash(digest, 'base16')}!${output}`;
      return { kind: 'hashed', id, outPath, signatures, dependentRealisations: Object.fromEntries(dependents) };
    }),
  );

const outputOf = (kind: OutputKind, drvName: string, output: string): fc.Arbitrary<DerivationOutput> => {
  const floating = fc.record({
    method: fc.constantFrom('nar' as const, 'flat' as const),
    algo: fc.constant('sha256' as const),
  });
  switch (kind) {
    case 'input-addressed':
      return storePath.map((path) => ({ kind, path }));
    case 'fixed':
      return contentAddress.map((ca) => ({ kind, ca, path: fixedOutputPath('/nix/store', ca, drvName, output) }));
    case 'deferred':
      return fc.constant({ kind });
    case 'floating':
    case 'impure':
      return floating.map((f) => ({ kind, ...f }));
  }
};

const outputNames = fc.uniqueArray(fc.constantFrom('out', 'dev', 'lib', 'man', 'x?=+._-1'), { minLength: 1 });

const outputsOf = (drvName: string): fc.Arbitrary<ReadonlyMap<string, DerivationOutput>> =>
  fc
    .constantFrom<OutputKind[]>('input-addressed', 'fixed', 'floating', 'deferred', 'impure')
    .chain((kind) =>
      (kind === 'fixed' ? fc.constant<string[]>(['out']) : outputNames.map((names): string[] => names)).chain((names) =>
        fc
          .tuple(...names.sort().map((name) => outputOf(kind, drvName, name).map((o) => [name, o] as const)))
          .map((entries) => new Map(entries)),
      ),
    );

const inputNode: fc.Memo<InputNode> = fc.memo((depth) =>
  fc
    .tuple(
      outputNames.map((names) => sortedUnique(names)),
      depth <= 1
        ? fc.constant([])
        : fc.oneof(
            { weight: 4, arbitrary: fc.constant([]) },
            fc.array(fc.tuple(fc.constantFrom('a', 'b'), inputNode()), { maxLength: 2 }),
          ),
    )
    .map(([outputs, children]) => ({ outputs, dynamic: sortedMap(children) })),
);

function sortedMap<K extends string, V>(entries: readonly (readonly [K, V])[]): ReadonlyMap<K, V> {
  return new Map([...new Map(entries)].sort(([a], [b]) => compareBytes(a, b)));
}

/** Derivations of every kind, with bytes of every value in their strings. */
export const derivation: fc.Arbitrary<Derivation> = storeName
  .filter((name) => name.length < 20)
  .chain((name) =>
    fc.record(
      {
        name: fc.constant(name),
        outputs: outputsOf(name),
        inputDrvs: fc.array(fc.tuple(drvPath, inputNode(2)), { maxLength: 4 }).map(sortedMap),
        inputSrcs: storePaths(4),
        system: fc.constantFrom('x86_64-linux', 'builtin', '').map((s) => s as ByteString),
        builder: byteStrings(),
        args: fc.array(byteStrings(), { maxLength: 4 }),
        env: fc.array(fc.tuple(byteStrings(8), byteStrings()), { maxLength: 6 }).map(sortedMap),
      },
      { noNullPrototype: true },
    ),
  );

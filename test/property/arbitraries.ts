// Random values of the model, shared by all property tests.

import fc from 'fast-check';
import type { ByteString } from '../../src/bytes/byte-string.ts';
import { encodeBase32 } from '../../src/model/base32.ts';
import { encodeBase64 } from '../../src/model/base64.ts';
import type { ContentAddress, IngestionMethod } from '../../src/model/content-address.ts';
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
  (method === 'text' ? sha256 : hash).map((h) => ({ method, hash: h })),
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

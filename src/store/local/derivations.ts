// What registering a derivation needs: that its output paths are those which follow from it, as Nix checks, and which they are.

import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { NarrowError, ioError } from '../../errors.ts';
import { DerivationHasher } from '../../format/drv-hash.ts';
import { maxDrvSize, parseDrv } from '../../format/drv.ts';
import type { Derivation } from '../../model/derivation.ts';
import { derivationName } from '../../model/derivation.ts';
import type { StoreDir, StorePath } from '../../model/store-path.ts';

export class Derivations {
  readonly #storeDir: StoreDir;
  readonly #realDir: string;
  readonly #hasher: DerivationHasher;

  constructor(storeDir: StoreDir, realDir: string) {
    this.#storeDir = storeDir;
    this.#realDir = realDir;
    this.#hasher = new DerivationHasher(storeDir, (path) => this.#load(path));
  }

  /** The output paths of an unpacked derivation whose inputs are unpacked. Throws `format`, `refused`. */
  async outputs(path: StorePath): Promise<Map<string, StorePath>> {
    const drv = this.#load(path);
    const computed = await this.#hasher.outputPaths(drv);
    const known = new Map<string, StorePath>();
    for (const [name, output] of drv.outputs) {
      const expected = computed.get(name);
      const got = 'path' in output ? output.path : undefined;
      if (expected && got && expected !== got) {
        throw new NarrowError(
          'refused',
          `derivation ${path} has a wrong output path for '${name}': expected ${expected}, got ${got}`,
          {
            data: { path, output: name, expected, got },
          },
        );
      }
      if (got) known.set(name, got);
    }
    return known;
  }

  #load(path: StorePath): Derivation {
    const file = `${this.#realDir}/${path}`;
    return parseDrv(readSmallFile(file), derivationName(path), this.#storeDir, { source: path });
  }
}

function readSmallFile(file: string): Buffer {
  try {
    const fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stat = fstatSync(fd);
      if (!stat.isFile() || stat.size > maxDrvSize)
        throw new NarrowError('format', `${file} is no derivation: expected a file of at most ${maxDrvSize} bytes`);
      return readFileSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw error instanceof NarrowError ? error : ioError('read', file, error);
  }
}

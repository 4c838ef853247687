// Makes derivations again from columns, and computes the paths that were left out.

import type { ByteString } from '../../bytes/byte-string.ts';
import { formatDrv } from '../../format/drv.ts';
import { DerivationHasher, derivationPath } from '../../format/drv-hash.ts';
import { formatError, isNarrowError } from '../../errors.ts';
import type { ContentAddress } from '../../model/content-address.ts';
import { fixedOutputPath, outputPathName } from '../../model/derivation.ts';
import type { Derivation, DerivationOutput, InputNode } from '../../model/derivation.ts';
import { hashSizes } from '../../model/hash.ts';
import { compareBytes } from '../../bytes/byte-string.ts';
import { printStorePath, storeNameFault } from '../../model/store-path.ts';
import type { StoreDir, StorePath } from '../../model/store-path.ts';
import type { ColumnReader } from '../columns.ts';
import {
  algos,
  column,
  computed,
  digestMark,
  digestText,
  methods,
  namedPaths,
  pathMark,
  withOwnPaths,
} from './layout.ts';
import type { Input } from './layout.ts';

/** Bytes that one derivation may come to, and all: marks make texts longer than they were. */
const limits = { each: 64 * 1024 * 1024, all: 1024 * 1024 * 1024 };

/** Characters of the longest digest. */
const longestDigest = 128;

/** A derivation as a store object. */
export interface MadeDerivation {
  readonly path: StorePath;
  readonly drv: Derivation;
  readonly text: Buffer;
}

export class DrvReader {
  readonly #storeDir: StoreDir;
  readonly #hasher: DerivationHasher;
  readonly #drvs = new Map<StorePath, Derivation>();
  #left = limits.all;

  constructor(storeDir: StoreDir) {
    this.#storeDir = storeDir;
    this.#hasher = new DerivationHasher(storeDir, (path) => {
      const drv = this.#drvs.get(path);
      if (drv) return drv;
      throw bad(`${path} is needed to know what is built, and is not there`);
    });
  }

  /** The next derivation, of number `number`. Throws `format`. */
  async read(input: ColumnReader, number: number, pathOf: (number: number) => StorePath): Promise<MadeDerivation> {
    const name = input.text(column.name) as string;
    const fault = storeNameFault(`${name}.drv`);
    if (fault !== undefined) throw bad(`the name of a derivation: ${fault}`);
    const { address, outputs } = this.#readOutputs(input, name);
    const inputs = this.#readNumbers(input, number, pathOf).map((path): Input => {
      const count = input.varint(column.number);
      const names =
        count === 0 ? ['out'] : this.#times(input, count - 1, column.name, () => input.text(column.name) as string);
      return { path, drv: this.#drvs.get(path), names };
    });
    const sources = this.#readNumbers(input, number, pathOf);
    const system = input.text(column.name);
    const named = namedPaths(inputs, sources);
    let room = Math.min(limits.each, this.#left);
    const text = (): ByteString => {
      const value = this.#unmarked(input, named, address);
      room -= value.length;
      if (room < 0) throw bad('texts that are too long');
      return value;
    };
    const builder = text();
    const args = this.#times(input, input.varint(column.number), column.text, text);
    const env = new Map(
      this.#times(
        input,
        input.varint(column.number),
        column.variable,
        () => [input.text(column.variable), text()] as const,
      ),
    );
    const inputDrvs = new Map<StorePath, InputNode>(
      inputs
        .map(({ path, names }) => [path, { outputs: names, dynamic: new Map<string, InputNode>() }] as const)
        .sort(([a], [b]) => compareBytes(a, b)),
    );
    const inputSrcs = [...sources].sort(compareBytes);
    return this.#make({ name, outputs, inputDrvs, inputSrcs, system, builder, args, env });
  }

  async #make(given: Derivation): Promise<MadeDerivation> {
    let drv = given;
    if ([...given.outputs.values()].some(({ kind }) => kind === 'deferred')) {
      const paths = await this.#hasher.outputPaths(given);
      const outputs = new Map(
        [...paths].map(([name, path]): [string, DerivationOutput] => {
          if (path === undefined) throw bad(`what ${given.name} builds is not known beforehand`);
          return [name, { kind: 'input-addressed', path }];
        }),
      );
      drv = { ...given, outputs };
    }
    drv = { ...drv, env: withOwnPaths(drv, this.#storeDir, true) };
    const text = formatDrv(drv, this.#storeDir);
    this.#left -= text.length;
    const path = derivationPath(drv, this.#storeDir);
    this.#drvs.set(path, drv);
    return { path, drv, text };
  }

  #readOutputs(
    input: ColumnReader,
    name: string,
  ): { address: ContentAddress | undefined; outputs: Map<string, DerivationOutput> } {
    const code = input.varint(column.number);
    if (code === computed) {
      const names = this.#times(
        input,
        input.varint(column.number),
        column.name,
        () => input.text(column.name) as string,
      );
      if (names.length === 0) throw bad('a derivation without outputs');
      if (names.some((one) => storeNameFault(outputPathName(name, one)) !== undefined))
        throw bad('the name of an output');
      return { address: undefined, outputs: new Map(names.map((one) => [one, { kind: 'deferred' }])) };
    }
    const method = methods[(code - 1) % methods.length]!;
    const algo = algos[Math.floor((code - 1) / methods.length)];
    if (algo === undefined) throw bad('an unknown kind of output');
    const bytes = Uint8Array.from(input.bytes(column.digest, hashSizes[algo]));
    const address = { method, hash: { algo, bytes } };
    const path = this.#fixedPath(address, name);
    return { address, outputs: new Map([['out', { kind: 'fixed', path, ca: address }]]) };
  }

  #fixedPath(address: ContentAddress, name: string): StorePath {
    try {
      return fixedOutputPath(this.#storeDir, address, name, 'out');
    } catch (error) {
      if (isNarrowError(error, 'refused')) throw bad(error.message);
      throw error;
    }
  }

  #readNumbers(input: ColumnReader, number: number, pathOf: (number: number) => StorePath): StorePath[] {
    let last = number;
    return this.#times(input, input.varint(column.number), column.number, () => {
      last -= input.varint(column.number) + 1;
      if (last < 0) throw bad('an input before the first path');
      return pathOf(last);
    });
  }

  #unmarked(input: ColumnReader, named: readonly StorePath[], address: ContentAddress | undefined): ByteString {
    const parts = (input.text(column.text) as string).split(pathMark);
    let text = parts[0]!;
    for (const part of parts.slice(1)) {
      const path = named[input.varint(column.mark)];
      if (path === undefined) throw bad('a mark for a path that is not named');
      text += printStorePath(this.#storeDir, path) + part;
      if (text.length > limits.each) throw bad('a text that is too long');
    }
    if (!text.includes(digestMark)) return text as ByteString;
    const [first, ...rest] = text.split(digestMark);
    if (text.length + rest.length * longestDigest > limits.each) throw bad('a text that is too long');
    return [
      first!,
      ...rest.map((part) => {
        const digest = address && digestText(address, part.charCodeAt(0) - 48);
        if (digest === undefined) throw bad('a mark for a digest that there is not');
        return digest + part.slice(1);
      }),
    ].join('') as ByteString;
  }

  /** A count is never more than there are bytes. */
  #times<T>(input: ColumnReader, count: number, from: number, read: () => T): T[] {
    if (count > input.left(from)) throw bad('a count that is too large');
    return Array.from({ length: count }, read);
  }
}

function bad(what: string): Error {
  return formatError(`bad columns of derivations: ${what}`, {});
}

// lz4 frames by liblz4 (lz4frame.h). Nix's libarchive writes them; few caches do.

import { faultsOf } from './codec.ts';
import type { Codec, Faults } from './codec.ts';
import { loadLibrary, onThread, throughStepper } from './native.ts';
import type { Step, Stepper } from './native.ts';
import { NarrowError } from '../../errors.ts';

const version = 100;

interface Lz4 {
  readonly create: (context: Buffer, version: number) => number;
  readonly free: (context: bigint) => number;
  readonly decompress: (...args: unknown[]) => Promise<number>;
  readonly isError: (code: number) => number;
  readonly errorName: (code: number) => string;
}

let loaded: Lz4 | undefined;

function liblz4(): Lz4 {
  if (loaded) return loaded;
  const library = loadLibrary('liblz4.so.1', 'lz4', 'liblz4-1');
  loaded = {
    create: library.func('LZ4F_createDecompressionContext', 'int64_t', ['void *', 'unsigned int']) as Lz4['create'],
    free: library.func('LZ4F_freeDecompressionContext', 'int64_t', ['uintptr_t']) as Lz4['free'],
    decompress: onThread(
      library.func('LZ4F_decompress', 'int64_t', ['uintptr_t', 'void *', 'void *', 'void *', 'void *', 'void *']),
    ),
    isError: library.func('LZ4F_isError', 'unsigned int', ['int64_t']) as Lz4['isError'],
    errorName: library.func('LZ4F_getErrorName', 'str', ['int64_t']) as Lz4['errorName'],
  };
  return loaded;
}

class Lz4Stepper implements Stepper {
  readonly #lib = liblz4();
  readonly #faults: Faults;
  readonly #context: bigint;
  /** Two size_t: room in the output, length of the input; the library puts in what it used of them. */
  readonly #sizes = Buffer.allocUnsafeSlow(128).fill(0);
  #offset = 0;
  /** Bytes the library wants next; 0 between frames. */
  #wanted = 1;

  constructor(faults: Faults) {
    this.#faults = faults;
    const status = this.#lib.create(this.#sizes, version);
    if (status !== 0) throw new NarrowError('io', `cannot start liblz4: ${this.#lib.errorName(status)}`);
    this.#context = this.#sizes.readBigUInt64LE(0);
  }

  async step(input: Buffer, output: Buffer, last: boolean): Promise<Step> {
    if (last && this.#wanted === 0) return { read: 0, written: 0, ended: true };
    this.#sizes.writeBigUInt64LE(BigInt(output.length), 0);
    this.#sizes.writeBigUInt64LE(BigInt(input.length), 64);
    const [room, length] = [this.#sizes, this.#sizes.subarray(64)];
    const hint = await this.#lib.decompress(
      this.#context,
      output,
      room,
      input.length === 0 ? length : input,
      length,
      null,
    );
    if (this.#lib.isError(hint)) throw this.#explain(hint);
    const read = Number(this.#sizes.readBigUInt64LE(64));
    this.#offset += read;
    this.#wanted = hint;
    return { read, written: Number(this.#sizes.readBigUInt64LE(0)), ended: last && hint === 0 };
  }

  [Symbol.dispose](): void {
    this.#lib.free(this.#context);
  }

  #explain(code: number): NarrowError {
    return this.#wanted === 0
      ? this.#faults.trailing(this.#offset)
      : this.#faults.corrupt(this.#offset, this.#lib.errorName(code));
  }
}

export const lz4: Codec = {
  name: 'lz4',
  suffix: '.lz4',
  decode: (source, options) => {
    const faults = faultsOf('lz4', options.source);
    return throughStepper(() => new Lz4Stepper(faults), source, faults, options.signal);
  },
};

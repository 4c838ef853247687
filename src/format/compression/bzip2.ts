// bzip2 by libbz2 (bzlib.h): what old caches hold, and what a narinfo without `Compression` means.

import { faultsOf } from './codec.ts';
import type { Codec, Faults } from './codec.ts';
import { StreamStruct, loadLibrary, onThread, throughStepper } from './native.ts';
import type { Step, Stepper, StreamLayout } from './native.ts';
import { NarrowError } from '../../errors.ts';

const layout: StreamLayout = { size: 80, input: 0, inputLeft: 8, output: 24, outputLeft: 32 };
const streamEnd = 4;
const complaints: Readonly<Record<number, string>> = {
  [-4]: 'damaged data',
  [-5]: 'something that is not of this format',
};

interface Bzip2 {
  readonly start: (stream: Buffer, verbosity: number, small: number) => number;
  readonly decompress: (...args: unknown[]) => Promise<number>;
  readonly end: (stream: Buffer) => number;
}

let loaded: Bzip2 | undefined;

function libbz2(): Bzip2 {
  if (loaded) return loaded;
  const library = loadLibrary('libbz2.so.1.0', 'bzip2', 'libbz2-1.0');
  loaded = {
    start: library.func('BZ2_bzDecompressInit', 'int', ['void *', 'int', 'int']) as Bzip2['start'],
    decompress: onThread(library.func('BZ2_bzDecompress', 'int', ['void *'])),
    end: library.func('BZ2_bzDecompressEnd', 'int', ['void *']) as Bzip2['end'],
  };
  return loaded;
}

class Bzip2Stepper implements Stepper {
  readonly #lib = libbz2();
  readonly #faults: Faults;
  #stream: StreamStruct | undefined;
  #streams = 0;
  #offset = 0;

  constructor(faults: Faults) {
    this.#faults = faults;
  }

  async step(input: Buffer, output: Buffer, last: boolean): Promise<Step> {
    if (!this.#stream && input.length === 0) return { read: 0, written: 0, ended: last && this.#streams > 0 };
    const stream = (this.#stream ??= this.#open());
    stream.aim(input, output);
    const status = await this.#lib.decompress(stream.memory);
    const read = input.length - stream.inputLeft();
    if (status < 0) throw this.#explain(status, read);
    this.#offset += read;
    if (status === streamEnd) this[Symbol.dispose]();
    return { read, written: output.length - stream.outputLeft(), ended: last && status === streamEnd };
  }

  [Symbol.dispose](): void {
    if (this.#stream) this.#lib.end(this.#stream.memory);
    this.#stream = undefined;
  }

  #open(): StreamStruct {
    const stream = new StreamStruct(layout);
    const status = this.#lib.start(stream.memory, 0, 0);
    if (status !== 0) throw new NarrowError('io', `cannot start libbz2: status ${status}`);
    this.#streams++;
    return stream;
  }

  #explain(status: number, read: number): NarrowError {
    if (status === -3) return new NarrowError('io', 'out of memory in libbz2');
    if (status === -5 && this.#streams > 1) return this.#faults.trailing(this.#offset);
    return this.#faults.corrupt(this.#offset + read, complaints[status] ?? `status ${status} of libbz2`);
  }
}

export const bzip2: Codec = {
  name: 'bzip2',
  suffix: '.bz2',
  decode: (source, options) => {
    const faults = faultsOf('bzip2', options.source);
    return throughStepper(() => new Bzip2Stepper(faults), source, faults, options.signal);
  },
};

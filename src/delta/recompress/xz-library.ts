// liblzma, called synchronously: one buffer in, one out (lzma/base.h, lzma/container.h, lzma/filter.h, lzma/lzma12.h).

import { NarrowError } from '../../errors.ts';
import { StreamStruct, ffi, loadLibrary } from '../../format/compression/native.ts';
import type { StreamLayout } from '../../format/compression/native.ts';
import { pinned, pinnedView } from './packer.ts';

const layout: StreamLayout = { size: 136, input: 0, inputLeft: 8, output: 24, outputLeft: 32 };
const finish = 3;
const streamEnd = 1;
const lzma2 = 0x21n;
/** Ends a chain of filters. */
const noFilter = 0xffffffffffffffffn;

/** How a stream was made, as far as its bytes depend on it. */
export interface XzParameters {
  /** 0 to 9, plus {@link extreme}. */
  readonly preset: number;
  /** Bytes. */
  readonly dictionary: number;
  /** lzma_check: 0 none, 1 CRC32, 4 CRC64, 10 SHA-256. */
  readonly check: number;
  /** By the encoder for several threads, which writes sizes into the header of a block. */
  readonly threaded: boolean;
}

/** Added to a preset for `xz -e`, as it is counted here; liblzma has it in the highest bit. */
export const extreme = 16;

type Call = (...args: unknown[]) => number;

export interface XzLibrary {
  readonly version: string;
  pack(contents: Uint8Array, parameters: XzParameters, limit: number): Uint8Array | undefined;
  expand(bytes: Uint8Array, size: number): Uint8Array | undefined;
}

class Liblzma implements XzLibrary {
  readonly version: string;
  readonly #preset: Call;
  readonly #single: Call;
  readonly #threaded: Call;
  readonly #decoder: Call;
  readonly #code: Call;
  readonly #end: Call;

  constructor() {
    const library = loadLibrary('liblzma.so.5', 'xz', 'liblzma5');
    this.version = (library.func('lzma_version_string', 'str', []) as () => string)();
    this.#preset = library.func('lzma_lzma_preset', 'bool', ['void *', 'uint32_t']) as Call;
    this.#single = library.func('lzma_stream_encoder', 'int', ['void *', 'void *', 'int']) as Call;
    this.#threaded = library.func('lzma_stream_encoder_mt', 'int', ['void *', 'void *']) as Call;
    this.#decoder = library.func('lzma_stream_decoder', 'int', ['void *', 'uint64_t', 'uint32_t']) as Call;
    this.#code = library.func('lzma_code', 'int', ['void *', 'int']) as Call;
    this.#end = library.func('lzma_end', 'void', ['void *']) as Call;
  }

  pack(contents: Uint8Array, parameters: XzParameters, limit: number): Uint8Array | undefined {
    const options = pinned(128).fill(0);
    const preset = parameters.preset % extreme;
    if (this.#preset(options, preset + (parameters.preset >= extreme ? 2 ** 31 : 0))) return undefined;
    options.writeUInt32LE(parameters.dictionary, 0);
    const filters = pinned(128).fill(0);
    filters.writeBigUInt64LE(lzma2, 0);
    filters.writeBigUInt64LE(ffi().address(options), 8);
    filters.writeBigUInt64LE(noFilter, 16);
    return this.#run(contents, limit, (stream) => {
      if (!parameters.threaded) return this.#single(stream, filters, parameters.check);
      // lzma_mt: threads at 4, filters at 24, check at 32
      const threads = pinned(128).fill(0);
      threads.writeUInt32LE(1, 4);
      threads.writeBigUInt64LE(ffi().address(filters), 24);
      threads.writeUInt32LE(parameters.check, 32);
      return this.#threaded(stream, threads);
    });
  }

  expand(bytes: Uint8Array, size: number): Uint8Array | undefined {
    const contents = this.#run(bytes, size, (stream) => this.#decoder(stream, decoderMemory, 0));
    return contents?.length === size ? contents : undefined;
  }

  /** Undefined unless all of the input becomes at most `limit` bytes. */
  #run(bytes: Uint8Array, limit: number, start: (stream: Buffer) => number): Uint8Array | undefined {
    const stream = new StreamStruct(layout);
    if (start(stream.memory) !== 0) return undefined;
    try {
      const input = pinnedView(bytes);
      // a place too many, so that what is too long is seen
      const output = pinned(limit + 1);
      stream.aim(input, output);
      let status = 0;
      while (status === 0 && stream.outputLeft() > 0) status = this.#code(stream.memory, finish);
      const whole = status === streamEnd && stream.inputLeft() === 0 && stream.outputLeft() > 0;
      return whole ? output.subarray(0, output.length - stream.outputLeft()) : undefined;
    } finally {
      this.#end(stream.memory);
    }
  }
}

/** As much as xz -9 needs. */
const decoderMemory = 80n * 1024n * 1024n;

let loaded: XzLibrary | undefined | null;

/** Undefined where this machine has no liblzma. */
export function xzLibrary(): XzLibrary | undefined {
  if (loaded === undefined) {
    try {
      loaded = new Liblzma();
    } catch (error) {
      if (!(error instanceof NarrowError)) throw error;
      loaded = null;
    }
  }
  return loaded ?? undefined;
}

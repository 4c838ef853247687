// zstd itself, to be called synchronously with every parameter: by the system's library, as the zstd program does it, and by
// Node's own for contents whose size is told beforehand. Versions differ in their bytes.

import { constants, zstdCompressSync } from 'node:zlib';
import { ffi, loadLibrary } from '../../format/compression/native.ts';
import { hasLibzstd } from '../../format/compression/zstd-native.ts';
import { pinned, pinnedView } from './packer.ts';

/** How a frame was made, as far as its bytes depend on it. */
export interface ZstdParameters {
  readonly level: number;
  readonly checksum: boolean;
  /** The size of the contents was known at the start, as it is for a file and not for a pipe. */
  readonly sized: boolean;
  /** By the code for several threads, which the zstd program uses even for one. */
  readonly threaded: boolean;
  /** Long-distance matching with a window of 2^this bytes; 0: none. */
  readonly long: number;
}

export interface ZstdEngine {
  readonly version: string;
  /** Packs all contents; undefined when more than `limit` bytes come out, or it cannot. */
  pack(contents: Uint8Array, parameters: ZstdParameters, limit: number): Uint8Array | undefined;
  /** The beginning of what `pack` would give, from the first `length` bytes of the contents. */
  begin(contents: Uint8Array, parameters: ZstdParameters, length: number): Uint8Array | undefined;
}

type Call = (...args: unknown[]) => number;

const settings = { level: 100, windowLog: 101, long: 160, checksum: 201, workers: 400 } as const;
const directives = { goOn: 0, flush: 1, end: 2 } as const;
/** The two buffer structures: pointer, size, position each. */
const [inputAt, outputAt] = [0, 32];
/** As the program feeds it. */
const stepSize = 128 * 1024;

class Library implements ZstdEngine {
  readonly version: string;
  readonly #create: () => bigint;
  readonly #free: Call;
  readonly #set: Call;
  readonly #setSize: Call;
  readonly #compress: Call;

  constructor() {
    const library = loadLibrary('libzstd.so.1', 'zstd', 'libzstd1');
    const handle = 'uintptr_t';
    this.version = (library.func('ZSTD_versionString', 'str', []) as () => string)();
    this.#create = library.func('ZSTD_createCCtx', handle, []) as () => bigint;
    this.#free = library.func('ZSTD_freeCCtx', 'int64_t', [handle]) as Call;
    this.#set = library.func('ZSTD_CCtx_setParameter', 'int64_t', [handle, 'int', 'int']) as Call;
    this.#setSize = library.func('ZSTD_CCtx_setPledgedSrcSize', 'int64_t', [handle, 'uint64_t']) as Call;
    this.#compress = library.func('ZSTD_compressStream2', 'int64_t', [handle, handle, handle, 'int']) as Call;
  }

  pack(contents: Uint8Array, parameters: ZstdParameters, limit: number): Uint8Array | undefined {
    return this.#run(contents, parameters, contents.length, limit, directives.end);
  }

  begin(contents: Uint8Array, parameters: ZstdParameters, length: number): Uint8Array | undefined {
    return this.#run(contents, parameters, length, length + 4096, directives.flush);
  }

  #run(
    contents: Uint8Array,
    { level, checksum, sized, threaded, long }: ZstdParameters,
    length: number,
    limit: number,
    last: number,
  ): Uint8Array | undefined {
    const context = this.#create();
    try {
      const wanted: [number, number][] = [[settings.level, level]];
      if (checksum) wanted.push([settings.checksum, 1]);
      if (threaded) wanted.push([settings.workers, 1]);
      if (long > 0) wanted.push([settings.long, 1], [settings.windowLog, long]);
      if (wanted.some(([setting, value]) => this.#set(context, setting, value) < 0)) return undefined;
      if (sized && this.#setSize(context, contents.length) < 0) return undefined;
      return this.#feed(context, pinnedView(contents.subarray(0, length)), limit, last, sized);
    } finally {
      this.#free(context);
    }
  }

  /** `last` comes with the last bytes where it is known that they are, and after them otherwise: the frame shows it. */
  #feed(context: bigint, input: Buffer, limit: number, last: number, sized: boolean): Uint8Array | undefined {
    const output = pinned(limit);
    const buffers = pinned(64).fill(0);
    buffers.writeBigUInt64LE(ffi().address(input), inputAt);
    buffers.writeBigUInt64LE(ffi().address(output), outputAt);
    buffers.writeBigUInt64LE(BigInt(limit), outputAt + 8);
    const base = ffi().address(buffers);
    const position = (at: number): number => Number(buffers.readBigUInt64LE(at + 16));
    for (let fed = 0; ;) {
      fed = Math.min(fed + stepSize, input.length);
      buffers.writeBigUInt64LE(BigInt(fed), inputAt + 8);
      const directive = fed === input.length && (sized || position(inputAt) === fed) ? last : directives.goOn;
      const left = this.#compress(context, base + BigInt(outputAt), base, directive);
      if (left < 0) return undefined;
      if (directive === last && left === 0) return output.subarray(0, position(outputAt));
      if (position(outputAt) === limit) return undefined;
      // what was fed has to be taken before more comes
      if (position(inputAt) < fed) fed = Math.max(fed - stepSize, 0);
    }
  }
}

/** Node's own: only whole, and only where the size is known at the start. */
const builtIn: ZstdEngine = {
  version: process.versions['zstd'] ?? '',
  pack(contents, { level, checksum, sized, threaded, long }, limit) {
    if (!sized) return undefined;
    const params: Record<number, number> = { [constants.ZSTD_c_compressionLevel]: level };
    if (checksum) params[constants.ZSTD_c_checksumFlag] = 1;
    if (threaded) params[constants.ZSTD_c_nbWorkers] = 1;
    if (long > 0) {
      params[constants.ZSTD_c_enableLongDistanceMatching] = 1;
      params[constants.ZSTD_c_windowLog] = long;
    }
    try {
      const packed = zstdCompressSync(contents, { params, maxOutputLength: Math.max(limit, 1) });
      return packed.length <= limit ? packed : undefined;
    } catch {
      return undefined;
    }
  },
  begin: () => undefined,
};

let found: readonly ZstdEngine[] | undefined;

/** The engines of this process, the library first; of each version one. */
export function zstdEngines(): readonly ZstdEngine[] {
  if (!found) {
    const engines = hasLibzstd() ? [new Library()] : [];
    found = [...engines, ...(engines.some(({ version }) => version === builtIn.version) ? [] : [builtIn])];
  }
  return found;
}

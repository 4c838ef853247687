// Zstandard by libzstd (zstd.h): a fifth faster than the one in Node, which lacks its assembly.

import { NarrowError, isNarrowError } from '../../errors.ts';
import type { DecodeOptions, EncodeOptions, Faults } from './codec.ts';
import type { ByteSource } from '../../bytes/source.ts';
import { faultsOf } from './codec.ts';
import { encodeFrames } from './frames.ts';
import type { FrameCompressor } from './frames.ts';
import { StreamStruct, loadLibrary, onThread, throughStepper, throughStepperNow } from './native.ts';
import type { Library, Step, Stepper, StreamLayout } from './native.ts';

/** ZSTD_inBuffer and ZSTD_outBuffer side by side: pointer, size, position each. */
const layout: StreamLayout = { size: 64, input: 0, inputLeft: 8, output: 32, outputLeft: 40 };
const inputBuffer = { start: 0, position: 16 };
const outputBuffer = { start: 32, position: 48 };
const parameters = { level: 100, checksum: 201, workers: 400 };
const endOf = { goOn: 0, end: 2 };

type Call = (...args: unknown[]) => number;

interface Zstd {
  readonly createEncoder: () => bigint;
  readonly createDecoder: () => bigint;
  readonly freeEncoder: Call;
  readonly freeDecoder: Call;
  readonly set: Call;
  readonly setSize: Call;
  readonly encode: (...args: unknown[]) => Promise<number>;
  readonly decode: (...args: unknown[]) => Promise<number>;
  readonly decodeNow: Call;
  readonly resetDecoder: Call;
  readonly setDecoder: Call;
  readonly decoderMemory: Call;
  readonly frame: (...args: unknown[]) => Promise<number>;
  readonly errorName: (code: number) => string;
}

let loaded: Zstd | undefined | null;

/** Whether this machine has the library. */
export function hasLibzstd(): boolean {
  return libzstd() !== undefined;
}

function libzstd(): Zstd | undefined {
  if (loaded !== undefined) return loaded ?? undefined;
  try {
    loaded = canBindDeeply() ? bind(loadLibrary('libzstd.so.1', 'zstd', 'libzstd1')) : null;
  } catch (error) {
    if (!isNarrowError(error, 'unsupported')) throw error;
    loaded = null;
  }
  return loaded ?? undefined;
}

/**
 * Node carries a zstd whose symbols would take the place of the library's within itself, two versions mixed. Only glibc can
 * keep them apart (RTLD_DEEPBIND); musl ignores the flag.
 */
function canBindDeeply(): boolean {
  const { report } = process;
  Object.assign(report, { excludeNetwork: true });
  const { header } = report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime !== undefined;
}

/** Sizes are read as signed: zstd's errors are the greatest of them, and so become negative. */
function bind(library: Library): Zstd {
  const handle = 'uintptr_t';
  const stream = [handle, handle, handle];
  const decode = library.func('ZSTD_decompressStream', 'int64_t', stream);
  return {
    createEncoder: library.func('ZSTD_createCCtx', handle, []) as () => bigint,
    createDecoder: library.func('ZSTD_createDCtx', handle, []) as () => bigint,
    freeEncoder: library.func('ZSTD_freeCCtx', 'int64_t', [handle]) as Call,
    freeDecoder: library.func('ZSTD_freeDCtx', 'int64_t', [handle]) as Call,
    set: library.func('ZSTD_CCtx_setParameter', 'int64_t', [handle, 'int', 'int']) as Call,
    setSize: library.func('ZSTD_CCtx_setPledgedSrcSize', 'int64_t', [handle, 'uint64_t']) as Call,
    encode: onThread(library.func('ZSTD_compressStream2', 'int64_t', [...stream, 'int'])),
    decode: onThread(decode),
    decodeNow: decode as Call,
    decoderMemory: library.func('ZSTD_sizeof_DCtx', 'int64_t', [handle]) as Call,
    setDecoder: library.func('ZSTD_DCtx_setParameter', 'int64_t', [handle, 'int', 'int']) as Call,
    resetDecoder: library.func('ZSTD_DCtx_reset', 'int64_t', [handle, 'int']) as Call,
    frame: onThread(library.func('ZSTD_compress2', 'int64_t', [handle, 'void *', 'size_t', 'void *', 'size_t'])),
    errorName: library.func('ZSTD_getErrorName', 'str', ['int64_t']) as (code: number) => string,
  };
}

/** What encoder and decoder share: the two buffer structures and a context. */
abstract class ZstdStepper implements Stepper {
  protected readonly lib: Zstd = libzstd()!;
  protected readonly context: bigint;
  readonly #buffers = new StreamStruct(layout);
  readonly #free: Call;

  constructor(context: bigint, free: Call) {
    this.context = context;
    this.#free = free;
  }

  protected async call(
    input: Buffer,
    output: Buffer,
    run: (out: bigint, input: bigint) => Promise<number>,
  ): Promise<{ readonly read: number; readonly written: number; readonly result: number }> {
    return this.done(await run(...this.aim(input, output)));
  }

  /** Where the library finds the output, and the input. */
  protected aim(input: Buffer, output: Buffer): [out: bigint, input: bigint] {
    const { memory } = this.#buffers;
    this.#buffers.aim(input, output);
    memory.writeBigUInt64LE(0n, inputBuffer.position);
    memory.writeBigUInt64LE(0n, outputBuffer.position);
    const base = this.#buffers.address();
    return [base + BigInt(outputBuffer.start), base + BigInt(inputBuffer.start)];
  }

  /** What the library did. */
  protected done(result: number): { readonly read: number; readonly written: number; readonly result: number } {
    const at = (offset: number): number => Number(this.#buffers.memory.readBigUInt64LE(offset));
    return { read: at(inputBuffer.position), written: at(outputBuffer.position), result };
  }

  abstract step(input: Buffer, output: Buffer, last: boolean): Promise<Step>;

  [Symbol.dispose](): void {
    this.#free(this.context);
  }
}

class Encoder extends ZstdStepper {
  constructor({ level = 3, threads = 1, size }: EncodeOptions) {
    const lib = libzstd()!;
    super(lib.createEncoder(), lib.freeEncoder);
    this.#check(lib.set(this.context, parameters.level, level));
    this.#check(lib.set(this.context, parameters.checksum, 1));
    // a libzstd without threads refuses; one thread is as right
    if (threads > 1) lib.set(this.context, parameters.workers, threads);
    if (size !== undefined) this.#check(lib.setSize(this.context, size));
  }

  async step(input: Buffer, output: Buffer, last: boolean): Promise<Step> {
    const directive = last ? endOf.end : endOf.goOn;
    const { read, written, result } = await this.call(input, output, (out, from) =>
      this.lib.encode(this.context, out, from, directive),
    );
    this.#check(result);
    return { read, written, ended: last && result === 0 };
  }

  #check(result: number): void {
    if (result < 0) throw new NarrowError('io', `libzstd cannot compress: ${this.lib.errorName(result)}`);
  }
}

/** Decoders for the next stream: their windows are memory that was touched already. */
const idleDecoders: bigint[] = [];
const MOST_IDLE = 4;
/** Bytes of a decoder that is worth keeping; one that met a great window has that much memory. */
const MOST_MEMORY = 16 << 20;
const resetSession = 1;

function keepDecoder(decoder: unknown): number {
  const lib = libzstd()!;
  if (idleDecoders.length === MOST_IDLE || lib.decoderMemory(decoder) > MOST_MEMORY) return lib.freeDecoder(decoder);
  idleDecoders.push(decoder as bigint);
  return lib.resetDecoder(decoder, resetSession);
}

const windowLogMax = 100;

/** A decoder for streams whose windows have at most 2 to `windowLog` bytes. */
export function decoderWithin(windowLog: number): Stepper {
  const lib = libzstd()!;
  const context = lib.createDecoder();
  lib.setDecoder(context, windowLogMax, windowLog);
  return new Decoder(faultsOf('zstd', undefined), context, lib.freeDecoder);
}

class Decoder extends ZstdStepper {
  readonly #faults: Faults;
  #offset = 0;
  /** Bytes the library would like next; 0 after the end of a frame. */
  #wanted = 1;

  constructor(faults: Faults, context = idleDecoders.pop() ?? libzstd()!.createDecoder(), free: Call = keepDecoder) {
    super(context, free);
    this.#faults = faults;
  }

  async step(input: Buffer, output: Buffer, last: boolean): Promise<Step> {
    if (last && this.#wanted === 0) return { read: 0, written: 0, ended: true };
    return this.#took(await this.call(input, output, (out, from) => this.lib.decode(this.context, out, from)), last);
  }

  stepNow(input: Buffer, output: Buffer, last: boolean): Step {
    if (last && this.#wanted === 0) return { read: 0, written: 0, ended: true };
    return this.#took(this.done(this.lib.decodeNow(this.context, ...this.aim(input, output))), last);
  }

  #took({ read, written, result }: ReturnType<Decoder['done']>, last: boolean): Step {
    if (result < 0) throw this.#explain(result, read);
    this.#offset += read;
    this.#wanted = result;
    return { read, written, ended: last && result === 0 };
  }

  #explain(result: number, read: number): NarrowError {
    if (this.#wanted === 0) return this.#faults.trailing(this.#offset);
    return this.#faults.corrupt(this.#offset + read, this.lib.errorName(result));
  }
}

/** Up to this level a window is at most 4 MiB: cutting into frames costs less than a percent. */
const framedLevel = 9;

export function encodeByLibrary(source: ByteSource, options: EncodeOptions): ByteSource {
  const { level = 3, signal } = options;
  if (level <= framedLevel) return encodeFrames(() => new FrameEncoder(level), source, options);
  return throughStepper(() => new Encoder(options), source, faultsOf('zstd', undefined), signal);
}

/** Compresses whole frames, one call each: without zstd's own copies of input and output a sixth faster. */
class FrameEncoder implements FrameCompressor {
  readonly #lib = libzstd()!;
  readonly #context: bigint;

  constructor(level: number) {
    this.#context = this.#lib.createEncoder();
    this.#check(this.#lib.set(this.#context, parameters.level, level));
    this.#check(this.#lib.set(this.#context, parameters.checksum, 1));
  }

  bound(size: number): number {
    // ZSTD_COMPRESSBOUND
    return size + (size >> 8) + (size < 1 << 17 ? ((1 << 17) - size) >> 11 : 0);
  }

  async compress(input: Buffer, output: Buffer): Promise<number> {
    return this.#check(await this.#lib.frame(this.#context, output, output.length, input, input.length));
  }

  [Symbol.dispose](): void {
    this.#lib.freeEncoder(this.#context);
  }

  #check(result: number): number {
    if (result < 0) throw new NarrowError('io', `libzstd cannot compress: ${this.#lib.errorName(result)}`);
    return result;
  }
}

/** A source that answers at once is decoded at once, in this thread. */
export function decodeByLibrary(source: ByteSource, options: DecodeOptions): ByteSource {
  const faults = faultsOf('zstd', options.source);
  if (Symbol.iterator in source) return throughStepperNow(() => new Decoder(faults), source, faults, options.signal);
  return throughStepper(() => new Decoder(faults), source, faults, options.signal);
}

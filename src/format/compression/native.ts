// Compression by the system's own libraries (liblzma, libbz2, liblz4), called through FFI on Node's thread pool: the very
// code Nix uses, at its speed, with nothing to install. Why not a package or the xz program: docs/decisions/xz-library.md.

import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { NarrowError } from '../../errors.ts';
import { staged } from './codec.ts';
import type { Faults } from './codec.ts';
import type { ByteSource } from '../../bytes/source.ts';

/** A C function; `async` runs it on the thread pool and calls the last argument with error and result. */
export interface NativeFunction {
  (...args: unknown[]): unknown;
  async(...args: unknown[]): void;
}

export interface Library {
  func(name: string, result: string, args: readonly string[]): NativeFunction;
}

/** The part of koffi that is used here. */
interface Koffi {
  load(path: string, options: { readonly deep: boolean }): Library;
  address(buffer: Buffer): bigint;
}

let koffi: Koffi | undefined;

/** The FFI library; loaded when first needed, which takes 10 ms. */
export function ffi(): Koffi {
  koffi ??= createRequire(import.meta.url)('koffi') as Koffi;
  return koffi;
}

/**
 * Opens a shared library by its soname, first in the directories of NARROW_LIBRARY_PATH, then where the system's loader
 * looks. `unsupported` when it is not there; `encoding` and `debian` (its package) are for the message.
 */
export function loadLibrary(soname: string, encoding: string, debian: string): Library {
  const dirs = (process.env['NARROW_LIBRARY_PATH'] ?? '').split(delimiter).filter((dir) => dir !== '');
  let cause: unknown;
  for (const file of [...dirs.map((dir) => join(dir, soname)), soname]) {
    try {
      // Node exports symbols of its own zstd, zlib and brotli: without `deep` a library's calls to itself would end there
      return ffi().load(file, { deep: true });
    } catch (error) {
      cause = error;
    }
  }
  throw new NarrowError('unsupported', `${encoding} needs the library ${soname}, which is not found`, {
    cause,
    hint: `install it (Debian: ${debian}) or name its directory in NARROW_LIBRARY_PATH`,
    data: { encoding, library: soname },
  });
}

/** What one call of a library did, in bytes. */
export interface Step {
  readonly read: number;
  readonly written: number;
  /** The stream is complete. After it more input may only follow where the format has several streams. */
  readonly ended: boolean;
}

/** A stream being coded by a library. Disposed only between steps. */
export interface Stepper extends Disposable {
  /** Works on `input` (untouched until the promise resolves); `last`: no more will come. Throws what is wrong with it. */
  step(input: Buffer, output: Buffer, last: boolean): Promise<Step>;
}

const outputSize = 256 * 1024;
const nothing = Buffer.alloc(0);

/** Runs a stepper over a whole source. The output buffer is used again for each chunk. */
export async function* throughStepper(
  open: () => Stepper,
  source: ByteSource,
  faults: Faults,
  signal?: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  using stepper = open();
  const output = Buffer.allocUnsafeSlow(outputSize);
  let offset = 0;
  for await (const input of ahead(staged(source, signal))) {
    for (let at = 0; at < input.length;) {
      const { read, written } = await stepper.step(at === 0 ? input : input.subarray(at), output, false);
      if (written > 0) yield output.subarray(0, written);
      else if (read === 0) throw faults.trailing(offset);
      at += read;
      offset += read;
    }
  }
  for (let ended = false; !ended;) {
    const step = await stepper.step(nothing, output, true);
    if (step.written > 0) yield output.subarray(0, step.written);
    else if (!step.ended) throw faults.truncated(offset);
    ended = step.ended;
  }
}

/** A stream being decoded in the calling thread. */
export interface ImmediateStepper extends Disposable {
  stepNow(input: Buffer, output: Buffer, last: boolean): Step;
}

/** Output buffers for the next stream: fresh ones count as external memory, which makes the collector run. */
const spare: Buffer[] = [];

/** Runs a stepper over a source that answers at once, and answers at once itself: for threads of their own. */
export function* throughStepperNow(
  open: () => ImmediateStepper,
  source: Iterable<Uint8Array>,
  faults: Faults,
  signal?: AbortSignal,
): Generator<Buffer, void, undefined> {
  using stepper = open();
  const output = spare.pop() ?? Buffer.allocUnsafeSlow(outputSize);
  let offset = 0;
  try {
    for (const chunk of source) {
      signal?.throwIfAborted();
      const input = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      for (let at = 0; at < input.length;) {
        const { read, written } = stepper.stepNow(at === 0 ? input : input.subarray(at), output, false);
        if (written > 0) yield output.subarray(0, written);
        else if (read === 0) throw faults.trailing(offset);
        at += read;
        offset += read;
      }
    }
    for (let ended = false; !ended;) {
      const step = stepper.stepNow(nothing, output, true);
      if (step.written > 0) yield output.subarray(0, step.written);
      else if (!step.ended) throw faults.truncated(offset);
      ended = step.ended;
    }
  } finally {
    spare.push(output);
  }
}

/** Asks for the next staged buffer while the library still works on this one. */
async function* ahead(buffers: AsyncGenerator<Buffer, void, undefined>): AsyncGenerator<Buffer, void, undefined> {
  let next = buffers.next();
  try {
    for (;;) {
      const { value, done } = await next;
      if (done === true || value === undefined) return;
      next = buffers.next();
      // looked at when this buffer is done with; until then a failure is not unheard
      next.catch(() => {});
      yield value;
    }
  } finally {
    await next.catch(() => {});
    await buffers.return();
  }
}

/** A C function to be called on the thread pool. */
export function onThread(func: NativeFunction): (...args: unknown[]) => Promise<number> {
  return (...args) =>
    new Promise((resolve, reject) =>
      func.async(...args, (error: Error | null, result: number) => (error ? reject(error) : resolve(Number(result)))),
    );
}

/**
 * The stream structure that zlib, bzip2 and liblzma share in spirit: pointer and count of input, pointer and count of
 * output. `layout` has the byte offsets of the four.
 */
export interface StreamLayout {
  readonly size: number;
  readonly input: number;
  readonly inputLeft: number;
  readonly output: number;
  readonly outputLeft: number;
}

/** Such a structure in memory that stays where it is (more than 64 bytes: V8 keeps smaller ones on its moving heap). */
export class StreamStruct {
  readonly memory: Buffer;
  readonly #layout: StreamLayout;

  constructor(layout: StreamLayout) {
    this.memory = Buffer.allocUnsafeSlow(Math.max(layout.size, 128)).fill(0);
    this.#layout = layout;
  }

  address(): bigint {
    return ffi().address(this.memory);
  }

  aim(input: Buffer, output: Buffer): void {
    const { memory } = this;
    memory.writeBigUInt64LE(input.length === 0 ? 0n : ffi().address(input), this.#layout.input);
    memory.writeUInt32LE(input.length, this.#layout.inputLeft);
    memory.writeBigUInt64LE(ffi().address(output), this.#layout.output);
    memory.writeUInt32LE(output.length, this.#layout.outputLeft);
  }

  inputLeft(): number {
    return this.memory.readUInt32LE(this.#layout.inputLeft);
  }

  outputLeft(): number {
    return this.memory.readUInt32LE(this.#layout.outputLeft);
  }
}

// Reads the stream of fresh contents by the system's libzstd, on the thread pool, into two buffers that are used again and again:
// one is read while the other is filled.

import type { Place } from '../errors.ts';
import type { Stepper } from '../format/compression/native.ts';
import { decoderWithin } from '../format/compression/zstd-native.ts';
import { badContents, shortContents } from './solid-decoder.ts';
import type { SolidDecoder } from './solid-decoder.ts';
import { windowLog } from './solid.ts';

/** Most blocks of contents lie in one of these, and need not be put together. */
const outputSize = 1024 * 1024;
const nothing = Buffer.alloc(0);

export class LibrarySolidDecoder implements SolidDecoder {
  readonly #inputs: Buffer[] = [];
  #stepper: Stepper | undefined;
  /** The buffer that is being read, and the other. */
  #outputs: [Buffer, Buffer] | undefined;
  /** What is left to read. */
  #ready: Buffer = nothing;
  /** There may be more output without more input. */
  #full = false;
  #ended = false;
  /** What comes next, under way in the other buffer. */
  #next: Promise<Buffer> | undefined;
  #joined: Buffer = nothing;

  feed(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#stepper ??= decoderWithin(windowLog);
    this.#outputs ??= [Buffer.allocUnsafeSlow(outputSize), Buffer.allocUnsafeSlow(outputSize)];
    this.#inputs.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    this.#goOn();
  }

  async read(size: number, place: Place): Promise<Buffer> {
    if (this.#ready.length < size) return this.#join(size, place);
    const taken = this.#ready.subarray(0, size);
    this.#ready = this.#ready.subarray(size);
    return taken;
  }

  async drained(): Promise<boolean> {
    if (this.#ready.length === 0) await this.#turn();
    return this.#ready.length === 0;
  }

  [Symbol.dispose](): void {
    const stepper = this.#stepper;
    // whoever is still reading begins nothing more with it
    this.#stepper = undefined;
    this.#inputs.length = 0;
    void Promise.allSettled([this.#next]).then(() => stepper?.[Symbol.dispose]());
  }

  async #join(size: number, place: Place): Promise<Buffer> {
    if (this.#joined.length < size) this.#joined = Buffer.allocUnsafeSlow(size);
    const joined = this.#joined.subarray(0, size);
    for (let at = 0; at < size;) {
      if (this.#ready.length === 0)
        await this.#turn().catch((error: unknown) => {
          throw badContents(place, error as Error);
        });
      if (this.#ready.length === 0)
        throw this.#ended ? badContents(place, new Error('the frame ends')) : shortContents(place, size, at);
      const part = this.#ready.subarray(0, size - at);
      joined.set(part, at);
      at += part.length;
      this.#ready = this.#ready.subarray(part.length);
    }
    return joined;
  }

  /** Exchanges the buffers: nothing is left to read in the one, the other has been filled as far as there is input. */
  async #turn(): Promise<void> {
    this.#goOn();
    const { promise, outputs } = { promise: this.#next, outputs: this.#outputs };
    if (!promise || !outputs) return;
    this.#ready = await promise.finally(() => (this.#next = undefined));
    this.#outputs = [outputs[1], outputs[0]];
    this.#goOn();
  }

  #goOn(): void {
    if (this.#next || this.#ended || !this.#stepper || (this.#inputs.length === 0 && !this.#full)) return;
    this.#next = this.#fill(this.#outputs![1], this.#stepper);
    // whoever reads on learns of it
    this.#next.catch(() => {});
  }

  async #fill(output: Buffer, stepper: Stepper): Promise<Buffer> {
    let filled = 0;
    do {
      const input = this.#inputs[0] ?? nothing;
      const { read, written, ended } = await stepper.step(input, output.subarray(filled), true);
      filled += written;
      this.#full = filled === output.length;
      this.#ended = ended;
      if (read === input.length) this.#inputs.shift();
      else this.#inputs[0] = input.subarray(read);
    } while (!this.#full && !this.#ended && this.#inputs.length > 0);
    return output.subarray(0, filled);
  }
}

// Bytes gathered in blocks that are used again and again: large buffers that are thrown away stay in memory until the
// collector comes, and that may be long.

import { blockSize } from './layout.ts';

/** Blocks that nobody uses. */
export class BlockPool {
  readonly #free: Buffer[] = [];

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(blockSize);
  }

  give(blocks: readonly Buffer[]): void {
    this.#free.push(...blocks);
  }
}

/** A growing string of bytes in blocks of a pool. */
export class Blocks {
  readonly #pool: BlockPool;
  #blocks: Buffer[] = [];
  #size = 0;

  constructor(pool: BlockPool) {
    this.#pool = pool;
  }

  get size(): number {
    return this.#size;
  }

  /** Appends a copy of `bytes`. */
  add(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const used = this.#size % blockSize;
      if (used === 0) this.#blocks.push(this.#pool.take());
      const part = bytes.subarray(at, at + blockSize - used);
      this.#blocks.at(-1)!.set(part, used);
      this.#size += part.length;
      at += part.length;
    }
  }

  /** Moves all to the end of `other`. */
  moveTo(other: Blocks): void {
    for (const part of this.parts()) other.add(part);
    this.drop();
  }

  /** The bytes in order; borrowed until they are dropped. */
  *parts(): Generator<Buffer, void> {
    for (const [i, block] of this.#blocks.entries())
      yield block.subarray(0, Math.min(blockSize, this.#size - i * blockSize));
  }

  /** Hands the bytes over to whoever is returned, and begins again. */
  take(): Blocks {
    const taken = new Blocks(this.#pool);
    taken.#blocks = this.#blocks;
    taken.#size = this.#size;
    this.#blocks = [];
    this.#size = 0;
    return taken;
  }

  /** Forgets the bytes; their blocks may be used again. */
  drop(): void {
    this.#pool.give(this.#blocks);
    this.#blocks = [];
    this.#size = 0;
  }
}

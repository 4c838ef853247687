// What a conversation needs of a connection: bytes in, bytes out. Who makes it (a socket, a child process, two pipes in
// memory) is transport's business; here nothing is known of hosts or processes.

import type { ByteSource } from '../bytes/source.ts';

export interface Duplex extends AsyncDisposable {
  /** What the other side is called in errors: `the Nix daemon at …`, `ssh://pi1`. */
  readonly name: string;
  /** Throws `unavailable`, with whatever is known about the reason, when the other side ends before {@link end} was called. */
  readonly input: ByteSource;
  /** Resolves when the chunk may be reused. Chunks go out in the order of the calls. */
  write(chunk: Uint8Array): Promise<void>;
  /** Nothing more will be written; what comes can still be read. */
  end(): void;
  /** Ends both directions at once. */
  destroy(): void;
}

/** Joins small writes into big ones; large chunks go through uncopied. */
export class Output {
  readonly #duplex: Duplex;
  #buffer: Buffer = Buffer.allocUnsafe(joinSize);
  #length = 0;
  #scheduled = false;

  constructor(duplex: Duplex) {
    this.#duplex = duplex;
  }

  /** Resolves when the chunk may be reused; waits while the line is full. */
  async write(chunk: Uint8Array): Promise<void> {
    if (this.#length + chunk.length > this.#buffer.length) await this.flush();
    if (chunk.length >= this.#buffer.length) return this.#duplex.write(chunk);
    this.#buffer.set(chunk, this.#length);
    this.#length += chunk.length;
  }

  /** Hands everything on. */
  async flush(): Promise<void> {
    if (this.#length === 0) return;
    const full = this.#buffer.subarray(0, this.#length);
    this.#buffer = Buffer.allocUnsafe(joinSize);
    this.#length = 0;
    await this.#duplex.write(full);
  }

  /** Hands everything on once the current turn of the event loop is over, so that requests made together travel together. */
  flushSoon(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      // a line that is broken shows itself to whoever waits for its answers
      this.flush().catch(() => {});
    });
  }
}

const joinSize = 64 * 1024;

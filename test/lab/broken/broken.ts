// What every broken input says of itself.

export interface Broken {
  /** Unique among its kind, fit for a test's title or a file name. */
  readonly name: string;
  /** What is wrong with it, in a few words. */
  readonly why: string;
  /** The current Nix takes it all the same; we do not. Absent: it refuses it too. */
  readonly nixAccepts?: true;
}

export interface BrokenBytes extends Broken {
  readonly bytes: Buffer;
}

/** Files to write (or, undefined, to delete) below a directory to break it. */
export interface BrokenFiles extends Broken {
  readonly files: ReadonlyMap<string, Buffer | undefined>;
}

export function u64(value: bigint | number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)));
  return bytes;
}

/** A string as NAR, export streams and the protocols have it: length, bytes, padding. */
export function string(value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([u64(bytes.length), bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8)]);
}

export type Part = string | Uint8Array | Raw;

/** Bytes that go in as they are. */
export class Raw {
  readonly bytes: Buffer;
  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes);
  }
}

/** Strings in a row. */
export function strings(...parts: Part[]): Raw {
  return new Raw(Buffer.concat(parts.map((part) => (part instanceof Raw ? part.bytes : string(part)))));
}

/** The bytes with one of them changed by `flip`. */
export function flipped(bytes: Uint8Array, offset: number, mask = 1): Buffer {
  const copy = Buffer.from(bytes);
  copy[offset] = (copy[offset] ?? 0) ^ mask;
  return copy;
}

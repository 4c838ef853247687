// A source that overwrites each chunk once the next is pulled: who keeps a borrowed chunk shows it by wrong bytes.

/** `bytes` in pieces of `size`, all in one buffer that is used again. */
export function* scribbling(bytes: Uint8Array, size: number): Generator<Uint8Array, void, undefined> {
  const buffer = Buffer.alloc(size);
  for (let at = 0; at < bytes.length; at += size) {
    const part = bytes.subarray(at, at + size);
    buffer.set(part);
    yield buffer.subarray(0, part.length);
    buffer.fill(0xaa);
  }
}

/** The same as an asynchronous source. */
export async function* scribblingLater(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array, void, undefined> {
  yield* scribbling(bytes, size);
}

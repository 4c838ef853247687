// Byte streams are async (or plain) iterables of chunks: `for await`, generators as stages, back-pressure for free.

/**
 * A stream of bytes. A chunk is *borrowed*: it is valid until the next one is pulled, because sources reuse their buffer.
 * Who keeps a chunk longer copies it. Leaving the loop early (break, throw) releases the source.
 */
export type ByteSource = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** A source that yields the given chunks. */
export function bytesOf(...chunks: readonly Uint8Array[]): ByteSource {
  return chunks;
}

/** Reads a whole source into one buffer; fails with `limit` exceeded rather than grow without bound. */
export async function collect(source: ByteSource, limit: number = Number.MAX_SAFE_INTEGER): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of source) {
    size += chunk.length;
    if (size > limit) throw new RangeError(`more than ${limit} bytes`);
    chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks, size);
}

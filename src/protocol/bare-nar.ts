// A NAR on the wire without length or end mark: it ends where its own grammar says. So it is parsed as it passes, which
// also keeps a damaged one from being read as the next reply.

import type { ByteReader } from '../bytes/reader.ts';
import { NarParser } from '../format/nar/parser.ts';
import { noVisitor } from '../format/nar/tree.ts';

/** The next NAR of `reader`, as borrowed chunks; the reader stands behind it afterwards. Throws `format`. */
export async function* bareNar(reader: ByteReader, name?: string): AsyncGenerator<Uint8Array, void, undefined> {
  const parser = new NarParser(noVisitor, name, reader.position);
  while (!parser.done) {
    const chunk = await reader.peek();
    if (!chunk) return parser.end();
    const used = parser.push(chunk);
    reader.consume(used);
    yield chunk.subarray(0, used);
  }
}

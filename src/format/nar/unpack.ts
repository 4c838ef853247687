// Unpacks a NAR into a sink: parser and sink joined, and the one decision that the format leaves open, whether bytes may
// follow the root's ")". In a file they are refused: a hash over the file and one over the NAR would differ.

import { ByteReader } from '../../bytes/reader.ts';
import type { ByteSource } from '../../bytes/source.ts';
import { NarParser } from './parser.ts';
import type { NarVisitor, TreeSink } from './tree.ts';

export interface ReadNarOptions {
  /** What the input is called in errors. */
  readonly name?: string | undefined;
  /** Ignore bytes after the end of the NAR, as `nix-store --restore` does. */
  readonly trailing?: 'refuse' | 'ignore';
}

/** Reads a NAR, telling `visitor` what is in it. Returns the size of the NAR in bytes. */
export async function readNar(
  source: ByteSource,
  visitor: NarVisitor,
  { name, trailing = 'refuse' }: ReadNarOptions = {},
): Promise<{ size: number }> {
  await using reader = new ByteReader(source, name);
  const parser = new NarParser(visitor, name);
  for (let chunk = await reader.peek(); chunk !== undefined; chunk = await reader.peek()) {
    reader.consume(parser.push(chunk));
    if (parser.done) break;
  }
  parser.end();
  if (trailing === 'refuse') await reader.expectEnd('the NAR');
  return { size: parser.position };
}

/**
 * Writes what the NAR in `source` describes to `sink`: finished when the NAR is well-formed to its end (and nothing follows,
 * unless told otherwise), aborted when anything fails. Returns the size of the NAR in bytes.
 */
export async function unpackNar(
  source: ByteSource,
  sink: TreeSink,
  options: ReadNarOptions = {},
): Promise<{ size: number }> {
  try {
    const result = await readNar(source, sink, options);
    sink.finish();
    return result;
  } catch (error) {
    sink.abort();
    throw error;
  }
}

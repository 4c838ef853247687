// Standard output for bytes that no person reads: NARs and export streams.

import { NarrowError, isNarrowError } from '../errors.ts';
import type { ByteSource } from '../bytes/source.ts';
import { Output } from '../fs/output.ts';

/** Throws `usage` when standard output is a terminal. */
export function expectNoTerminal(what: string, example: string): void {
  if (!process.stdout.isTTY) return;
  throw new NarrowError('usage', `${what} is not written to a terminal`, {
    hint: `name a file or a pipe: ${example}`,
  });
}

/**
 * Writes all of a source to standard output, as fast as its reader takes it. The source is made for the output, whose
 * buffers it may use. Returns the bytes written.
 */
export async function writeOut(open: (output: Output) => ByteSource, signal: AbortSignal): Promise<number> {
  try {
    await using output = new Output(1, 'standard output');
    await output.writeAll(stoppable(open(output), signal));
    await output.finish();
    return output.written;
  } catch (error) {
    // the reader has seen enough (`| head`)
    if (isNarrowError(error, 'io') && error.data['errno'] === 'EPIPE') process.exit(0);
    throw error;
  }
}

/** A source that answers at once stays one: it is written without an await for each chunk. */
function stoppable(source: ByteSource, signal: AbortSignal): ByteSource {
  return Symbol.iterator in source ? stoppableSync(source, signal) : stoppableAsync(source, signal);
}

function* stoppableSync(source: Iterable<Uint8Array>, signal: AbortSignal): Generator<Uint8Array> {
  for (const chunk of source) {
    signal.throwIfAborted();
    yield chunk;
  }
}

async function* stoppableAsync(source: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    signal.throwIfAborted();
    yield chunk;
  }
}

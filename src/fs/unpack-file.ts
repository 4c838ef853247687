// Unpacks a NAR that lies in a file. Only what stands between big files' contents passes through the parser; the contents
// themselves are copied from file to file, by other threads where that pays.

import { readSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { ioError, formatError } from '../errors.ts';
import { NarParser } from '../format/nar/parser.ts';
import type { DirectorySink } from './directory-sink.ts';
import { FileThreads, fileThreadsFor } from './file-threads.ts';

/** Read at a time where the structure is; small, since contents that follow it are read in vain. */
const WINDOW = 64 * 1024;
/** Contents of which more than this is ahead are left to threads: a hand-over takes 20 µs. */
const WORTH_HANDING_OVER = 32 * 1024;
/** Copies of one thread at a time, each with a descriptor. */
const COPIES_EACH = 24;
/** The event loop gets a turn each time this many bytes were passed, so that signals are heard. */
const TURN = 16 << 20;

/** The NAR that is all of a regular file of `size` bytes. */
export interface NarFile {
  readonly fd: number;
  /** What it is called in errors. */
  readonly name: string;
  readonly size: number;
}

/**
 * Writes the NAR in `file` to `sink`: finished when it is well-formed to its end, and nothing follows; aborted when
 * anything fails.
 */
export async function unpackFile(file: NarFile, sink: DirectorySink, signal?: AbortSignal): Promise<void> {
  await using threads = new FileThreads(fileThreadsFor(file.size), COPIES_EACH);
  try {
    await readStructure(file, sink, threads, signal);
    await threads.finish();
    sink.finish();
  } catch (error) {
    // nothing is removed under a thread that still writes it
    await threads[Symbol.asyncDispose]();
    sink.abort();
    throw error;
  }
}

async function readStructure(
  file: NarFile,
  sink: DirectorySink,
  threads: FileThreads,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { fd, name } = file;
  const parser = new NarParser(sink, name);
  const window = Buffer.allocUnsafeSlow(WINDOW);
  let turn = TURN;
  while (!parser.done) {
    const size = readAt(file, window, parser.position);
    if (size === 0) parser.end();
    const start = parser.position;
    const used = parser.push(size < WINDOW ? window.subarray(0, size) : window);
    if (parser.done && used < size) throw trailing(file, start + used);
    const ahead = parser.contentsAhead;
    if (ahead > WORTH_HANDING_OVER && parser.position + ahead <= file.size) {
      const to = sink.takeOver();
      const from = { fd, name, at: parser.position };
      parser.skip(ahead);
      threads.do({ type: 'copy', from, to, length: ahead, close: to.fd });
    }
    if (parser.position < turn) continue;
    turn += TURN;
    await setImmediate();
    signal?.throwIfAborted();
  }
  if (readAt(file, window, parser.position) > 0) throw trailing(file, parser.position);
}

function readAt({ fd, name }: NarFile, window: Buffer, at: number): number {
  try {
    return readSync(fd, window, 0, WINDOW, at);
  } catch (error) {
    throw ioError('read', name, error);
  }
}

function trailing({ name }: NarFile, offset: number): Error {
  return formatError('bytes after the end of the NAR', { source: name, offset }, { expected: 'the end of the input' });
}

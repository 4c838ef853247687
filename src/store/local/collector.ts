// Telling a running garbage collector of new roots: a line with the path over its socket, a byte `1` back, which comes late
// when the collector is just deleting that very path.

import { closeSync, constants, openSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { ioError } from '../../errors.ts';

/** Errors that say that the collector is not there yet, or has just gone: begin anew. */
const gone = new Set(['ENOENT', 'ECONNREFUSED', 'EPIPE', 'ECONNRESET', 'ENOTCONN']);

/** Socket addresses have room for 107 bytes. */
const ADDRESS_LIMIT = 107;

/** True when the collector has answered for each of `count` lines, false when there is none to talk to. Throws `io`. */
export async function tellCollector(
  stateDir: string,
  lines: string,
  count: number,
  signal?: AbortSignal,
): Promise<boolean> {
  using place = socketPlace(join(stateDir, 'gc-socket'));
  if (!place) return false;
  const socket = createConnection(place.path);
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const abort = (): void => reject(signal?.reason);
  signal?.addEventListener('abort', abort);
  let answers = 0;
  socket.on('data', (bytes) => {
    answers += bytes.length;
    if (answers >= count) resolve(true);
  });
  socket.on('end', () => resolve(false));
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (gone.has(error.code ?? '')) resolve(false);
    else reject(ioError('tell the garbage collector at', place.path, error));
  });
  socket.write(lines);
  try {
    return await promise;
  } finally {
    signal?.removeEventListener('abort', abort);
    socket.destroy();
  }
}

interface SocketPlace extends Disposable {
  readonly path: string;
}

/** The socket's path, through an open directory where it is too long. Undefined when the directory is not there. */
function socketPlace(directory: string): SocketPlace | undefined {
  const path = join(directory, 'socket');
  if (Buffer.byteLength(path) <= ADDRESS_LIMIT) return { path, [Symbol.dispose]() {} };
  try {
    const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
    return { path: `/proc/self/fd/${fd}/socket`, [Symbol.dispose]: () => closeSync(fd) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw ioError('open', directory, error);
  }
}

// Connections to Unix sockets.

import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { NarrowError } from '../errors.ts';
import type { Duplex } from '../protocol/duplex.ts';
import { streamDuplex } from './stream-duplex.ts';

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket',
  ECONNREFUSED: 'nobody listens there',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EINVAL: 'the name is too long for a socket',
};

/** Connects to the socket at `path`; `name` is what the other side is called in errors, `hint` goes with them. Throws `unavailable`. */
export async function connectUnix(path: string, name: string, signal?: AbortSignal, hint?: string): Promise<Duplex> {
  signal?.throwIfAborted();
  const socket = connect(path);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once('connect', resolve).once('error', reject);
  try {
    await promise;
  } catch (cause) {
    socket.destroy();
    const errno = (cause as NodeJS.ErrnoException).code ?? '';
    const why = reasons[errno] ?? (cause as Error).message;
    throw new NarrowError('unavailable', `cannot connect to ${name}: ${why}`, { cause, hint, data: { path, errno } });
  }
  const refusal = outliveWrites(socket);
  const destroy = (): void => void socket.destroy();
  signal?.addEventListener('abort', destroy, { once: true });
  socket.once('close', () => signal?.removeEventListener('abort', destroy));
  const duplex = streamDuplex({
    name,
    readable: socket,
    writable: socket,
    destroy,
    explain: async (cause) => {
      if (signal?.aborted) return abortError(signal);
      return new NarrowError('unavailable', `${name} closed the connection`, { cause });
    },
    close: () =>
      new Promise((done) => {
        if (socket.closed) return done();
        socket.once('close', () => done());
        // what is still under way in either direction is of no interest any more
        setImmediate(destroy);
      }),
  });
  return {
    ...duplex,
    async write(chunk) {
      await duplex.write(chunk);
      const error = refusal();
      if (error) throw error;
    },
  };
}

/**
 * Returns what writing failed with, so far. Node destroys a socket that cannot be written, and what the other side said before it
 * went away is lost with it: a daemon that refuses a path says why, and reads no more.
 */
function outliveWrites(socket: Socket): () => Error | undefined {
  let refusal: Error | undefined;
  const { _write: write, _writev: writev } = socket;
  const told =
    (done: (error?: Error | null) => void) =>
    (error?: Error | null): void => {
      refusal ??= error ?? undefined;
      done();
    };
  socket._write = (chunk, encoding, done) => (refusal ? done() : write.call(socket, chunk, encoding, told(done)));
  socket._writev = (chunks, done) => (refusal ? done() : writev!.call(socket, chunks, told(done)));
  return () => refusal;
}

function abortError(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new NarrowError('aborted', 'stopped');
}

// A connection over a pair of Node streams: what sockets and child processes have in common.

import type { Readable, Writable } from 'node:stream';
import type { Duplex } from '../protocol/duplex.ts';

export interface StreamParts {
  readonly name: string;
  readonly readable: Readable;
  readonly writable: Writable;
  /** Why the other side ended; asked when it does so unexpectedly. */
  readonly explain: (cause: unknown) => Promise<Error>;
  /** Ends what is behind the streams, and waits for it. */
  readonly close: () => Promise<void>;
  /** Ends it at once. */
  readonly destroy: () => void;
}

export function streamDuplex({ name, readable, writable, explain, close, destroy }: StreamParts): Duplex {
  let ended = false;
  // errors are told to whoever reads or writes
  for (const stream of [readable, writable]) stream.on('error', () => {});
  const end = (): void => {
    if (ended) return;
    ended = true;
    writable.end();
  };
  return {
    name,
    input: (async function* () {
      try {
        for await (const chunk of readable) yield chunk as Uint8Array;
      } catch (error) {
        throw await explain(error);
      }
      if (!ended) throw await explain(undefined);
    })(),
    write: (chunk) =>
      new Promise<void>((resolve, reject) => {
        writable.write(chunk, (error) => (error ? reject(error) : resolve()));
      }),
    end,
    destroy,
    [Symbol.asyncDispose]: async () => {
      end();
      await close();
    },
  };
}

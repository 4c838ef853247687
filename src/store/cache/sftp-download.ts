// Files read over SFTP. What is small comes with the answer to its opening; of what is larger more and more is asked for
// ahead, as long as its reader keeps up.

import type { SftpHandle } from '../../protocol/sftp/operations.ts';
import { openFlags, sftpOperations as ops } from '../../protocol/sftp/operations.ts';
import { isSftpFailure, sftpStatus } from '../../protocol/sftp/status.ts';
import type { SftpPlace } from './sftp-place.ts';

/** All servers give as much at once. */
const packetSize = 32 * 1024;
/** Bytes of a file that come with its opening. */
export const headSize: number = packetSize;
/** Bytes asked for ahead: at first, and at most. */
const firstAhead = 4 * packetSize;
const mostAhead = 8 * 1024 * 1024;

export interface Head {
  /** Of the whole file, where the server tells. */
  readonly size: number | undefined;
  /** Its first bytes from the offset on. */
  readonly bytes: Buffer;
  /** Nothing follows. */
  readonly whole: boolean;
}

/** The beginning of a file, and what is known of it, in two round trips; undefined when there is none. Throws `io`. */
export async function readHead(
  place: SftpPlace,
  path: string,
  offset: number,
  length: number,
): Promise<Head | undefined> {
  const { client } = place;
  const wanted = Math.min(length, packetSize, client.limits.read);
  try {
    return await place.withHandle(
      () => client.call(ops.open, { path, flags: openFlags.read }),
      async (handle) => {
        const [{ size }, bytes = Buffer.alloc(0)] = await place.heads.run(() => {
          const asked = client.call(ops.fstat, { handle });
          const read = client.call(ops.read, { handle, offset, length: wanted });
          client.tell(ops.close, { handle });
          return Promise.all([asked, read]);
        });
        const end = Math.min(size ?? Infinity, offset + length);
        return { size, bytes, whole: offset + bytes.length >= end || bytes.length < wanted };
      },
    );
  } catch (error) {
    if (isSftpFailure(error, sftpStatus.noSuchFile)) return undefined;
    throw await place.explain('read', path, error);
  }
}

/** The bytes from `offset` to `end`, or to the end of the file. Throws `io`, also when the file is gone. */
export async function* readOn(
  place: SftpPlace,
  path: string,
  offset: number,
  end: number,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const opened = Promise.withResolvers<SftpHandle>();
  const closed = Promise.withResolvers<void>();
  const using = place.withHandle(
    () => place.client.call(ops.open, { path, flags: openFlags.read }),
    (handle) => {
      opened.resolve(handle);
      return closed.promise;
    },
  );
  using.catch((error: unknown) => opened.reject(error));
  try {
    const handle = await opened.promise;
    try {
      yield* new ReadAhead(place, handle, offset, end).chunks(signal);
    } finally {
      place.client.tell(ops.close, { handle });
    }
  } catch (error) {
    throw await place.explain('read', path, error);
  } finally {
    closed.resolve();
  }
}

interface Asked {
  readonly offset: number;
  readonly length: number;
  readonly data: Promise<Buffer | undefined>;
}

class ReadAhead {
  readonly #place: SftpPlace;
  readonly #handle: SftpHandle;
  readonly #end: number;
  readonly #packet: number;
  readonly #asked: Asked[] = [];
  #next: number;
  #ahead = firstAhead;

  constructor(place: SftpPlace, handle: SftpHandle, offset: number, end: number) {
    this.#place = place;
    this.#handle = handle;
    this.#end = end;
    this.#packet = Math.min(packetSize, place.client.limits.read);
    this.#next = offset;
  }

  async *chunks(signal: AbortSignal | undefined): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      signal?.throwIfAborted();
      await this.#askAhead();
      const first = this.#asked.shift();
      if (!first) return;
      const data = await first.data;
      if (!data || data.length === 0) return;
      yield data;
      // the file's last bytes, or a server that gives less than it may: the gap is asked for again
      if (data.length < first.length) this.#askAgain(first.offset + data.length);
      this.#ahead = Math.min(mostAhead, this.#ahead + 2 * data.length);
    }
  }

  async #askAhead(): Promise<void> {
    const { receiving } = this.#place.client;
    while (this.#next < this.#end) {
      const length = Math.min(this.#packet, this.#end - this.#next);
      const begin = this.#asked[0]?.offset ?? this.#next;
      if (this.#next + length - begin > this.#ahead) return;
      const sent = this.#asked.length === 0 ? await receiving.take(length) : receiving.tryTake(length);
      if (!sent) return;
      const data = this.#place.client.call(ops.read, { handle: this.#handle, offset: this.#next, length });
      data.then(
        (bytes) => receiving.done(sent, bytes !== undefined),
        () => receiving.done(sent, false),
      );
      this.#asked.push({ offset: this.#next, length, data });
      this.#next += length;
    }
  }

  #askAgain(offset: number): void {
    // nobody reads what was asked for behind it
    for (const { data } of this.#asked.splice(0)) data.catch(() => {});
    this.#next = offset;
  }
}

// A file on its way to an SFTP server, under a name of its own beside the place where it will be. A rename makes it
// visible, after every byte of it was confirmed: what is cut off leaves at most a file that nobody looks at.

import { randomInt } from 'node:crypto';
import { NarrowError } from '../../errors.ts';
import type { Sent } from '../../protocol/sftp/window.ts';
import type { SftpHandle } from '../../protocol/sftp/operations.ts';
import { openFlags, sftpOperations as ops } from '../../protocol/sftp/operations.ts';
import { isSftpFailure, sftpStatus } from '../../protocol/sftp/status.ts';
import type { SftpPlace } from './sftp-place.ts';
import type { Slots } from './slots.ts';

/** For everybody to read, whatever the umask there: a web server is another user. */
const fileMode = 0o644;
/** All servers take as much at once. */
const packetSize = 32 * 1024;
/** A file from so many bytes on waits for its turn, so that what is cut off has left whole files and not halves of all. */
const small = 4 * packetSize;

export interface UploadOptions {
  readonly signal?: AbortSignal | undefined;
  /** Have the server's disk keep the file before it gets its name. */
  readonly sync: boolean;
  /** Turns of large files. */
  readonly turns: Slots;
}

/** Removes what has the name; see files.ts. */
type MakeWay = () => Promise<void>;

export class SftpUpload {
  readonly #place: SftpPlace;
  readonly #options: UploadOptions;
  readonly #path: string;
  readonly #packet: number;
  readonly #closed: PromiseWithResolvers<void> = Promise.withResolvers();
  #handle: Promise<SftpHandle> | undefined;
  #turn: Promise<void> | undefined;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #offset = 0;
  #unconfirmed = 0;
  #confirmed: (() => void) | undefined;
  /** What became of it, in words that were asked for at once: who has failed with it frees the disk. */
  #failure: Promise<unknown> | undefined;
  #finished: Promise<void> | undefined;
  #named = false;

  /** It will be in the directory of `stem`. Nothing is sent yet. */
  constructor(place: SftpPlace, stem: string, options: UploadOptions) {
    this.#place = place;
    this.#options = options;
    // as files of this machine are, but several machines may write here: the number is drawn
    this.#path = `${stem}.tmp.${process.pid}.${randomInt(2 ** 47)}`;
    this.#packet = Math.min(packetSize, place.client.limits.write);
  }

  /** Appends a borrowed chunk; waits while the line is full. Throws what became of earlier ones. */
  async write(chunk: Uint8Array): Promise<void> {
    this.#options.signal?.throwIfAborted();
    void this.#open();
    for (let at = 0; at < chunk.length;) {
      const part = chunk.subarray(at, at + this.#packet - this.#pendingBytes);
      at += part.length;
      this.#pending.push(Buffer.from(part));
      this.#pendingBytes += part.length;
      if (this.#pendingBytes === this.#packet) await this.#sendPending();
    }
  }

  /** All that was written is confirmed, and the file is closed. */
  finish(): Promise<void> {
    return (this.#finished ??= this.#finish());
  }

  /** Finishes it and gives it its name; a file of that name is replaced. Throws `io`, `unavailable`. */
  async commit(path: string, makeWay?: MakeWay): Promise<void> {
    await this.finish();
    await this.name(path, makeWay);
  }

  /** Gives what is finished its name: that is asked for before this returns. */
  async name(path: string, makeWay?: MakeWay): Promise<void> {
    await this.#rename(path, makeWay).catch(async (error: unknown) => {
      throw await this.#place.explain('write', path, error);
    });
    this.#named = true;
  }

  /** Gives it its name unless a file has that already: then false. */
  async commitNew(path: string): Promise<boolean> {
    await this.finish();
    const { client } = this.#place;
    const linking = client.can(ops.hardLink);
    const move = { from: this.#path, to: path };
    try {
      // either fails where there is a file of that name
      await client.call(linking ? ops.hardLink : ops.rename, move);
      this.#named = !linking;
      return true;
    } catch (error) {
      if (isSftpFailure(error) && (await this.#place.client.call(ops.stat, { path }).catch(() => undefined)))
        return false;
      throw await this.#place.explain('write', path, error);
    }
  }

  /** Without a name it goes away. Never throws. */
  async discard(): Promise<void> {
    if (this.#named || this.#handle === undefined) return;
    this.#named = true;
    this.#failure ??= Promise.resolve(new NarrowError('aborted', 'this file is not wanted any more'));
    await this.finish().catch(() => {});
    await this.#place.client.call(ops.remove, { path: this.#path }).catch(() => {});
  }

  #open(): Promise<SftpHandle> {
    if (this.#handle) return this.#handle;
    const opened = Promise.withResolvers<SftpHandle>();
    const flags = openFlags.write | openFlags.create | openFlags.exclusive;
    const open = (): Promise<SftpHandle> =>
      this.#place.client.call(ops.open, { path: this.#path, flags, mode: fileMode });
    const using = this.#place.withHandle(
      () => this.#place.inDirectory(this.#path, open),
      (handle) => {
        opened.resolve(handle);
        return this.#closed.promise;
      },
    );
    using.catch(async (error: unknown) => opened.reject(await this.#place.explain('create', this.#path, error)));
    this.#handle = opened.promise;
    // told to whoever writes
    this.#handle.catch(() => {});
    return this.#handle;
  }

  async #sendPending(): Promise<void> {
    const data = this.#pending.length === 1 ? this.#pending[0]! : Buffer.concat(this.#pending, this.#pendingBytes);
    this.#pending = [];
    this.#pendingBytes = 0;
    const handle = await this.#open();
    if (this.#offset + data.length > small) await this.#takeTurn();
    const { client } = this.#place;
    const sent = await client.sending.take(data.length);
    if (this.#failure !== undefined || this.#options.signal?.aborted) {
      client.sending.done(sent, false);
      this.#options.signal?.throwIfAborted();
      throw await this.#failure;
    }
    this.#unconfirmed++;
    const written = client.call(ops.write, { handle, offset: this.#offset, data });
    this.#offset += data.length;
    written.then(
      () => this.#confirm(sent, true),
      (error: unknown) => {
        this.#fail(error);
        this.#confirm(sent, false);
      },
    );
  }

  #confirm(sent: Sent, arrived: boolean): void {
    this.#place.client.sending.done(sent, arrived);
    if (--this.#unconfirmed === 0) this.#confirmed?.();
  }

  #takeTurn(): Promise<void> {
    if (this.#turn) return this.#turn;
    const begun = Promise.withResolvers<void>();
    void this.#options.turns.run(() => {
      begun.resolve();
      return this.#closed.promise;
    });
    return (this.#turn = begun.promise);
  }

  async #finish(): Promise<void> {
    try {
      const handle = await this.#open();
      if (this.#pendingBytes > 0 && this.#failure === undefined) await this.#sendPending();
      await this.#close(handle);
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#closed.resolve();
    }
    if (this.#failure !== undefined) throw await this.#failure;
  }

  #fail(error: unknown): void {
    this.#failure ??= this.#place.explain('write', this.#path, error);
  }

  /** All of it on its way at once, behind the last bytes. */
  async #close(handle: SftpHandle): Promise<void> {
    const { client } = this.#place;
    // file systems without modes refuse it, and are readable as they are
    client.tell(ops.fsetstat, { handle, mode: fileMode });
    const steps: Promise<void>[] = [];
    if (this.#options.sync && client.can(ops.fsync)) steps.push(client.call(ops.fsync, { handle }));
    steps.push(client.call(ops.close, { handle }));
    if (this.#unconfirmed > 0) steps.push(new Promise((resolve) => (this.#confirmed = resolve)));
    for (const result of await Promise.allSettled(steps)) {
      if (result.status === 'rejected') this.#fail(result.reason);
    }
  }

  async #rename(path: string, makeWay: MakeWay | undefined): Promise<void> {
    const { client } = this.#place;
    const move = { from: this.#path, to: path };
    if (client.can(ops.posixRename)) return client.call(ops.posixRename, move);
    try {
      await client.call(ops.rename, move);
    } catch (error) {
      if (!isSftpFailure(error) || isSftpFailure(error, sftpStatus.noSuchFile)) throw error;
      if (!makeWay) return this.#replace(path, error);
      await makeWay();
      await client.call(ops.rename, move);
    }
  }

  /**
   * For servers that rename to no name that is taken. A file of a NAR's name and size is that NAR: it stays, so that its
   * narinfos are never without it. Anything else is removed and replaced in one breath: a narinfo that is away for that
   * long is a path that is missing, and one whose NAR had another size was broken already.
   */
  async #replace(path: string, refusal: unknown): Promise<void> {
    const { client } = this.#place;
    const there = await client.call(ops.stat, { path }).catch(() => undefined);
    if (!there) throw refusal;
    const isNar = /(^|\/)nar\/[^/]+$/.test(path);
    if (isNar && there.size === this.#offset) return client.call(ops.remove, { path: this.#path });
    const removed = client.call(ops.remove, { path });
    const renamed = client.call(ops.rename, { from: this.#path, to: path });
    await Promise.all([removed, renamed]);
  }
}

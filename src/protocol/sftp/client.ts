// An SFTP client (version 3) on a connection: requests go out as they are made, answers are matched by number, in any order.

import { ByteReader } from '../../bytes/reader.ts';
import { NarrowError, formatError } from '../../errors.ts';
import type { Duplex } from '../duplex.ts';
import { notProtocol } from '../greeting.ts';
import type { ServerLimits, SftpOperation } from './operations.ts';
import { sftpOperations, sftpPacket } from './operations.ts';
import { PacketReader, PacketWriter } from './packet.ts';
import { SftpFailure, sftpStatus } from './status.ts';
import { FlowWindow } from './window.ts';

const version = 3;
/** No server sends larger packets: OpenSSH's limit is 256 KiB. */
const largestPacket = 1024 * 1024;
/** Small requests that wait together go out together, up to so many bytes. */
const joinSize = 64 * 1024;
/** What is assumed of servers that tell no limits: all of them take as much. */
const unknownLimits: ServerLimits = { read: 32 * 1024, write: 32 * 1024, handles: 100 };

interface Waiting {
  readonly operation: SftpOperation<never, unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export class SftpClient implements AsyncDisposable {
  readonly name: string;
  /** Bytes written whose answers have not come. */
  readonly sending: FlowWindow = new FlowWindow();
  /** Bytes asked for that have not come. */
  readonly receiving: FlowWindow = new FlowWindow();
  readonly #duplex: Duplex;
  readonly #reader: ByteReader;
  readonly #extensions = new Set<string>();
  readonly #waiting = new Map<number, Waiting>();
  readonly #queue: Buffer[] = [];
  #limits: ServerLimits = unknownLimits;
  #sending = false;
  #next = 0;
  #broken: Error | undefined;

  private constructor(duplex: Duplex) {
    this.#duplex = duplex;
    this.name = duplex.name;
    this.#reader = new ByteReader(duplex.input, duplex.name);
  }

  /** Greets the server. Throws `format`, with `banner` in its data where something else speaks, and what the connection throws. */
  static async open(duplex: Duplex): Promise<SftpClient> {
    const client = new SftpClient(duplex);
    try {
      client.#send(new PacketWriter().u8(sftpPacket.init).u32(version));
      await client.#greet();
      void client.#read();
      await client.#askLimits();
      return client;
    } catch (error) {
      duplex.destroy();
      await Promise.resolve(duplex[Symbol.asyncDispose]()).catch(() => {});
      throw error;
    }
  }

  /** What the server says that it takes, or what all take. */
  get limits(): ServerLimits {
    return this.#limits;
  }

  /** Why nothing more can be asked. */
  get broken(): Error | undefined {
    return this.#broken;
  }

  can(operation: SftpOperation<never, unknown>): boolean {
    return operation.extension === undefined || this.#extensions.has(operation.extension);
  }

  /** Asks. Throws {@link SftpFailure} for a "no", `unsupported` where the server does not offer it, `unavailable`. */
  call<Q, R>(operation: SftpOperation<Q, R>, request: Q): Promise<R> {
    if (this.#broken) return Promise.reject(this.#broken);
    if (!this.can(operation)) {
      return Promise.reject(new NarrowError('unsupported', `${this.name} does not offer ${operation.name}`));
    }
    const id = (this.#next = (this.#next + 1) >>> 0);
    const out = new PacketWriter().u8(operation.number).u32(id);
    if (operation.extension !== undefined) out.text(operation.extension);
    operation.put(out, request);
    const { promise, resolve, reject } = Promise.withResolvers<R>();
    this.#waiting.set(id, { operation, resolve: resolve as (value: unknown) => void, reject });
    this.#send(out);
    return promise;
  }

  /** Asks for what nobody waits for: a courtesy that may fail. */
  tell<Q>(operation: SftpOperation<Q, void>, request: Q): void {
    this.call(operation, request).catch(() => {});
  }

  /** Outstanding answers are not waited for. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#fail(new NarrowError('unavailable', `the connection to ${this.name} is closed`));
    await this.#duplex[Symbol.asyncDispose]();
  }

  #send(packet: PacketWriter): void {
    this.#queue.push(packet.take());
    if (this.#sending) return;
    this.#sending = true;
    // what is asked in one turn of the event loop travels together
    setImmediate(() => void this.#drain());
  }

  async #drain(): Promise<void> {
    try {
      while (this.#queue.length > 0) await this.#duplex.write(this.#joined());
    } catch {
      // what the other side said before it went is the better reason: the reader finds it
    } finally {
      this.#sending = false;
    }
  }

  #joined(): Buffer {
    let size = 0;
    let count = 0;
    while (count < this.#queue.length && (count === 0 || size + this.#queue[count]!.length <= joinSize)) {
      size += this.#queue[count++]!.length;
    }
    const packets = this.#queue.splice(0, count);
    return count === 1 ? packets[0]! : Buffer.concat(packets, size);
  }

  async #greet(): Promise<void> {
    const first = await this.#reader.bytes(4, 'the first answer');
    const length = first.readUInt32BE();
    const type = length >= 5 && length <= largestPacket ? await this.#reader.bytes(1, 'the first answer') : undefined;
    if (type?.[0] !== sftpPacket.version)
      throw await notProtocol(this.#reader, Buffer.concat([first, type ?? Buffer.alloc(0)]));
    const input = new PacketReader(await this.#reader.bytes(length - 1, 'the first answer'), this.name);
    // newer ones answer with the version that was asked for
    const theirs = input.u32();
    if (theirs < version)
      throw new NarrowError('unsupported', `${this.name} speaks SFTP version ${theirs}; expected 3`);
    while (input.left > 0) {
      this.#extensions.add(input.text());
      input.bytes();
    }
  }

  async #askLimits(): Promise<void> {
    if (!this.can(sftpOperations.limits)) return;
    const told = await this.call(sftpOperations.limits, {}).catch((error: unknown) => {
      if (error instanceof SftpFailure) return undefined;
      throw error;
    });
    if (!told) return;
    const { read, write, handles } = unknownLimits;
    this.#limits = { read: told.read || read, write: told.write || write, handles: told.handles || handles };
  }

  async #read(): Promise<void> {
    try {
      for (;;) {
        const length = (await this.#reader.bytes(4, 'an answer')).readUInt32BE();
        if (length < 5 || length > largestPacket) {
          const contrast = { expected: `5 to ${largestPacket} bytes`, got: `${length}` };
          throw formatError('bad length of an SFTP packet', { source: this.name }, contrast);
        }
        const input = new PacketReader(await this.#reader.bytes(length, 'an answer'), this.name);
        const type = input.u8();
        this.#answer(type, input.u32(), input);
      }
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
      this.#duplex.destroy();
    }
  }

  /** Throws `format` for what answers nothing. */
  #answer(type: number, id: number, input: PacketReader): void {
    const waiting = this.#waiting.get(id);
    if (!waiting) throw formatError('an SFTP answer to no question', { source: this.name }, { got: `number ${id}` });
    const { operation, resolve, reject } = waiting;
    const value = this.#valueOf(operation, type, input);
    this.#waiting.delete(id);
    if (value instanceof SftpFailure) reject(value);
    else resolve(value);
  }

  #valueOf(operation: SftpOperation<never, unknown>, type: number, input: PacketReader): unknown {
    if (type === operation.answer) return operation.get(input);
    if (type !== sftpPacket.status) {
      const contrast = { expected: `packet ${operation.answer ?? sftpPacket.status}`, got: `${type}` };
      throw formatError(`bad SFTP answer to ${operation.name}`, { source: this.name }, contrast);
    }
    const status = input.u32();
    const done = operation.answer === undefined && status === sftpStatus.ok;
    if (done || (operation.ends && status === sftpStatus.endOfFile)) return operation.get(undefined);
    return new SftpFailure(this.name, operation.name, status, input.left >= 4 ? input.text() : '');
  }

  #fail(error: Error): void {
    this.#broken ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#broken);
    this.#waiting.clear();
  }
}

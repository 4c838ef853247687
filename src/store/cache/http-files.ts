// A cache on a web server: read with GET and HEAD, written with PUT (nginx's and Apache's WebDAV, and others).

import { formatError } from '../../errors.ts';
import { Spool } from '../../fs/spool.ts';
import { plainText } from '../../protocol/remote-error.ts';
import type { HttpClient } from '../../transport/http-client.ts';
import { meaningOf, statusError } from '../../transport/http-status.ts';
import type { InspectOptions, StoreFacts } from '../facts.ts';
import type { CacheFiles, FileOptions, FileStat, OpenFile, OpenFileOptions, StagedFile } from './files.ts';
import { wholeFile } from './whole-file.ts';

/** The one file that a 403 does not make a missing one. */
const cacheInfo = 'nix-cache-info';

export class HttpFiles implements CacheFiles {
  readonly url: string;
  readonly concurrency: number;
  readonly near = false;
  readonly #client: HttpClient;
  /** With a slash at the end, so that references resolve below it. */
  readonly #root: URL;

  /** `url` without query; credentials in it are the client's business. */
  constructor(client: HttpClient, url: string) {
    this.#client = client;
    this.#root = new URL(`${url.replace(/\/+$/, '')}/`);
    [this.#root.username, this.#root.password] = ['', ''];
    this.url = this.#root.href.slice(0, -1);
    this.concurrency = client.settings.connections;
  }

  async read(reference: string, limit: number, { signal }: FileOptions = {}): Promise<Buffer | undefined> {
    const file = await this.#open(reference, {}, signal);
    return file && wholeFile(file, limit, this.#resolve(reference));
  }

  open(reference: string, { offset, length, signal }: OpenFileOptions = {}): Promise<OpenFile | undefined> {
    return this.#open(reference, { offset, length }, signal);
  }

  async stat(reference: string, { signal }: FileOptions = {}): Promise<FileStat | undefined> {
    const { status, headers, body } = await this.#client.send(this.#resolve(reference), { method: 'HEAD', signal });
    await body.dump();
    if (meaningOf(status) !== 'ok') return undefined;
    const length = headers['content-encoding'] === undefined ? headers['content-length'] : undefined;
    const written = Date.parse(String(headers['last-modified'] ?? ''));
    return {
      size: length === undefined ? undefined : Number(length),
      modified: Number.isNaN(written) ? undefined : written,
    };
  }

  write(reference: string, bytes: Uint8Array, type: string, { signal }: FileOptions = {}): Promise<void> {
    return this.#put(reference, { length: bytes.length, open: () => [bytes] }, type, signal);
  }

  /** The name of a NAR is known only at its end, and an upload has to say its name and length first: so it is spooled. */
  stage(): Promise<StagedFile> {
    const spool = new Spool();
    return Promise.resolve({
      write: (chunk) => spool.write(chunk),
      commit: (reference, type, { signal } = {}) =>
        this.#put(reference, { length: spool.size, open: () => spool.read() }, type, signal),
      [Symbol.asyncDispose]: () => spool[Symbol.asyncDispose](),
    });
  }

  /** Servers that do not know If-None-Match for PUT (nginx) are asked first: between the two another may write. */
  async create(reference: string, bytes: Uint8Array, type: string, { signal }: FileOptions = {}): Promise<boolean> {
    if (await this.stat(reference, { signal })) return false;
    await this.write(reference, bytes, type, { signal });
    return true;
  }

  async inspect({ quick, signal }: InspectOptions = {}): Promise<Omit<StoreFacts, 'kind'>> {
    if (quick) return {};
    const asked = Date.now();
    const { headers, body } = await this.#client.send(this.#resolve(cacheInfo), { method: 'HEAD', signal });
    await body.dump();
    const { date, server, age } = headers;
    const between = (asked + Date.now()) / 2;
    // a cache on the way passes on the date that it was given, and tells how long ago that was
    const told = date === undefined ? NaN : Date.parse(date) + 1000 * Number(age ?? 0);
    const seconds = (told - between) / 1000;
    // whole seconds, and an answer may be as old as it was long on its way
    const within = 1 + (Date.now() - asked) / 1000;
    return {
      version: server === undefined ? 'HTTP' : `HTTP, ${plainText(String(server))}`,
      clock: Number.isNaN(seconds) ? undefined : { ahead: seconds, within },
    };
  }

  list(): undefined {}

  listAll(): undefined {}

  async remove(reference: string, { signal }: FileOptions = {}): Promise<void> {
    const { body } = await this.#client.send(this.#resolve(reference), { method: 'DELETE', signal });
    await body.dump();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }

  async #open(
    reference: string,
    range: { readonly offset?: number | undefined; readonly length?: number | undefined },
    signal: AbortSignal | undefined,
  ): Promise<OpenFile | undefined> {
    const url = this.#resolve(reference);
    const file = await this.#client.open(url, range, signal);
    if (file || reference !== cacheInfo) return file;
    // a cache that forbids its own description is not one without description
    const { status, body } = await this.#client.send(url, { method: 'HEAD', signal });
    await body.dump();
    if (status === 403) throw statusError('GET', url, status, 1);
    return undefined;
  }

  async #put(
    reference: string,
    body: { readonly length: number; open(): OpenFile['bytes'] },
    type: string,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const headers = { 'content-type': type };
    const answer = await this.#client.send(this.#resolve(reference), { method: 'PUT', headers, body, signal });
    await answer.body.dump();
  }

  /** RFC 3986: relative to the root, or elsewhere over http(s). Throws `format`. */
  #resolve(reference: string): string {
    const url = URL.canParse(reference, this.#root.href) ? new URL(reference, this.#root.href) : undefined;
    if (url?.protocol === 'http:' || url?.protocol === 'https:') {
      // a narinfo hands out no logins
      [url.username, url.password, url.hash] = ['', '', ''];
      return url.href;
    }
    const got = `'${reference.slice(0, 200)}', and only http and https are followed`;
    throw formatError('bad URL of a file in a cache', { source: this.url }, { got });
  }
}

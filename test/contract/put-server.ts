// A small web server over a directory that takes uploads, and fails them on demand.
import { createReadStream, createWriteStream, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join, normalize } from 'node:path';
import { pipeline } from 'node:stream/promises';

export interface SeenUpload {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
}

export class PutServer implements AsyncDisposable {
  readonly requests: SeenUpload[] = [];
  /** Decides about each request: a status ends it, `reset` cuts the connection after some of the body. */
  fault: (request: SeenUpload, count: number) => number | 'reset' | undefined = () => undefined;
  readonly root: string;
  readonly #counts = new Map<string, number>();
  readonly #server: Server = createServer((request, response) => {
    this.#answer(request, response).catch(() => response.destroy());
  });
  #uploads = 0;

  constructor(root: string) {
    this.root = root;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', headers } = request;
    const path = normalize(decodeURIComponent((request.url ?? '/').split('?')[0]!));
    const seen: SeenUpload = { method, path, headers };
    this.requests.push(seen);
    const key = `${method} ${path}`;
    const count = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, count);
    const fault = this.fault(seen, count);
    if (fault === 'reset') {
      request.once('data', () => request.socket.resetAndDestroy());
      return;
    }
    if (fault !== undefined) return void response.writeHead(fault).end();
    if (method === 'PUT') return this.#put(request, response, path);
    const file = join(this.root, path);
    if (method === 'DELETE') {
      rmSync(file, { force: true });
      return void response.writeHead(204).end();
    }
    const stat = statSync(file, { throwIfNoEntry: false });
    if (stat?.isFile() !== true) return void response.writeHead(404).end();
    response.writeHead(200, { 'content-length': stat.size });
    if (method === 'HEAD') response.end();
    else await pipeline(createReadStream(file), response);
  }

  async #put(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    const file = join(this.root, path);
    mkdirSync(dirname(file), { recursive: true });
    const part = `${file}.part${this.#uploads++}`;
    await pipeline(request, createWriteStream(part));
    renameSync(part, file);
    response.writeHead(201).end();
  }
}

export function startPutServer(root: string): Promise<PutServer> {
  return new PutServer(root).start();
}

// An HTTP server over a directory that fails in one chosen way; what it does not spoil it serves well, ranges and all.
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, normalize } from 'node:path';
import { Transform } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * - a number: that status (429 and 503 with `Retry-After: 1`)
 * - `reset`, `short`, `hang-body`: after `after` bytes of the body the connection is reset, ends early, or says no more
 * - `close`, `hang`, `garbage`: no answer, none for ever, none that is HTTP
 * - `long`: more bytes than Content-Length said
 * - `drip`, `drip-headers`: ten bytes a second; `delay`: answers after `after` milliseconds
 * - `flip`: one bit of byte `after` is another
 * - `no-range`: ignores Range; `no-length`: chunked, without Content-Length; `wrong-range`: another range than was asked for
 * - `html`: 200 and a login page; `loop`: redirects to itself; `away`: redirects to `to`
 */
export type Fault =
  | number
  | 'reset'
  | 'short'
  | 'hang-body'
  | 'close'
  | 'hang'
  | 'garbage'
  | 'long'
  | 'drip'
  | 'drip-headers'
  | 'delay'
  | 'flip'
  | 'no-range'
  | 'no-length'
  | 'wrong-range'
  | 'html'
  | 'loop'
  | 'away';

export interface FaultOptions {
  readonly fault: Fault;
  /** Only paths that match; default all. */
  readonly match?: RegExp | undefined;
  /** Of each path only the first so many requests; default all. */
  readonly times?: number | undefined;
  /** Bytes of the body (default half of it), or milliseconds for `delay` (default 1000). */
  readonly after?: number | undefined;
  /** Where `away` leads; default a closed port. The path is added when it ends without a slash. */
  readonly to?: string | undefined;
}

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly spoilt: boolean;
}

/** One file to answer with. */
interface Target {
  readonly file: string;
  readonly size: number;
}

export class FaultServer implements AsyncDisposable {
  /** Every request, in the order they came. */
  readonly requests: SeenRequest[] = [];
  /** May be changed while it runs; undefined serves all well. */
  faults: FaultOptions | undefined;
  readonly #root: string;
  readonly #counts = new Map<string, number>();
  readonly #server: Server = createServer((request, response) => this.#answer(request, response));

  constructor(root: string, faults?: FaultOptions) {
    this.#root = root;
    this.faults = faults;
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

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = normalize(decodeURIComponent((request.url ?? '/').split('?')[0] ?? '/'));
    const count = (this.#counts.get(path) ?? 0) + 1;
    this.#counts.set(path, count);
    const { faults } = this;
    const spoilt = faults !== undefined && (faults.match?.test(path) ?? true) && count <= (faults.times ?? Infinity);
    const { method = 'GET', headers } = request;
    this.requests.push({ method, path, range: headers.range, headers, spoilt });
    if (spoilt && withoutFile(faults, request, response)) return;
    const stat = statSync(join(this.#root, path), { throwIfNoEntry: false });
    if (stat?.isFile() !== true) return void response.writeHead(404).end('not found\n');
    const target = { file: join(this.#root, path), size: stat.size };
    if (spoilt) withFile(faults, target, request, response);
    else serve(target, request, response);
  }
}

/** Faults that need no file; false for the others. */
function withoutFile({ fault, to }: FaultOptions, request: IncomingMessage, response: ServerResponse): boolean {
  const { socket } = request;
  if (typeof fault === 'number') {
    const retry = fault === 429 || fault === 503 ? { 'retry-after': '1' } : {};
    return (response.writeHead(fault, retry).end(`status ${fault}\n`), true);
  }
  const away = to === undefined ? 'http://127.0.0.1:1/' : `${to}${to.endsWith('/') ? '' : (request.url ?? '')}`;
  const actions: Partial<Record<Fault, () => void>> = {
    hang: () => {},
    close: () => socket.destroy(),
    garbage: () => socket.end('\0\u0001\u0002 this is no HTTP\r\n\r\n'),
    html: () => response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Sign in</title>\n'),
    loop: () => response.writeHead(302, { location: request.url }).end(),
    away: () => response.writeHead(302, { location: away }).end(),
    'drip-headers': () => {
      const text = `HTTP/1.1 200 OK\r\nX-Slow: ${'x'.repeat(4000)}\r\n`;
      let at = 0;
      const timer = setInterval(
        () => (at < text.length ? socket.write(text[at++] as string) : clearInterval(timer)),
        100,
      );
      socket.once('close', () => clearInterval(timer));
    },
  };
  actions[fault]?.();
  return fault in actions;
}

/** Faults on the way through a file. */
function withFile(options: FaultOptions, target: Target, request: IncomingMessage, response: ServerResponse): void {
  const after = options.after ?? target.size >> 1;
  const { socket } = request;
  // what was written has to be out before the connection goes
  const part = (end: () => void): void => {
    response.writeHead(200, { 'content-length': target.size, 'accept-ranges': 'bytes' }).flushHeaders();
    if (after <= 0) return void setTimeout(end, 50);
    const body = createReadStream(target.file, { start: 0, end: after - 1 });
    body.on('data', (data) => response.write(data)).on('end', () => setTimeout(end, 50));
  };
  const actions: Partial<Record<Fault, () => void>> = {
    reset: () => part(() => socket.resetAndDestroy()),
    short: () => part(() => socket.end()),
    'hang-body': () => part(() => {}),
    long: () => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${after}\r\n\r\n`);
      createReadStream(target.file).pipe(socket);
    },
    delay: () => void sleep(options.after ?? 1000).then(() => serve(target, request, response)),
    drip: () => serve(target, request, response, { via: drip() }),
    flip: () => serve(target, request, response, { via: flip(after), ranges: false }),
    'no-range': () => serve(target, request, response, { ranges: false }),
    'no-length': () => serve(target, request, response, { ranges: false, length: false }),
    'wrong-range': () => serve(target, request, response, { shift: 1 }),
  };
  actions[options.fault]?.();
}

interface ServeOptions {
  readonly ranges?: boolean;
  readonly length?: boolean;
  readonly via?: Transform;
  /** Added to the start of a range that was asked for. */
  readonly shift?: number;
}

function serve(target: Target, request: IncomingMessage, response: ServerResponse, options: ServeOptions = {}): void {
  const { ranges = true, length = true, via, shift = 0 } = options;
  const asked = ranges ? /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') : null;
  const start = asked === null ? 0 : Number(asked[1]) + shift;
  const end = Math.min(target.size - 1, asked?.[2] ? Number(asked[2]) : Infinity);
  if (asked !== null && start > end) {
    return void response.writeHead(416, { 'content-range': `bytes */${target.size}` }).end();
  }
  response.writeHead(asked === null ? 200 : 206, {
    ...(ranges && { 'accept-ranges': 'bytes' }),
    ...(asked !== null && { 'content-range': `bytes ${start}-${end}/${target.size}` }),
    ...(length && { 'content-length': end - start + 1 }),
  });
  if (request.method === 'HEAD' || target.size === 0) return void response.end();
  const body = createReadStream(target.file, { start, end });
  response.once('close', () => body.destroy());
  if (via === undefined) body.pipe(response);
  else body.pipe(via).pipe(response);
}

/** Lets ten bytes a second through. */
function drip(): Transform {
  return new Transform({
    transform(data: Buffer, _, done) {
      const step = async (): Promise<void> => {
        for (let i = 0; i < data.length && !this.destroyed; i++) {
          this.push(data.subarray(i, i + 1));
          await sleep(100, undefined, { ref: false });
        }
        done();
      };
      void step();
    },
  });
}

/** Flips the lowest bit of one byte. */
function flip(offset: number): Transform {
  let at = 0;
  return new Transform({
    transform(data: Buffer, _, done) {
      const copy = Buffer.from(data);
      if (at <= offset && offset < at + data.length) copy[offset - at] = (copy[offset - at] as number) ^ 1;
      at += data.length;
      done(null, copy);
    },
  });
}

/** Serves a directory, badly where `faults` says so. */
export function startFaultServer(root: string, faults?: FaultOptions): Promise<FaultServer> {
  return new FaultServer(root, faults).start();
}

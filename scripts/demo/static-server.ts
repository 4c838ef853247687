// A web server that knows nothing but files, as nginx would be: a cache needs no more.

import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream';

export interface StaticServer extends AsyncDisposable {
  readonly url: string;
  /** Bytes of all answers so far. */
  readonly sent: () => number;
}

/** Serves the files of `directory` on this machine only, on a port of the system's choice. */
export async function serveFiles(directory: string): Promise<StaticServer> {
  let sent = 0;
  const server = createServer((request, response) => {
    sent += answer(directory, request, response);
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sent: () => sent,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Returns the length of the answer's body. */
function answer(directory: string, request: IncomingMessage, response: ServerResponse): number {
  // a URL's path has no `..` once it is parsed
  const path = decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname);
  const file = join(directory, path);
  const stats = statSync(file, { throwIfNoEntry: false });
  if (!stats?.isFile()) {
    response.writeHead(404).end();
    return 0;
  }
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const length = stats.size - from;
  const head = { 'accept-ranges': 'bytes', 'content-length': length };
  if (from > 0) response.writeHead(206, { ...head, 'content-range': `bytes ${from}-${stats.size - 1}/${stats.size}` });
  else response.writeHead(200, head);
  if (request.method === 'HEAD') response.end();
  else pipeline(createReadStream(file, { start: from }), response, () => {});
  return request.method === 'HEAD' ? 0 : length;
}

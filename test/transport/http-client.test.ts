// The HTTP client against a server that fails in every way there is: what is tried again, what goes on, what is said.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { collect } from '../../src/bytes/source.ts';
import { isNarrowError } from '../../src/errors.ts';
import type { ErrorCode } from '../../src/errors.ts';
import { HttpClient } from '../../src/transport/http-client.ts';
import { defaultHttpSettings } from '../../src/transport/http-settings.ts';
import type { HttpSettings } from '../../src/transport/http-settings.ts';
import { parseNetrc } from '../../src/transport/netrc.ts';
import { startFaultServer } from '../lab/fault-server.ts';
import type { FaultOptions } from '../lab/fault-server.ts';
import { run } from '../lab/run.ts';
import { tempDir } from '../lab/temp.ts';

const body = randomBytes(3_000_000);
const www = tempDir('www');
writeFileSync(join(www, 'file'), body);

const retry = { attempts: 4, delay: 10, rateLimitedDelay: 15, maxDelay: 50 };
const client = (settings: Partial<HttpSettings> = {}, home?: string): HttpClient =>
  new HttpClient({ ...defaultHttpSettings, retry, stallTimeout: 400, connectTimeout: 500, ...settings }, home);

async function fetchFile(http: HttpClient, url: string, range = {}): Promise<Buffer | undefined> {
  const file = await http.open(url, range);
  return file && collect(file.bytes);
}

const fails =
  (code: ErrorCode, ...parts: RegExp[]) =>
  (error: unknown) => {
    assert.ok(isNarrowError(error, code), String(error));
    for (const part of parts) assert.match(error.message, part);
    assert.ok(error.hint, 'a hint');
    return true;
  };

async function withFault<T>(
  faults: FaultOptions,
  use: (url: string, server: Awaited<ReturnType<typeof startFaultServer>>) => Promise<T>,
): Promise<T> {
  await using server = await startFaultServer(www, faults);
  return await use(`${server.url}/file`, server);
}

interface Local extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
}

async function serve(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
  tls?: { key: Buffer; cert: Buffer },
): Promise<Local> {
  const server = tls ? createTlsServer(tls, handle) : createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${tls ? 'https' : 'http'}://localhost:${port}`,
    port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test('a file, a part of it, one that is not there', async () => {
  await using server = await startFaultServer(www);
  await using http = client();
  const file = await http.open(`${server.url}/file`, {});
  assert.equal(file?.size, body.length);
  assert.deepEqual(await collect(file!.bytes), body);
  assert.deepEqual(await fetchFile(http, `${server.url}/file`, { offset: 100, length: 50 }), body.subarray(100, 150));
  assert.deepEqual(await fetchFile(http, `${server.url}/file`, { offset: 2_999_990 }), body.subarray(2_999_990));
  assert.equal(await fetchFile(http, `${server.url}/nothing`), undefined);
});

for (const fault of [500, 502, 503, 429, 408, 'close', 'garbage', 'reset', 'short', 'hang-body', 'hang'] as const) {
  test(`${fault} twice, then well`, async () => {
    await withFault({ fault, times: 2 }, async (url, server) => {
      // a server may ask for a second
      await using http = client({ retry: { ...retry, maxDelay: 20 } });
      assert.deepEqual(await fetchFile(http, url), body);
      assert.ok(server.requests.length >= 2);
    });
  });

  test(`${fault} for ever`, async () => {
    await withFault({ fault, after: 0 }, async (url) => {
      await using http = client({ stallTimeout: 100, retry: { ...retry, attempts: 2, maxDelay: 20 } });
      await assert.rejects(fetchFile(http, url), fails('unavailable', /127\.0\.0\.1/, /2 tries/));
    });
  });
}

for (const status of [400, 451, 501, 505]) {
  test(`${status} is an error at once`, async () => {
    await withFault({ fault: status }, async (url, server) => {
      await using http = client();
      await assert.rejects(fetchFile(http, url), fails('unavailable', new RegExp(`HTTP ${status}`)));
      assert.equal(server.requests.length, 1);
    });
  });
}

test('401 asks for a login, 403, 404 and 410 are missing', async () => {
  await using http = client();
  await withFault({ fault: 401 }, (url) => assert.rejects(fetchFile(http, url), fails('refused', /HTTP 401/)));
  for (const fault of [403, 404, 410])
    assert.equal(await withFault({ fault }, (url) => fetchFile(http, url)), undefined);
});

test('a broken transfer goes on where it stopped, and only there', async () => {
  await withFault({ fault: 'reset', times: 1, after: 1_000_000 }, async (url, server) => {
    await using http = client();
    assert.deepEqual(await fetchFile(http, url), body);
    const [, second] = server.requests;
    const start = Number(/^bytes=(\d+)-$/.exec(second?.range ?? '')?.[1]);
    assert.ok(start > 0 && start <= 1_000_000, second?.range);
  });
});

test('without ranges a broken transfer fails, and says why', async () => {
  await using server = await serve((_, response) => {
    response.writeHead(200, { 'content-length': body.length }).write(body.subarray(0, 200_000));
    setTimeout(() => response.destroy(), 50);
  });
  await using http = client();
  await assert.rejects(
    fetchFile(http, server.url),
    fails('unavailable', /cannot send the rest alone/, /of 3000000 bytes/),
  );
});

test('a server that ignores ranges is read past the offset', async () => {
  await withFault({ fault: 'no-range' }, async (url) => {
    await using http = client();
    assert.deepEqual(await fetchFile(http, url, { offset: 1000, length: 10 }), body.subarray(1000, 1010));
  });
});

test('another range than was asked for is refused', async () => {
  await withFault({ fault: 'wrong-range' }, async (url) => {
    await using http = client();
    await assert.rejects(
      fetchFile(http, url, { offset: 1000 }),
      fails('unavailable', /changed while it was read: expected bytes from 1000 on/),
    );
  });
});

test('a file that changes during the transfer is not glued together', async () => {
  let count = 0;
  await using server = await serve((request, response) => {
    const etag = `"v${count++}"`;
    if (request.headers.range === undefined) {
      response
        .writeHead(200, { 'content-length': body.length, 'accept-ranges': 'bytes', etag })
        .write(body.subarray(0, 500_000));
      setTimeout(() => response.destroy(), 50);
      return;
    }
    assert.equal(request.headers['if-range'], '"v0"');
    response.writeHead(200, { 'content-length': body.length, etag }).end(body);
  });
  await using http = client();
  await assert.rejects(fetchFile(http, server.url), fails('unavailable', /changed while it was read/));
});

test('Content-Encoding is undone, in any way a cache may set it', async () => {
  for (const [encoding, bytes] of [
    ['gzip', gzipSync(body)],
    ['br', brotliCompressSync(body.subarray(0, 50_000))],
  ] as const) {
    await using server = await serve(
      (_, response) => void response.writeHead(200, { 'content-encoding': encoding }).end(bytes),
    );
    await using http = client();
    const got = await fetchFile(http, server.url);
    assert.deepEqual(got, encoding === 'gzip' ? body : body.subarray(0, 50_000));
  }
});

test('redirects are followed, but not for ever, and only to http', async () => {
  await using http = client();
  await using good = await startFaultServer(www);
  await withFault({ fault: 'away', to: good.url }, async (url) => assert.deepEqual(await fetchFile(http, url), body));
  await withFault({ fault: 'loop' }, (url) =>
    assert.rejects(fetchFile(http, url), fails('unavailable', /more than 10 redirects/)),
  );
  await using server = await serve(
    (_, response) => void response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
  );
  await assert.rejects(fetchFile(http, server.url), /redirects to 'file:\/\/\/etc\/passwd', which is not http/);
});

test('logins go to the cache itself, never with a redirect to another host or port', async () => {
  const seen: (string | undefined)[] = [];
  await using other = await serve((request, response) => {
    seen.push(request.headers.authorization);
    response.end('other');
  });
  await using home = await serve((request, response) => {
    seen.push(request.headers.authorization);
    if (request.url === '/away') response.writeHead(302, { location: other.url }).end();
    else response.end('home');
  });
  const netrc = parseNetrc('machine localhost login me password secret');
  const basic = `Basic ${Buffer.from('me:secret').toString('base64')}`;
  await using http = client({ netrc }, home.url);
  await fetchFile(http, `${home.url}/x`);
  await fetchFile(http, `${home.url}/away`);
  await fetchFile(http, other.url);
  assert.deepEqual(seen, [basic, basic, undefined, undefined]);
  seen.length = 0;
  await using bearer = client({ netrc, bearerToken: 'token' }, home.url);
  await fetchFile(bearer, `${home.url}/away`);
  await using named = client({ netrc }, home.url.replace('//', '//you:pass%20word@'));
  await fetchFile(named, `${home.url}/x`);
  assert.deepEqual(seen, ['Bearer token', undefined, `Basic ${Buffer.from('you:pass word').toString('base64')}`]);
});

test('uploads are sent again from their beginning; refusals are said at once', async () => {
  const got: string[] = [];
  let answers = [503, 201];
  await using server = await serve((request, response) => {
    let text = '';
    request.on('data', (data: Buffer) => (text += data.toString()));
    request.on('end', () => {
      got.push(`${request.method} ${request.headers['content-length']} ${text}`);
      response.writeHead(answers.shift() ?? 500).end();
    });
  });
  await using http = client();
  const upload = { length: 6, open: () => [Buffer.from('abc'), Buffer.from('def')] };
  const put = () => http.send(`${server.url}/x`, { method: 'PUT', body: upload });
  assert.equal((await put()).status, 201);
  assert.deepEqual(got, ['PUT 6 abcdef', 'PUT 6 abcdef']);
  for (const [status, text] of [
    [403, /403/],
    [405, /405/],
    [404, /404/],
  ] as const) {
    answers = [status];
    await assert.rejects(put(), fails('refused', /cannot upload/, text));
  }
  answers = [507, 507, 507, 507];
  await assert.rejects(put(), fails('unavailable', /507/));
});

test('an abort ends a request and a body', async () => {
  await withFault({ fault: 'hang' }, async (url) => {
    await using http = client({ stallTimeout: 60_000 });
    await assert.rejects(http.open(url, {}, AbortSignal.timeout(50)), /timeout|abort/i);
  });
  await withFault({ fault: 'hang-body' }, async (url) => {
    await using http = client({ stallTimeout: 60_000 });
    const file = await http.open(url, {}, AbortSignal.timeout(200));
    await assert.rejects(collect(file!.bytes), /timeout|abort/i);
  });
});

test('what cannot be reached is named', async () => {
  await using http = client({ retry: { ...retry, attempts: 1 } });
  await assert.rejects(
    fetchFile(http, 'http://127.0.0.1:1/x'),
    fails('unavailable', /http:\/\/127\.0\.0\.1:1\/x: the connection was refused/),
  );
  await assert.rejects(fetchFile(http, 'http://host.invalid/x'), fails('unavailable', /host\.invalid/));
});

/** An HTTP proxy that tunnels, too; what it was asked for. */
async function startProxy(): Promise<Local & { readonly asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers['proxy-authorization'] ?? ''}`.trim());
    response.end('by proxy');
  });
  server.on('connect', (request: IncomingMessage, socket: Socket) => {
    asked.push(`CONNECT ${request.url}`);
    const onward = connect(Number(request.url!.split(':')[1]), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
    for (const end of [socket, onward]) end.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function certificates(): Promise<{ ca: string; key: Buffer; cert: Buffer }> {
  const dir = tempDir('tls');
  mkdirSync(dir, { recursive: true });
  const openssl = (...args: string[]) => run(['openssl', ...args], { cwd: dir });
  await openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-days',
    '2',
    '-subj',
    '/CN=test authority',
  );
  await openssl(
    'req',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    'key.pem',
    '-out',
    'req.pem',
    '-subj',
    '/CN=localhost',
  );
  writeFileSync(join(dir, 'ext'), 'subjectAltName=DNS:localhost\n');
  await openssl(
    'x509',
    '-req',
    '-in',
    'req.pem',
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-out',
    'cert.pem',
    '-days',
    '2',
    '-extfile',
    'ext',
  );
  const read = (name: string): Buffer => readFileSync(join(dir, name));
  return { ca: read('ca.pem').toString(), key: read('key.pem'), cert: read('cert.pem') };
}

test('HEAD keeps its connection, and is sent again where the server has dropped that', async () => {
  const sockets: Socket[] = [];
  await using server = await serve((request, response) => {
    // the third comes over a connection that the server is tired of
    if (sockets.push(request.socket) === 3) request.socket.resetAndDestroy();
    else response.setHeader('content-length', 12).end();
  });
  await using http = client({ connections: 1 });
  const head = async (): Promise<string | undefined> => {
    const { headers, body: none } = await http.send(server.url, { method: 'HEAD' });
    await none.dump();
    return headers['content-length'];
  };
  const lengths: (string | undefined)[] = [];
  for (let i = 0; i < 4; i++) lengths.push(await head());
  assert.deepEqual(lengths, ['12', '12', '12', '12']);
  const numbers = sockets.map((socket) => sockets.indexOf(socket));
  assert.deepEqual(numbers, [0, 0, 0, 3, 3], 'the third was sent twice');
});

test('proxies, and TLS with a certificate authority of our own, also through one', async () => {
  await using proxy = await startProxy();
  const { ca, ...tls } = await certificates();
  await using server = await serve((_, response) => void response.end('over tls'), tls);
  await using trusting = client({ ca });
  assert.equal((await fetchFile(trusting, server.url))?.toString(), 'over tls');
  await using doubting = client();
  await assert.rejects(fetchFile(doubting, server.url), fails('unavailable', /TLS: /));
  const proxyEnv = { http_proxy: proxy.url.replace('//', '//u:p@'), https_proxy: proxy.url };
  await using http = client({ ca, proxyEnv });
  assert.equal((await fetchFile(http, 'http://cache.invalid/x'))?.toString(), 'by proxy');
  assert.equal((await fetchFile(http, server.url))?.toString(), 'over tls');
  assert.deepEqual(proxy.asked, [
    `GET http://cache.invalid/x Basic ${Buffer.from('u:p').toString('base64')}`,
    `CONNECT localhost:${server.port}`,
  ]);
});

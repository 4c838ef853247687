// What the command line's HTTP honours of the environment and of nix.conf: certificates, proxies, logins, pauses that servers
// ask for, and ranges. Each is seen from the server's side.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { connect } from 'node:net';
import { basename, join } from 'node:path';
import { before, test } from 'node:test';
import { closure } from '../lab/closures.ts';
import { startFaultServer } from '../lab/fault-server.ts';
import { freshStore } from '../lab/nix.ts';
import { run } from '../lab/run.ts';
import { tempDir } from '../lab/temp.ts';
import { fails, narrow } from './narrow.ts';

const dir = tempDir('http');
const cache = join(dir, 'cache');
let path: string;
let narinfo: string;
let tls: { key: Buffer; cert: Buffer };
const authority = join(dir, 'ca.pem');

before(async () => {
  const { root, named } = await closure('basic');
  path = named['libc']!;
  narinfo = `${basename(path).slice(0, 32)}.narinfo`;
  await narrow(['copy', '--from', `local?root=${root}`, '--to', `file://${cache}?compression=none`, path]);
  writeFileSync(join(dir, 'ext'), 'subjectAltName=DNS:localhost\n');
  const openssl = (...args: string[]) => run(['openssl', ...args], { cwd: dir });
  const made = ['-newkey', 'rsa:2048', '-nodes', '-days', '2'];
  await openssl('req', '-x509', ...made, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=test authority');
  await openssl('req', ...made.slice(0, 3), '-keyout', 'key.pem', '-out', 'req.pem', '-subj', '/CN=localhost');
  const sign = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'ext'];
  await openssl('x509', '-req', '-in', 'req.pem', ...sign, '-out', 'cert.pem');
  tls = { key: readFileSync(join(dir, 'key.pem')), cert: readFileSync(join(dir, 'cert.pem')) };
});

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

interface Web extends AsyncDisposable {
  readonly port: number;
  /** Each request's path and login. */
  readonly seen: string[];
}

/** The cache on 127.0.0.1, unless `handle` answers (returns true). */
async function serve(handle?: (...args: Parameters<Handler>) => boolean, secure = false): Promise<Web> {
  const seen: string[] = [];
  const answer: Handler = (request, response) => {
    seen.push(`${request.url} ${request.headers.authorization ?? 'nobody'}`);
    if (handle?.(request, response)) return;
    try {
      response.end(readFileSync(join(cache, new URL(request.url!, 'http://x').pathname)));
    } catch {
      response.writeHead(404).end();
    }
  };
  const server = secure ? createTlsServer(tls, answer) : createServer(answer);
  server.on('connect', (request: IncomingMessage, socket: Socket) => {
    seen.push(`CONNECT ${request.url}`);
    const onward = connect(Number(request.url!.split(':')[1]), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
    for (const end of [socket, onward]) end.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const info = (url: string, env: NodeJS.ProcessEnv = {}) => narrow(['info', '--store', url, path], { env });
const basic = (login: string): string => `Basic ${Buffer.from(login).toString('base64')}`;
const quick = '?retry-attempts=2&retry-delay=10&retry-delay-rate-limited=10';

test('certificates: NIX_SSL_CERT_FILE, SSL_CERT_FILE, ssl-cert-file; else none but the known', async () => {
  await using web = await serve(undefined, true);
  const url = `https://localhost:${web.port}`;
  assert.match(await fails(1, ['info', '--store', url, path]), /TLS: .*\n +hint: .*NIX_SSL_CERT_FILE.*ssl-cert-file/);
  await info(url, { NIX_SSL_CERT_FILE: authority });
  await info(url, { SSL_CERT_FILE: authority });
  await info(url, { NIX_CONFIG: `ssl-cert-file = ${authority}`, NIX_SSL_CERT_FILE: '/nonexistent' });
  const absent = await narrow(['info', '--store', url, path], {
    env: { NIX_SSL_CERT_FILE: '/nonexistent' },
    mayFail: true,
  });
  assert.equal(absent.status, 1);
  assert.match(absent.stderr, /cannot read the certificates \/nonexistent/);
});

test('proxies: http_proxy is asked, https_proxy tunnels, no_proxy goes past them', async () => {
  await using web = await serve();
  await using secure = await serve(undefined, true);
  await using proxy = await serve();
  const env = { http_proxy: `http://me:word@127.0.0.1:${proxy.port}`, https_proxy: `http://127.0.0.1:${proxy.port}` };
  await info('http://cache.invalid', env);
  assert.ok(proxy.seen.includes(`http://cache.invalid/${narinfo} nobody`), proxy.seen.join());
  await info(`https://localhost:${secure.port}`, { ...env, NIX_SSL_CERT_FILE: authority });
  assert.ok(proxy.seen.includes(`CONNECT localhost:${secure.port}`));
  const asked = proxy.seen.length;
  await info(`http://localhost:${web.port}`, { ...env, no_proxy: 'example.org,localhost' });
  assert.equal(proxy.seen.length, asked);
  assert.ok(web.seen.length > 0);
});

test('logins: netrc-file and the default netrc, for the cache itself and for nobody else', async () => {
  const conf = join(tempDir('netrc'), 'conf');
  const netrc = join(dir, 'netrc');
  const text = 'machine localhost login me password secret\nmachine 127.0.0.1 login other password hidden\n';
  writeFileSync(netrc, text, { mode: 0o600 });
  await using elsewhere = await serve();
  const nar = /^URL: (.*)$/m.exec(readFileSync(join(cache, narinfo), 'utf8'))![1]!;
  const away = `http://127.0.0.1:${elsewhere.port}`;
  await using web = await serve((request, response) => {
    if (request.headers.authorization === undefined) return (response.writeHead(401).end(), true);
    if (request.url === '/nix-cache-info')
      return (response.writeHead(302, { location: `${away}/nix-cache-info` }).end(), true);
    if (request.url !== `/${narinfo}`) return false;
    response.end(readFileSync(join(cache, narinfo), 'utf8').replace(/^URL: .*$/m, `URL: ${away}/${nar}`));
    return true;
  });
  const url = `http://localhost:${web.port}`;
  assert.match(await fails(1, ['info', '--store', url, path]), /HTTP 401/);
  web.seen.length = 0;
  const args = ['copy', '--no-check-sigs', '--from', url, '--to', `local?root=${await freshStore()}`, path];
  await narrow(args, { env: { NIX_CONFIG: `netrc-file = ${netrc}` } });
  assert.ok(
    web.seen.every((line) => line.endsWith(basic('me:secret'))),
    web.seen.join(),
  );
  assert.deepEqual(elsewhere.seen.sort(), [`/nix-cache-info nobody`, `/${nar} nobody`].sort());
  await run(['mkdir', '-p', conf]);
  writeFileSync(join(conf, 'netrc'), text);
  await info(url, { NIX_CONF_DIR: conf });
  const wrong = join(dir, 'wrong-netrc');
  writeFileSync(wrong, 'machine localhost login me password\n');
  const { stderr, status } = await narrow(['info', '--store', url, path], {
    env: { NIX_CONFIG: `netrc-file = ${wrong}` },
    mayFail: true,
  });
  assert.equal(status, 1);
  assert.match(stderr, /in line 1 of .*wrong-netrc/);
});

test('a login in the URL of the store is used, and not shown', async () => {
  await using web = await serve((request, response) => {
    if (request.headers.authorization !== undefined) return false;
    return (response.writeHead(401).end(), true);
  });
  await info(`http://me:secret@localhost:${web.port}`);
  assert.ok(web.seen.every((line) => line.endsWith(basic('me:secret'))));
  const missing = `/nix/store/${'0'.repeat(32)}-missing`;
  const said = await fails(3, ['info', '--store', `http://me:secret@localhost:${web.port}`, missing]);
  assert.ok(!said.includes('secret'), said);
});

test('a server that asks for a pause gets it, and then the copy goes on', async () => {
  for (const fault of [429, 503]) {
    await using server = await startFaultServer(cache, { fault, match: /\.narinfo$/, times: 1 });
    const started = performance.now();
    await info(`${server.url}${quick}`);
    assert.ok(performance.now() - started >= 1000, 'Retry-After: 1');
    assert.equal(server.requests.filter(({ path: asked }) => asked.endsWith('.narinfo')).length, 2);
  }
  await using server = await startFaultServer(cache, { fault: 500 });
  assert.match(await fails(1, ['info', '--store', server.url + quick, path]), /HTTP 500.*2 tries/);
});

test('one file of a large NAR is read by ranges', async () => {
  const listed = join(dir, 'listed');
  const { root } = await closure('basic');
  const to = `file://${listed}?compression=none&write-nar-listing=1`;
  await narrow(['copy', '--from', `local?root=${root}`, '--to', to, path]);
  await using server = await startFaultServer(listed);
  const files = (await narrow(['nar', 'list', '-R', '--store', server.url, path])).stdout.split('\n');
  const file = files.find((name) => /ld-linux|libtinfo|libc\.so/.test(name))!;
  server.requests.length = 0;
  const inner = file.replace(/^\.?\/?/, '/');
  const { bytes } = await narrow(['nar', 'cat', '--store', server.url, path, inner]);
  assert.deepEqual(bytes, readFileSync(join(root, path, inner)));
  const nar = server.requests.filter(({ path: asked }) => asked.startsWith('/nar/'));
  assert.ok(nar.length > 0 && nar.every(({ range }) => range !== undefined), JSON.stringify(nar));
});

// Caches in buckets whose server fails in every way that S3 does: nothing is lost, and what is said tells what to do.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { afterEach, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { collect } from '../../../src/bytes/source.ts';
import { isNarrowError } from '../../../src/errors.ts';
import type { CacheStore } from '../../../src/store/cache/cache-store.ts';
import type { CacheFiles } from '../../../src/store/cache/files.ts';
import { openS3Cache } from '../../../src/store/s3.ts';
import { testContext } from '../../contract/context.ts';
import { s3Access, slowDown, startS3Server } from '../../lab/s3-server.ts';
import type { S3Fault, S3Server, S3ServerOptions } from '../../lab/s3-server.ts';
import { tempDir } from '../../lab/temp.ts';

const home = tempDir('home');
const known = { ...process.env };
/** Nothing of this machine's, and nobody asked on the network. */
const bare = {
  HOME: home,
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_CONFIG_FILE: join(home, 'config'),
  AWS_SHARED_CREDENTIALS_FILE: join(home, 'credentials'),
};
afterEach(() => {
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
  process.env['HOME'] = known['HOME'];
});

interface Opening {
  readonly parameters?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly place?: string;
  readonly mode?: 'read' | 'write';
}

async function open(
  server: S3Server,
  { parameters = '', env, place, mode = 'write' }: Opening = {},
): Promise<CacheStore> {
  const access = s3Access(server);
  Object.assign(process.env, bare, env ?? access.env);
  const [bucket = '', search = ''] = access.url.slice('s3://'.length).split('?');
  const params = new URLSearchParams(`${search}&retry-delay-rate-limited=20`);
  for (const [name, value] of new URLSearchParams(parameters)) params.set(name, value);
  return openS3Cache(place ?? bucket, params, testContext(), mode);
}

async function stage(files: CacheFiles, name: string, bytes: Buffer): Promise<void> {
  await using staged = await files.stage();
  for (let at = 0; at < bytes.length; at += 100_000) await staged.write(bytes.subarray(at, at + 100_000));
  await staged.commit(name, 'application/x-nix-nar');
}

async function contents(files: CacheFiles, name: string): Promise<Buffer> {
  const file = await files.open(name);
  assert.ok(file, name);
  return collect(file.bytes);
}

const once = (fault: S3Fault, method: string) => (seen: { method: string }, count: number) =>
  seen.method === method && count === 1 ? fault : undefined;

const transient: readonly S3Fault[] = [
  { status: 500, code: 'InternalError' },
  { status: 502 },
  slowDown,
  'reset',
  'reset-upload',
];
for (const fault of transient) {
  const name = typeof fault === 'string' ? fault : `${fault.status}`;
  test(`${name} once for every upload: bodies are sent again, whole`, async () => {
    await using server = await startS3Server();
    await using store = await open(server, { parameters: 'multipart-threshold=6000000&multipart-chunk-size=5242880' });
    server.fault = once(fault, 'PUT');
    const [small, large] = [randomBytes(70_000), randomBytes(11_000_000)];
    await store.files.write('a.narinfo', Buffer.from('tiny'), 'text/x-nix-narinfo');
    await stage(store.files, 'nar/small.nar', small);
    await stage(store.files, 'nar/large.nar', large);
    assert.equal(server.objects.get('a.narinfo')!.bytes.toString(), 'tiny');
    assert.ok(server.objects.get('nar/small.nar')!.bytes.equals(small));
    assert.ok(server.objects.get('nar/large.nar')!.bytes.equals(large));
    const parts = server.requests.filter(({ query }) => query.has('partNumber'));
    assert.equal(parts.length, 6, 'three parts, each twice');
  });
}

test('an upload in parts that fails for good leaves no parts behind', async () => {
  await using server = await startS3Server();
  await using store = await open(server, { parameters: 'multipart-threshold=6000000&multipart-chunk-size=5242880' });
  server.fault = ({ query }) => (query.get('partNumber') === '2' ? { status: 500, code: 'InternalError' } : undefined);
  await assert.rejects(stage(store.files, 'nar/large.nar', randomBytes(11_000_000)), (error) => {
    assert.ok(isNarrowError(error, 'unavailable'));
    assert.match(error.message, /^cannot upload s3:\/\/cache\/nar\/large\.nar: .*InternalError.*\(5 tries\)/);
    return true;
  });
  assert.deepEqual([server.objects.size, server.uploads.size], [0, 0]);
});

test('what is read goes on where a connection broke', async () => {
  await using server = await startS3Server();
  await using store = await open(server);
  const bytes = randomBytes(900_000);
  await stage(store.files, 'nar/x.nar', bytes);
  server.fault = once('short', 'GET');
  assert.ok((await contents(store.files, 'nar/x.nar')).equals(bytes));
  const [first, second] = server.requests.filter(({ method, key }) => method === 'GET' && key === 'nar/x.nar');
  assert.equal(first!.headers.range, undefined);
  assert.match(second!.headers.range!, /^bytes=[1-9]\d*-$/);
  assert.equal(second!.headers['if-match'], server.objects.get('nar/x.nar')!.etag);
});

test('an object that was replaced while it was read is an error, never a mixture', async () => {
  await using server = await startS3Server();
  await using store = await open(server);
  await stage(store.files, 'nar/x.nar', randomBytes(900_000));
  server.fault = once('short', 'GET');
  const file = await store.files.open('nar/x.nar');
  await stage(store.files, 'nar/x.nar', randomBytes(900_000));
  await assert.rejects(collect(file!.bytes), { code: 'unavailable' });
});

test('SlowDown: fewer at once, and all of them arrive', async () => {
  await using server = await startS3Server();
  await using store = await open(server);
  let refused = 0;
  server.fault = () => (refused < 100 && ++refused ? slowDown : undefined);
  const before = server.requests.length;
  const names = Array.from({ length: 400 }, (_, i) => `${i}.narinfo`);
  await Promise.all(names.map((name) => store.files.write(name, Buffer.from(name), 'text/plain')));
  for (const name of names) assert.equal(server.objects.get(name)!.bytes.toString(), name);
  assert.deepEqual([refused, server.requests.length - before], [100, names.length + 100]);
});

test('of two who create a file one wins, also where the server knows no conditions', async () => {
  for (const status of [200, 501]) {
    await using server = await startS3Server();
    await using store = await open(server);
    if (status === 501)
      server.fault = ({ headers }) =>
        headers['if-none-match'] === '*' ? { status, code: 'NotImplemented' } : undefined;
    const create = (text: string): Promise<boolean> => store.files.create('narrow/gc', Buffer.from(text), 'text/plain');
    if (status === 200) assert.deepEqual((await Promise.all([create('a'), create('b')])).sort(), [false, true]);
    else assert.deepEqual([await create('a'), await create('b')], [true, false]);
  }
});

test('files are listed page by page, those of a directory and those of the root alone', async () => {
  await using server = await startS3Server({ page: 3 });
  await using store = await open(server);
  const names = ['a.narinfo', 'b.narinfo', 'log/x y?.drv', 'nar/1.nar', 'nar/2.nar', 'nar/3.nar', 'nar/4.nar', 'z&<>"'];
  for (const name of names)
    server.objects.set(name, { bytes: Buffer.from('x'), etag: '"t"', modified: 5000, type: '' });
  const listed = await Array.fromAsync(store.files.list('nar')!);
  assert.deepEqual(listed, ['nar/1.nar', 'nar/2.nar', 'nar/3.nar', 'nar/4.nar']);
  const all = await Array.fromAsync(store.files.listAll()!);
  assert.deepEqual(
    all.map(({ reference }) => decodeURIComponent(reference)),
    names,
  );
  assert.deepEqual(all[0], { reference: 'a.narinfo', size: 1, modified: 5000, version: 't' });
  await store.files.remove('log/x y%3F.drv');
  await store.files.remove('not/there');
  assert.equal(server.objects.has('log/x y?.drv'), false);
});

test('403 is what those are told who may not list: missing, but for the description of the cache', async () => {
  await using server = await startS3Server();
  await using store = await open(server);
  server.fault = ({ method }) =>
    method === 'GET' || method === 'HEAD' ? { status: 403, code: 'AccessDenied' } : undefined;
  assert.equal(await store.files.read('x.narinfo', 100), undefined);
  assert.equal(await store.files.stat('nar/x.nar'), undefined);
  await assert.rejects(store.files.read('nix-cache-info', 100), { code: 'refused' });
});

test('clocks that differ by an hour are no matter: the server tells its own', async () => {
  await using server = await startS3Server({ skew: 3_600_000 });
  await using store = await open(server);
  await store.files.write('x', Buffer.from('x'), 'text/plain');
  const { clock } = await store.inspect();
  assert.ok(Math.abs(clock!.ahead - 3600) < 30);
});

test('the first answer tells the time, be it one without a body', async () => {
  await using server = await startS3Server();
  await using store = await open(server);
  await store.files.write('x', Buffer.from('x'), 'text/plain');
  Object.assign(server.rules, { skew: -3_600_000 });
  assert.equal((await store.files.stat('x'))?.size, 1);
});

test('what was asked by the old time is asked again, however many were on their way', async () => {
  await using server = await startS3Server();
  await using store = await open(server);
  await store.files.write('x', Buffer.from('x'), 'text/plain');
  Object.assign(server.rules, { skew: -3_600_000 });
  const found = await Promise.all(Array.from({ length: 8 }, () => store.files.stat('x')));
  assert.deepEqual(new Set(found.map((one) => one?.size)), new Set([1]));
});

test('a refusal with a long page is a refusal', async () => {
  await using server = await startS3Server();
  await using store = await open(server);
  await store.files.write('x', Buffer.from('x'), 'text/plain');
  const page = 'x'.repeat(200_000);
  server.fault = (_, count) => (count === 1 ? { status: 503, code: 'SlowDown', message: page } : undefined);
  assert.equal(String(await store.files.read('x', 10)), 'x');
});

test('what a file that was asked for ahead says of its encoding makes no room without end', async () => {
  await using server = await startS3Server();
  await using store = await open(server);
  const [reference, bytes] = ['nar/x.nar', Buffer.alloc(8 * 1024 * 1024)];
  await store.files.write(reference, bytes, 'text/plain');
  const stored = server.objects.get(reference)!;
  server.objects.set(reference, { ...stored, bytes: gzipSync(bytes), encoding: 'gzip' });
  store.files.expect?.([{ reference, size: 100 }]);
  await assert.rejects(store.files.open(reference), { code: 'format' });
});

test('an abort ends what waits for an answer, and nothing else', async () => {
  await using server = await startS3Server();
  await using store = await open(server);
  await store.files.write('x', Buffer.from('x'), 'text/plain');
  server.fault = () => 'slow';
  const stop = new AbortController();
  const waiting = Promise.all([0, 1].map(() => store.files.read('x', 10, { signal: stop.signal })));
  const other = store.files.read('x', 10, { signal: new AbortController().signal });
  const ended = assert.rejects(waiting, { name: 'AbortError' });
  await new Promise((resolve) => setTimeout(resolve, 100));
  stop.abort();
  await ended;
  assert.equal((await other)?.toString(), 'x');
  await assert.rejects(store.files.read('x', 10, { signal: stop.signal }), { name: 'AbortError' });
});

test('narinfos that others have compressed are read; too large ones are not', async () => {
  await using server = await startS3Server();
  await using store = await open(server);
  const object = { bytes: gzipSync('StorePath'), etag: '"t"', modified: 5000, type: '', encoding: 'gzip' };
  server.objects.set('x.narinfo', object);
  assert.equal((await store.files.read('x.narinfo', 100))?.toString(), 'StorePath');
  await store.files.write('large', Buffer.alloc(200_000), 'text/plain');
  await assert.rejects(store.files.read('large', 100_000), { code: 'format', message: /at most 100000 bytes/ });
  assert.equal((await store.files.read('large', 200_000))?.length, 200_000);
  await assert.rejects(store.files.read('x.narinfo', 5), { code: 'format' });
});

test('directory buckets, which are signed for in another way, are refused', async () => {
  await using server = await startS3Server();
  await assert.rejects(open(server, { place: 'x--usw2-az1--x-s3' }), { code: 'unsupported' });
});

test('a session token goes along; profiles of the shared files are read', async () => {
  await using server = await startS3Server({ token: 'session' });
  await using store = await open(server);
  await store.files.write('x', Buffer.from('x'), 'text/plain');
  const { accessKey, secret } = server.rules;
  const profile = `[other]\naws_access_key_id = ${accessKey}\naws_secret_access_key = ${secret}\naws_session_token = session\n`;
  // each file is read once by a process
  const env = { AWS_SHARED_CREDENTIALS_FILE: join(home, 'other') };
  writeFileSync(env.AWS_SHARED_CREDENTIALS_FILE, profile);
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN']) delete process.env[name];
  await using other = await open(server, { parameters: 'profile=other', env });
  assert.equal((await other.files.read('x', 10))?.toString(), 'x');
  await assert.rejects(open(server, { parameters: 'profile=none', env }), { code: 'refused' });
});

test('without credentials what everybody may read is read, and nothing is written', async () => {
  await using server = await startS3Server({ open: 'read' });
  const bytes = Buffer.from('StoreDir: /nix/store\n');
  server.objects.set('nix-cache-info', { bytes, etag: '"t"', modified: 5000, type: '' });
  await using store = await open(server, { env: {}, mode: 'read' });
  assert.equal(store.storeDir, '/nix/store');
  await assert.rejects(open(server, { env: {} }), (error) => {
    assert.ok(isNarrowError(error, 'refused'));
    assert.match(error.hint!, /AWS_ACCESS_KEY_ID/);
    return true;
  });
});

interface Complaint extends Opening {
  readonly what: string;
  readonly server?: S3ServerOptions;
  readonly fault?: S3Fault;
  readonly code: string;
  readonly message: RegExp;
  readonly hint: RegExp;
}

const keys = { AWS_ACCESS_KEY_ID: 'AKLAB', AWS_SECRET_ACCESS_KEY: 'lab-secret' };
const complaints: readonly Complaint[] = [
  { what: 'no bucket', place: 'other', code: 'missing', message: /no such bucket \(NoSuchBucket\)/, hint: /endpoint/ },
  {
    what: 'no permission',
    fault: { status: 403, code: 'AccessDenied' },
    code: 'refused',
    message: /access denied \(AccessDenied\)/,
    hint: /s3:GetObject/,
  },
  {
    what: 'an unknown key',
    env: { ...keys, AWS_ACCESS_KEY_ID: 'nobody' },
    code: 'refused',
    message: /access key is not known/,
    hint: /AWS_ACCESS_KEY_ID/,
  },
  {
    what: 'a wrong secret',
    env: { ...keys, AWS_SECRET_ACCESS_KEY: 'x' },
    code: 'refused',
    message: /secret key does not belong to the access key \(SignatureDoesNotMatch\)/,
    hint: /profile=/,
  },
  {
    what: 'an old token',
    server: { token: 'new' },
    env: { ...keys, AWS_SESSION_TOKEN: 'old' },
    code: 'refused',
    message: /session token has expired \(ExpiredToken\)/,
    hint: /AWS_SESSION_TOKEN/,
  },
  {
    what: 'another region, told in words',
    server: { region: 'eu-central-1' },
    parameters: 'region=us-east-1',
    code: 'refused',
    message: /the bucket is in the region eu-central-1/,
    hint: /\?region=eu-central-1/,
  },
  {
    what: 'another region, in words as XML has them',
    fault: {
      status: 400,
      code: 'AuthorizationHeaderMalformed',
      message: 'The authorization header is malformed; the region is wrong; expecting &#39;eu-north-1&#39;.',
    },
    code: 'refused',
    message: /the bucket is in the region eu-north-1/,
    hint: /\?region=eu-north-1/,
  },
  {
    what: 'another region, told by a header',
    fault: { status: 301, code: 'PermanentRedirect', headers: { 'x-amz-bucket-region': 'eu-west-3' } },
    code: 'refused',
    message: /the bucket is in the region eu-west-3 \(PermanentRedirect\)/,
    hint: /\?region=eu-west-3/,
  },
  {
    what: 'a clock that differs, of a server that does not tell its own',
    fault: { status: 403, code: 'RequestTimeTooSkewed' },
    code: 'refused',
    message: /the clocks differ too much/,
    hint: /clock of this machine/,
  },
  {
    what: 'a full store',
    fault: { status: 507, code: 'XMinioStorageFull' },
    code: 'unavailable',
    message: /no space left/,
    hint: /gc/,
  },
  {
    what: 'a page of something else',
    fault: { status: 400 },
    code: 'unavailable',
    message: /HTTP 400/,
    hint: /endpoint/,
  },
];

for (const { what, server: options, fault, code, message, hint, ...opening } of complaints) {
  test(`what is said of ${what}`, async () => {
    await using server = await startS3Server(options);
    if (fault) server.fault = () => fault;
    await assert.rejects(open(server, opening), (error) => {
      assert.ok(isNarrowError(error), String(error));
      assert.equal(error.code, code, error.message);
      assert.match(error.message, message);
      assert.match(error.hint!, hint);
      return true;
    });
  });
}

test('addresses that make no sense are wrong usage', async () => {
  const wrong = ['/', 'a/b', '-x', 'ab'];
  for (const place of wrong) {
    await assert.rejects(openS3Cache(place, new URLSearchParams(), testContext()), { code: 'usage' }, place);
  }
  for (const search of ['scheme=ftp', 'scheme=http', 'endpoint=::', 'addressing-style=x', 'multipart-chunk-size=x']) {
    Object.assign(process.env, bare, keys);
    await assert.rejects(openS3Cache('bucket', new URLSearchParams(search), testContext()), { code: 'usage' }, search);
  }
});

test('small files that will be opened are asked for ahead, once', async () => {
  await using server = await startS3Server();
  await using store = await open(server);
  const names = Array.from({ length: 50 }, (_, i) => `nar/${i}.nar`);
  for (const name of names) await stage(store.files, name, Buffer.from(name));
  server.requests.length = 0;
  store.files.expect!([...names, 'nar/gone.nar'].map((reference) => ({ reference, size: 10 })));
  assert.equal((await contents(store.files, names[0]!)).toString(), names[0]);
  for (const name of names.slice(1)) assert.equal((await contents(store.files, name)).toString(), name);
  assert.equal(await store.files.open('nar/gone.nar'), undefined);
  assert.equal(server.requests.length, names.length + 1);
});

import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { closure, keyPair } from './closures.ts';
import { startFaultServer } from './fault-server.ts';
import type { Fault } from './fault-server.ts';
import { startNginx } from './nginx.ts';
import { freshStore, nix, nixes } from './nix.ts';
import { startRelay } from './relay.ts';
import { run } from './run.ts';
import { tempDir } from './temp.ts';

const kilobyte = 'x'.repeat(1024);

function site(): string {
  const dir = tempDir('site');
  writeFileSync(join(dir, 'file'), kilobyte);
  return dir;
}

test('nginx serves a signed cache to every Nix', async () => {
  const { root, top, paths } = await closure('signed');
  const { publicKey } = await keyPair('lab-1');
  const cache = tempDir('cache');
  await nix('2.8').nix('copy', '--from', root, '--to', `file://${cache}?compression=zstd`, top);
  await run(['chmod', '-R', 'a+rX', cache]);
  await using nginx = await startNginx(cache);
  for (const one of nixes()) {
    const to = await freshStore();
    const conf = `trusted-public-keys = ${publicKey}\n`;
    await one.run('nix', ['copy', '--from', nginx.url, '--to', to, top], { conf });
    assert.equal((await one.store(to, '-qR', top)).split('\n').length, paths.length, one.label);
  }
  assert.ok(nginx.log().includes('GET /nix-cache-info 200 ' + '21' + ' "-"'), nginx.log()[0]);
});

test('nginx takes PUT and answers ranges', async () => {
  await using nginx = await startNginx(site(), { writable: true });
  assert.equal((await fetch(`${nginx.url}/nar/new`, { method: 'PUT', body: 'abc' })).status, 201);
  const part = await fetch(`${nginx.url}/nar/new`, { headers: { range: 'bytes=1-' } });
  assert.equal(part.status, 206);
  assert.equal(await part.text(), 'bc');
  assert.equal(nginx.log().at(-1), 'GET /nar/new 206 2 "bytes=1-"');
});

/** What a plain client makes of a fault, within 800 ms. */
async function fetched(url: string): Promise<string> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(800), headers: { connection: 'close' } });
    const text = await response.text();
    return `${response.status} ${text.length}${text.length === 1024 && text !== kilobyte ? ' changed' : ''}`;
  } catch (error) {
    return error instanceof DOMException ? 'timeout' : 'failed';
  }
}

test('each fault of the server is the one it says', async () => {
  await using server = await startFaultServer(site());
  const expected: Partial<Record<Fault, string>> = {
    404: '404 11',
    503: '503 11',
    reset: 'failed',
    short: 'failed',
    'hang-body': 'timeout',
    close: 'failed',
    hang: 'timeout',
    garbage: 'failed',
    drip: 'timeout',
    'drip-headers': 'timeout',
    flip: '200 1024 changed',
    'no-range': '200 1024',
    'no-length': '200 1024',
    html: '200 38',
    loop: 'failed',
    away: 'failed',
    delay: 'timeout',
  };
  for (const [fault, outcome] of Object.entries(expected)) {
    server.faults = { fault: /^\d/.test(fault) ? Number(fault) : (fault as Fault) };
    assert.equal(await fetched(`${server.url}/file`), outcome, fault);
  }
  server.faults = undefined;
  assert.equal(await fetched(`${server.url}/file`), '200 1024');
  assert.equal(await fetched(`${server.url}/other`), '404 10');
});

test('faults for some paths, some times; ranges otherwise', async () => {
  await using server = await startFaultServer(site(), { fault: 500, match: /file/, times: 2 });
  const url = `${server.url}/file`;
  assert.deepEqual([await fetched(url), await fetched(url), await fetched(url)], ['500 11', '500 11', '200 1024']);
  const part = await fetch(url, { headers: { range: 'bytes=1000-' } });
  assert.equal(part.headers.get('content-range'), 'bytes 1000-1023/1024');
  assert.equal((await fetch(url, { headers: { range: 'bytes=1024-' } })).status, 416);
  assert.deepEqual(
    server.requests.map((r) => r.spoilt),
    [true, true, false, false, false],
  );
});

/** Answers each byte with a byte. */
async function echo(): Promise<{ to: string } & AsyncDisposable> {
  const server = createServer((socket) => socket.on('error', () => {}).pipe(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { to: `127.0.0.1:${port}`, [Symbol.asyncDispose]: async () => void server.close() };
}

/** Sends each text once the answer to the one before is complete; gives the milliseconds, and how much came. */
async function talk(port: number, ...texts: string[]): Promise<{ milliseconds: number; received: number }> {
  const { connect } = await import('node:net');
  const socket = connect(port, '127.0.0.1');
  const started = performance.now();
  let received = 0;
  let due = 0;
  await new Promise<void>((resolve) => {
    const next = (): void => {
      const text = texts.shift();
      if (text === undefined) return void socket.end();
      due += text.length;
      socket.write(text);
    };
    socket.on('connect', next).on('data', (data) => {
      received += data.length;
      if (received === due) next();
    });
    socket.on('error', () => {}).on('close', () => resolve());
  });
  return { milliseconds: performance.now() - started, received };
}

test('a relay delays, counts the turns, and limits the rate', async () => {
  await using server = await echo();
  await using far = await startRelay({ to: server.to, delay: 20 });
  const { milliseconds } = await talk(far.port, 'a', 'b', 'c');
  // three questions, the handshake and the end: five round trips of 40 ms
  assert.ok(milliseconds >= 160 && milliseconds < 3000, `${milliseconds} ms`);
  assert.deepEqual(far.stats, { connections: 1, toServer: 3, toClient: 3, turns: 5, cut: 0 });
  await using narrow = await startRelay({ to: server.to, rate: 1_000_000 });
  const slow = await talk(narrow.port, 'x'.repeat(300_000));
  assert.equal(slow.received, 300_000);
  assert.ok(slow.milliseconds >= 280 && slow.milliseconds < 5000, `${slow.milliseconds} ms`);
});

test('a relay connects before it hands on what came meanwhile', async () => {
  await using server = await echo();
  for (const delay of [0, 5]) {
    await using relay = await startRelay({ to: server.to, delay });
    const talks = Array.from({ length: 60 }, (_, i) => setTimeout(i / 3).then(() => talk(relay.port, 'hello')));
    for (const { received } of await Promise.all(talks)) assert.equal(received, 5);
  }
});

test('a relay cuts after so many bytes, the first connections only', async () => {
  await using server = await echo();
  await using relay = await startRelay({ to: server.to, cutAfter: { toClient: 50_000 }, cuts: 1 });
  assert.equal((await talk(relay.port, 'x'.repeat(200_000))).received, 50_000);
  assert.equal((await talk(relay.port, 'x'.repeat(200_000))).received, 200_000);
  assert.equal(relay.stats.cut, 1);
});

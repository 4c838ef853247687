// Stores looked at: what is told, what is wrong, and that nothing wrong is thrown.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { examineStore, isWrong } from '../../src/doctor/examine.ts';
import { examineSubstituters } from '../../src/doctor/substituters.ts';
import { testContext } from '../contract/context.ts';
import { tempDir } from '../lab/temp.ts';

/** A cache whose clock is `ahead` seconds ahead. */
async function cacheWithClock(
  ahead: number,
  headers: Record<string, string> = {},
): Promise<{ url: string } & Disposable> {
  const server = createServer((_request, response) => {
    response.setHeader('date', new Date(Date.now() + ahead * 1000).toUTCString());
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    response.end('StoreDir: /nix/store\nPriority: 41\n');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, [Symbol.dispose]: () => void server.close() };
}

test('a cache whose clock is wrong, and one behind a proxy that keeps answers', async () => {
  using wrong = await cacheWithClock(7200);
  const { findings, facts } = await examineStore(wrong.url, testContext(), []);
  assert.match(findings.find((f) => f.subject === 'clock')!.what, /2 hours ahead of this machine/);
  assert.ok(isWrong(findings));
  assert.ok(Math.abs(facts!.clock!.ahead - 7200) < 5);
  using old = await cacheWithClock(-4000, { age: '4000' });
  assert.ok(!isWrong((await examineStore(old.url, testContext(), [])).findings));
});

test('places that are not there are errors with what to do, not exceptions', async () => {
  const empty = tempDir('empty');
  const urls = [`file://${empty}`, 'http://127.0.0.1:1', `unix://${join(empty, 'socket')}`];
  for (const url of urls) {
    const { findings, facts } = await examineStore(url, testContext({ 'download-attempts': '1' }), []);
    assert.deepEqual([findings[0]?.level, findings[0]?.subject, facts], ['error', 'reach', undefined], url);
  }
  const [host] = (await examineStore('ssh://nobody@127.0.0.1:1', testContext(), [])).findings;
  assert.match(host!.what, /Connection refused/);
  assert.match(host!.hint!, /^try it by hand: ssh \S*127\.0\.0\.1$/);
  const [unspoken] = (await examineStore('dummy://', testContext(), [])).findings;
  assert.equal(unspoken?.level, 'untold');
  await assert.rejects(examineStore('nonsense', testContext(), []), { code: 'usage' });
});

test('substituters: each by itself, asked once, and none when Nix does not substitute', async () => {
  using cache = await cacheWithClock(0);
  const silent = 'http://127.0.0.1:1';
  const [good, bad] = await examineSubstituters(testContext({ substituters: `${cache.url} ${silent}` }));
  assert.equal(good!.url, cache.url);
  assert.ok(!isWrong(good!.findings));
  assert.equal(bad!.url, silent);
  assert.equal(bad!.findings[0]?.level, 'error');
  assert.deepEqual(await examineSubstituters(testContext({ substituters: cache.url, substitute: 'false' })), []);
});

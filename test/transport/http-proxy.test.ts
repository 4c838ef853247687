import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proxyFor } from '../../src/transport/http-proxy.ts';

const through = (url: string, env: Record<string, string>): string | undefined => proxyFor(new URL(url), env)?.href;

test('by scheme, in small letters first; HTTP_PROXY is not read', () => {
  const env = { http_proxy: 'http://a:1', https_proxy: 'b:2', all_proxy: 'http://c:3' };
  assert.equal(through('http://x/', env), 'http://a:1/');
  assert.equal(through('https://x/', env), 'http://b:2/');
  assert.equal(through('https://x/', { all_proxy: 'http://c:3' }), 'http://c:3/');
  assert.equal(through('https://x/', { HTTPS_PROXY: 'http://d:4' }), 'http://d:4/');
  assert.equal(through('http://x/', { HTTP_PROXY: 'http://d:4' }), undefined);
  assert.equal(through('http://x/', {}), undefined);
});

test('no_proxy: hosts, their subdomains, ports, addresses, networks, everything', () => {
  const rows: [string, string, boolean][] = [
    ['http://example.org/', 'example.org', true],
    ['http://cache.example.org/', '.example.org', true],
    ['http://cache.example.org/', 'example.org', true],
    ['http://notexample.org/', 'example.org', false],
    ['http://example.org:81/', 'example.org:80', false],
    ['http://example.org/', 'a, example.org:80', true],
    ['http://10.1.2.3/', '10.0.0.0/8', true],
    ['http://11.1.2.3/', '10.0.0.0/8', false],
    ['http://[::1]:80/', '::1', true],
    ['http://anything/', '*', true],
  ];
  for (const [url, no_proxy, direct] of rows)
    assert.equal(through(url, { http_proxy: 'http://p:1', no_proxy }) === undefined, direct, `${url} ${no_proxy}`);
});

test('other proxies are refused, without showing a password', () => {
  assert.throws(
    () => through('http://x/', { all_proxy: 'socks5://me:secret@p:1' }),
    (error: Error) => {
      assert.match(error.message, /the proxy socks5:\/\/p:1 is not an http proxy/);
      return true;
    },
  );
});

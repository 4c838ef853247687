import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseStoreUrl } from '../../src/store/url.ts';

const good: [string, string, string, string][] = [
  ['auto', 'auto', '', ''],
  ['local', 'local', '', ''],
  ['local?root=/mnt', 'local', '', 'root=%2Fmnt'],
  ['/mnt', 'local', '', 'root=%2Fmnt'],
  ['local:///mnt', 'local', '', 'root=%2Fmnt'],
  ['file:///srv/cache?compression=zstd', 'file', '/srv/cache', 'compression=zstd'],
  ['file:///srv/my%20cache', 'file', '/srv/my cache', ''],
  ['https://cache.example.org/', 'https', 'https://cache.example.org', ''],
  ['daemon', 'daemon', '', ''],
  ['unix:///run/nix.socket', 'daemon', '', 'path=%2Frun%2Fnix.socket'],
  ['ssh://me@host:2222?compress=true', 'ssh', 'me@host:2222', 'compress=true'],
  ['ssh-ng://host', 'ssh-ng', 'host', ''],
  ['http://h:8080/sub?priority=30', 'http', 'http://h:8080/sub', 'priority=30'],
];
for (const [text, scheme, place, params] of good) {
  test(`${text} is ${scheme}`, () => {
    const url = parseStoreUrl(text);
    assert.deepEqual([url.scheme, url.place, url.params.toString()], [scheme, place, params]);
  });
}

const bad: [string, string][] = [
  ['', 'usage'],
  ['nonsense', 'usage'],
  ['file://', 'usage'],
  ['file:///srv/50%', 'usage'],
  ['file:///srv/a%2Fb', 'usage'],
  ['file://50%', 'usage'],
  ['bundle:50%', 'usage'],
  ['https://', 'usage'],
  ['gopher://x', 'usage'],
  ['dummy://', 'unsupported'],
];
for (const [text, code] of bad) {
  test(`'${text}' is refused as ${code}`, () => {
    assert.throws(() => parseStoreUrl(text), { code });
  });
}

test('what was probably meant is said', () => {
  for (const [text, hint] of [
    ['pi1', 'a machine is ssh://pi1, a directory is ./pi1'],
    ['ssh:me@pi1', 'did you mean ssh://me@pi1?'],
    ['file:/srv/cache', 'did you mean file:///srv/cache?'],
    ['https:/cache.example.org', 'did you mean https://cache.example.org?'],
  ] as const)
    assert.throws(() => parseStoreUrl(text), { code: 'usage', hint }, text);
});

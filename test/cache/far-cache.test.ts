import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { pathToFileURL } from 'node:url';
import { farCache } from '../../src/cache/far-cache.ts';
import { parseSftpPlace } from '../../src/store/sftp.ts';
import { parseStoreUrl } from '../../src/store/url.ts';

/** The directory that each of the two ways leads to. */
function directories(url: string): readonly [ssh: string, sftp: string] {
  const { ssh, sftp } = farCache(url)!;
  const remote = parseStoreUrl(ssh).params.get('remote-store')!;
  return [parseStoreUrl(remote).place, parseSftpPlace(parseStoreUrl(sftp).place).root];
}

test('both ways lead to one directory, whatever it is called', () => {
  const name = fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => !/[/\0\ud800-\udfff]/.test(text));
  const property = fc.property(fc.array(name, { minLength: 1, maxLength: 3 }), (names) => {
    const remote = encodeURIComponent(pathToFileURL(`/srv/${names.join('/')}`).href);
    const [one, other] = directories(`ssh://pi?remote-store=${remote}`);
    assert.equal(other, one);
  });
  fc.assert(property);
  for (const odd of ['a%20b', 'c%23d', 'e%2523f', 'g/../h', 'i//j', 'k/./l', 'm/']) {
    const [one, other] = directories(`ssh://pi?remote-store=file:///srv/${odd}`);
    assert.equal(other, one.replace(/\/$/, ''), odd);
  }
});

test('what is for the login goes both ways, keys of the other machine stay there', () => {
  const cache = 'file:///srv/cache?secret-key=/there&compression=zstd';
  const url = `ssh://me@pi:22?ssh-key=/here&delta-level=best&remote-store=${encodeURIComponent(cache)}`;
  const { ssh, sftp } = farCache(url)!;
  assert.equal(parseStoreUrl(ssh).params.get('remote-store'), cache);
  assert.equal(sftp, 'sftp://me@pi:22/srv/cache?compression=zstd&ssh-key=%2Fhere');
});

test('what is no cache in a directory of another machine is none', () => {
  assert.equal(farCache('sftp://pi/srv/cache'), undefined);
  assert.equal(farCache('file:///srv/cache'), undefined);
  for (const url of ['ssh://pi', 'ssh://pi?remote-store=daemon', 'ssh-ng://pi?remote-store=file://'])
    assert.throws(() => farCache(url), { code: 'unsupported' }, url);
});

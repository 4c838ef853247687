// What stands behind sftp://.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSftpPlace } from '../../src/store/sftp.ts';
import { unknownParameters } from '../../src/store/parameters.ts';
import { parseStoreUrl } from '../../src/store/url.ts';

test('a host, and a directory from the root or from the home', () => {
  const root = (place: string): string => parseSftpPlace(place).root;
  assert.deepEqual(parseSftpPlace('me@pi:2222/srv/cache/'), {
    host: 'me@pi:2222',
    path: '/srv/cache',
    root: '/srv/cache',
  });
  assert.equal(root('pi/~/cache'), 'cache');
  assert.equal(root('pi/~'), '.');
  assert.equal(root('pi/~bob/x'), '/~bob/x');
  assert.equal(root('[fe80::1%eth0]:22/a%20b'), '/a b');
});

test('without a directory it is refused', () => {
  for (const place of ['pi', 'pi/', '/srv/cache', '', 'pi/%00', 'pi/%']) {
    assert.throws(() => parseSftpPlace(place), { code: 'usage' }, place);
  }
});

test('it has the parameters of a cache and of ssh', () => {
  const url = parseStoreUrl('sftp://pi/srv/cache?compression=zstd&secret-key=k&ssh-key=i&fsync=1&remote-store=x');
  assert.deepEqual([url.scheme, url.place], ['sftp', 'pi/srv/cache']);
  assert.match(unknownParameters(url).join(), /^sftp stores have no parameter 'remote-store'/);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unknownParameters } from '../../src/store/parameters.ts';
import { parseStoreUrl } from '../../src/store/url.ts';

const warnings = (url: string): string[] => unknownParameters(parseStoreUrl(url));

test('what a kind of store reads is known', () => {
  for (const url of [
    'local?root=/x&require-sigs=false',
    'file:///c?compression=zstd&secret-key=k&priority=30&trusted=1',
    'https://h?retry-attempts=2',
    'ssh://h?ssh-key=k&remote-store=/x',
    'daemon?max-connections=2',
  ]) {
    assert.deepEqual(warnings(url), [], url);
  }
});

test('what it does not read is told, with what may have been meant', () => {
  assert.deepEqual(warnings('file:///c?secret_key=k'), [
    "file stores have no parameter 'secret_key', which is ignored; did you mean 'secret-key'?",
  ]);
  assert.deepEqual(warnings('local?compression=xz'), [
    "local stores have no parameter 'compression', which is ignored",
  ]);
});

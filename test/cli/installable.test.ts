import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { isBareHashPart, resolveStorePath } from '../../src/cli/installable.ts';

const dir = mkdtempSync(join(tmpdir(), 'narrow-installable-'));
after(() => rmSync(dir, { recursive: true }));
const base = 'y9v4w1kf41c10q7fdxlbz10s0adiximd-dep-1.0';

test('a store path, a file in it, and links to it, whether or not the store directory is here', () => {
  symlinkSync(`/gone/store/${base}`, join(dir, 'result'));
  symlinkSync('result', join(dir, 'again'));
  symlinkSync(`/gone/store/${base}/bin`, join(dir, 'bin'));
  for (const text of [
    `/gone/store/${base}`,
    `/gone/store/${base}/bin/x`,
    join(dir, 'result'),
    join(dir, 'again'),
    join(dir, 'again/share'),
    join(dir, 'bin'),
  ]) {
    assert.equal(resolveStorePath('/gone/store', text), base, text);
  }
});

test('what is no store path is told so', () => {
  symlinkSync('loop', join(dir, 'loop'));
  for (const text of ['/etc/passwd', join(dir, 'absent'), join(dir, 'loop'), '/gone/store']) {
    assert.throws(() => resolveStorePath('/gone/store', text), { code: 'usage' }, text);
  }
  assert.throws(() => resolveStorePath('/gone/store', join(dir, 'absent')), { message: /there is no such file$/ });
  assert.throws(() => resolveStorePath('/gone/store', '/etc/passwd'), { message: /is no path in \/gone\/store$/ });
});

test('32 digits are a hash part', () => {
  assert.ok(isBareHashPart('y9v4w1kf41c10q7fdxlbz10s0adiximd'));
  assert.ok(!isBareHashPart(base));
});

test('what lies in the store directory and is no store path is wrong usage, with the reason', () => {
  assert.throws(() => resolveStorePath('/gone/store', '/gone/store/foo'), {
    code: 'usage',
    message: "'/gone/store/foo' is no store path",
    hint: /expected 32 base-32 digits/,
  });
});

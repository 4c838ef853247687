// Where a file may be made.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { expectOutputPlace } from '../../src/fs/output-place.ts';
import { tempDir } from '../lab/temp.ts';

test('a file of a directory that is there, and nothing else', async () => {
  const dir = tempDir('place');
  const [file, sub, none] = [join(dir, 'file'), join(dir, 'sub'), join(dir, 'none')];
  writeFileSync(file, '');
  mkdirSync(sub);
  for (const good of [file, join(dir, 'new'), join(sub, 'new')]) await expectOutputPlace(good);
  const refused = (place: string, message: RegExp): Promise<void> =>
    assert.rejects(expectOutputPlace(place), { code: 'io', message });
  await refused(sub, /sub: it is a directory$/);
  await refused(`${sub}/`, /it is a directory$/);
  await refused('/dev/null', /^cannot write \/dev\/null: it is no regular file$/);
  await refused(join(none, 'new'), /^cannot write into .*\/none: no such file or directory$/);
  await refused(join(file, 'new'), /^cannot write into .*\/file: a part of the path is not a directory$/);
  assert.ok(!existsSync(none));
});

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { DirectoryFiles } from '../../../src/store/cache/directory-files.ts';
import { narinfoName } from '../../../src/store/cache/narinfo-reader.ts';
import { NarReplacer } from '../../../src/store/cache/replacing.ts';
import { file, itemOf, sample } from '../../contract/sample.ts';
import { tempDir } from '../../lab/temp.ts';

const reference = 'nar/shared.nar';
const one = itemOf(await sample('one', file('shared')));
const other = itemOf(await sample('other', file('shared')));

/** Writes the file, and counts how often. */
function writer(files: DirectoryFiles): { readonly commit: () => Promise<void>; times: number } {
  const counted = {
    times: 0,
    commit: async (): Promise<void> => {
      counted.times++;
      await files.write(reference, Buffer.from('whole'));
    },
  };
  return counted;
}

test('a file that paths share is written once by a repair, and again by the next', async () => {
  const dir = tempDir('cache');
  const files = new DirectoryFiles(dir);
  const written = writer(files);
  const first = new NarReplacer(files);
  const answers = await Promise.all([one, other].map((item) => first.replace(item, reference, written.commit)));
  assert.deepEqual([answers, written.times], [[true, false], 1]);
  await files.write(reference, Buffer.from('damaged since'));
  assert.equal(await new NarReplacer(files).replace(one, reference, written.commit), true);
  assert.equal(readFileSync(join(dir, reference), 'utf8'), 'whole');
});

test('where one path could not write it, the next that shares it does', async () => {
  const files = new DirectoryFiles(tempDir('cache'));
  const written = writer(files);
  const replacer = new NarReplacer(files);
  const failing = replacer.replace(one, reference, () => Promise.reject(new Error('the line')));
  const waiting = replacer.replace(other, reference, written.commit);
  await assert.rejects(failing, /the line/);
  await assert.rejects(waiting, /the line/);
  assert.equal(await replacer.replace(other, reference, written.commit), true);
  assert.equal(written.times, 1);
});

test('a file that cannot be made way for is left with all narinfos that name it', async () => {
  const dir = tempDir('cache');
  const files = new DirectoryFiles(dir);
  const narinfos = [one, other].map(({ info }) => narinfoName(info.path));
  for (const name of narinfos) await files.write(name, Buffer.from(`narinfo ${name}`));
  // nothing that a file's removal removes
  mkdirSync(join(dir, reference), { recursive: true });
  const item = { ...one, sharers: [other.info.path] };
  const failing = new NarReplacer(files).replace(item, reference, async ({ makeWay }) => makeWay?.());
  await assert.rejects(failing, { code: 'io' });
  for (const name of narinfos) assert.equal(String(await files.read(name, 1000)), `narinfo ${name}`);
});

// Where bytes are put aside, and that they come back.

import assert from 'node:assert/strict';
import { readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { collect } from '../../src/bytes/source.ts';
import { Spool } from '../../src/fs/spool.ts';
import { tempDir } from '../lab/temp.ts';

const before = process.env['XDG_STATE_HOME'];
after(() => {
  if (before === undefined) delete process.env['XDG_STATE_HOME'];
  else process.env['XDG_STATE_HOME'] = before;
});

/** Where this process has files open that have no name any more. */
function nameless(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return /\/narrow-[0-9a-f-]{36} \(deleted\)$/.test(target) ? [target] : [];
    } catch {
      return [];
    }
  });
}

const chunk = Buffer.alloc(300_000, 'abc');

async function spooled(): Promise<{ places: string[]; bytes: Buffer }> {
  await using spool = new Spool();
  for (let i = 0; i < 5; i++) await spool.write(chunk);
  return { places: nameless(), bytes: await collect(spool.read()) };
}

test('what is more than memory should hold goes into the state directory: /tmp may be memory, too', async () => {
  const state = tempDir('state');
  process.env['XDG_STATE_HOME'] = state;
  const { places, bytes } = await spooled();
  assert.ok(places.length === 1 && places[0]!.startsWith(join(state, 'narrow/spool/')), places.join());
  assert.deepEqual(bytes, Buffer.concat(Array<Buffer>(5).fill(chunk)));
  assert.deepEqual(readdirSync(join(state, 'narrow/spool')), []);
  assert.deepEqual(nameless(), []);
});

test('where there is no state directory it goes among temporary files', async () => {
  const file = join(tempDir('state'), 'file');
  writeFileSync(file, '');
  process.env['XDG_STATE_HOME'] = file;
  const { places } = await spooled();
  assert.ok(places.length === 1 && places[0]!.startsWith(tmpdir()), places.join());
});

test('few bytes stay in memory; any part is read, several times', async () => {
  await using spool = new Spool();
  for (const part of ['one ', 'two ', 'three']) await spool.write(Buffer.from(part));
  assert.deepEqual(nameless(), []);
  assert.equal(spool.size, 13);
  assert.equal((await collect(spool.read(4, 3))).toString(), 'two');
  assert.equal((await collect(spool.read(8))).toString(), 'three');
  assert.equal((await collect(spool.read())).toString(), 'one two three');
});

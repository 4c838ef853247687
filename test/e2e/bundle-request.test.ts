// A year on an island: all that is exchanged are files. What was damaged on the way, or collected meanwhile, is asked for, and
// just that is sent.

import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatRequest } from '../../src/bundle/request.ts';
import { defaultStoreDir, parseStorePath } from '../../src/model/store-path.ts';
import { closure, copyOfStore } from '../lab/closures.ts';
import { freshStore, nix } from '../lab/nix.ts';
import { run } from '../lab/run.ts';
import { tempDir } from '../lab/temp.ts';
import { apply, create, expectWhole, local, validCount, workshopRoot } from './bundles.ts';
import { fails, narrow } from './narrow.ts';

function flipBit(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at]! ^= 1;
  writeFileSync(file, bytes);
}

/** Makes a path what another builder might have made: valid, with other contents. */
async function makeOther(root: string, path: string): Promise<void> {
  const file = join(root, path, 'bin/hello');
  const { mode } = statSync(file);
  chmodSync(file, 0o755);
  appendFileSync(file, '# other\n');
  chmodSync(file, mode);
  utimesSync(file, 1, 1);
  const hash = (await nix('2.8').run('nix-hash', ['--type', 'sha256', join(root, path)])).stdout.trim();
  const change = `update ValidPaths set hash='sha256:${hash}', narSize=narSize+8 where path='${path}'`;
  await run(['sqlite3', join(root, 'nix/var/nix/db/db.sqlite'), change]);
}

test('by ship and by mail: a first bundle in volumes, an update, the next', async () => {
  const [basic, rebuilt, updated] = [await closure('basic'), await closure('rebuilt'), await closure('updated')];
  const [work, island] = [await workshopRoot(), await freshStore()];
  const [home, away] = [tempDir('home'), tempDir('away')];
  const kept = join(home, 'first.bundle');
  await create(work, '-o', kept, '--volume-size', '600k', basic.top);
  const names = readdirSync(home).sort();
  for (const name of names) writeFileSync(join(away, name), readFileSync(join(home, name)));

  // one bit: named, with its offset; just this volume is sent again
  const first = join(away, 'first.bundle.001');
  flipBit(join(away, names[1]!), 200_000);
  const said = await fails(1, ['bundle', 'apply', '--no-check-sigs', '--to', local(island), first]);
  assert.match(said, /first\.bundle\.002 is damaged between offsets 8 and \d+/);
  assert.equal(await validCount(island), 0);
  const request = join(away, 'first.request');
  const missing = ['bundle', 'missing', '--to', local(island), '-o', request];
  assert.match(await fails(3, [...missing, first]), /to be sent again: volume 2\n/);
  const again = join(home, 'again.bundle');
  await create(work, '-o', again, '--request', request, kept);
  assert.deepEqual(
    readdirSync(home).filter((name) => name.startsWith('again')),
    ['again.bundle.002'],
  );
  await apply(island, first, `${again}.002`);
  await expectWhole(island, basic);
  assert.match((await narrow([...missing, first, `${again}.002`])).stderr, /nothing is missing/);

  // an update, and the next one after it, of which a base is collected meanwhile
  const inventory = join(away, 'island.inventory');
  await narrow(['inventory', '--store', local(island), '-o', inventory]);
  const [second, third] = [join(home, 'second.bundle'), join(home, 'third.bundle')];
  await create(work, '-o', second, '--for', inventory, rebuilt.top);
  await create(work, '-o', third, '--for', inventory, '--since', second, updated.top);
  await apply(island, second);
  await expectWhole(island, rebuilt);
  const gone = [rebuilt.top, basic.top, rebuilt.named['hello']!, rebuilt.named['greet']!];
  const referrers = (await nix('2.8').store(island, '-q', '--referrers-closure', ...gone)).split('\n');
  await nix('2.8').store(island, '--delete', '--ignore-liveness', ...referrers);
  const told = await fails(3, [...missing, third]);
  assert.match(told, /does not have .*-hello\S*, and \d+ path/);
  const answer = join(home, 'answer.bundle');
  await create(work, '-o', answer, '--request', request);
  assert.ok(statSync(answer).size < statSync(third).size * 4, `${statSync(answer).size}, ${statSync(third).size}`);
  await apply(island, answer, third);
  await expectWhole(island, updated);
});

test('volumes that did not arrive, or only a part of them', async () => {
  const [basic, island, dir] = [await closure('basic'), await freshStore(), tempDir('lost')];
  const [home, away] = [join(dir, 'home'), join(dir, 'away')];
  for (const place of [home, away]) mkdirSync(place);
  await create(basic.root, '-o', join(home, 'a'), '--volume-size', '300k', basic.top);
  await create(basic.root, '-o', join(away, 'a'), '--volume-size', '300k', basic.top);
  const names = readdirSync(home).sort();
  const other = join(away, names[0]!);
  assert.match(await fails(1, ['bundle', 'verify', other, join(home, names[1]!)]), /of another bundle/);
  for (const name of names) writeFileSync(join(away, name), readFileSync(join(home, name)));
  assert.ok(names.length > 4);
  rmSync(join(away, names[1]!));
  truncateSync(join(away, names[2]!), 1000);
  rmSync(join(away, names.at(-1)!));
  const request = join(dir, 'request');
  const said = await fails(3, ['bundle', 'missing', '--to', local(island), '-o', request, join(away, 'a')]);
  assert.match(said, /a bundle that has no end at offset 1000 of .*a\.003/);
  assert.match(said, new RegExp(`volume 2, 3\nto be sent again: all volumes after ${names.length - 1}\n`));
  await fails(2, ['bundle', 'create', '--store', local(basic.root), '-o', join(dir, 'x'), '--request', request]);
  assert.ok(!existsSync(join(dir, 'x')));
  await create(basic.root, '-o', join(away, 'a'), '--request', request, join(home, 'a'));
  await apply(island, join(away, 'a'));
  await expectWhole(island, basic);
});

test('what is there with other contents cannot be brought: what is made from it comes in full', async () => {
  const [basic, rebuilt] = [await closure('basic'), await closure('rebuilt')];
  const [work, island, dir] = [await workshopRoot(), await copyOfStore(basic.root), tempDir('elsewise')];
  const [file, request, answer] = [join(dir, 'a.bundle'), join(dir, 'request'), join(dir, 'answer.bundle')];
  await create(work, '-o', file, '--for', basic.top, rebuilt.top);
  await makeOther(island, basic.named['hello']!);
  assert.match(
    await fails(3, ['bundle', 'missing', '--to', local(island), '-o', request, file]),
    /has other contents under .*-hello/,
  );
  await create(work, '-o', answer, '--request', request);
  await apply(island, answer, file);
  assert.equal(await nix('current').complaints(island), undefined);
  assert.equal((await nix('2.8').store(island, '-qR', rebuilt.top)).split('\n').length, rebuilt.paths.length);
});

test('an answer is one JSON object, whatever is asked for', async () => {
  const [basic, dir] = [await closure('basic'), tempDir('json')];
  const [kept, request, answer] = [join(dir, 'a.bundle'), join(dir, 'request'), join(dir, 'answer')];
  await create(basic.root, '-o', kept, '--volume-size', '600k', basic.top);
  const { stdout } = await narrow(['bundle', 'show', '--json', kept]);
  const { bundle } = JSON.parse(stdout) as { bundle: string };
  const path = parseStorePath(defaultStoreDir, basic.named['libc']!);
  const needed = { path, narHash: '0'.repeat(16), differs: false, baseOf: [] };
  const answered = async (volumes: number[], paths: (typeof needed)[], ...more: string[]): Promise<unknown[]> => {
    writeFileSync(request, await formatRequest({ bundle, volumes, after: undefined, paths, there: undefined }));
    const made = await create(basic.root, '-o', answer, '--json', '--request', request, ...more, kept);
    const told = JSON.parse(made.stdout) as { files: string[]; volumes: number[]; paths?: { path: string }[] };
    return [told.files, told.volumes, told.paths?.map((one) => one.path)];
  };
  const paths = [basic.named['libc']!];
  assert.deepEqual(await answered([2], [needed], '--dry-run'), [[], [2], paths]);
  assert.deepEqual(await answered([2], [needed]), [[answer, `${answer}.002`], [2], paths]);
  assert.deepEqual(await answered([2, 1], []), [[`${answer}.002`, `${answer}.001`], [2, 1], undefined]);
  assert.deepEqual(await answered([], []), [[], [], undefined]);
});

// narrow delta explain: what a path or a closure costs, and why.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Closure } from '../lab/closures.ts';
import { closure, copyOfStore } from '../lab/closures.ts';
import { fails, narrow } from './narrow.ts';

const [basic, rebuilt, updated] = await Promise.all([closure('basic'), closure('rebuilt'), closure('updated')]);
const root = await copyOfStore(basic.root);
for (const { root: from, top } of [rebuilt, updated])
  await narrow(['copy', '--no-check-sigs', '--from', `local?root=${from}`, '--to', `local?root=${root}`, top]);

interface Explained {
  readonly size: number;
  readonly paths: readonly {
    path: string;
    bases: string[];
    bytes: number;
    cause: string;
    files: { similar: number };
  }[];
  readonly files?: readonly { path: string; size: number; route: string; bytes: number; cause: string }[];
}

const explain = (...args: string[]): Promise<string> =>
  narrow(['delta', 'explain', '--store', `local?root=${root}`, ...args]).then(({ stdout }) => stdout);

async function explained(...args: string[]): Promise<Explained> {
  return JSON.parse(await explain('--json', ...args)) as Explained;
}

const fresh = (what: Closure): string[] => what.paths.filter((path) => !basic.paths.includes(path)).sort();

test('closures, path by path: what changed costs, what was only rebuilt does not', async () => {
  const all = await explained('-r', basic.top, rebuilt.top);
  assert.deepEqual(all.paths.map(({ path }) => path).sort(), fresh(rebuilt));
  const hello = all.paths.find(({ path }) => path === rebuilt.named['hello'])!;
  assert.deepEqual(hello, { ...hello, bases: [basic.named['hello']], bytes: 0, cause: 'same' });
  assert.equal(all.paths.find(({ path }) => path === rebuilt.named['initrd'])!.cause, 'compressed');
  const changed = await explained('-r', basic.top, updated.top);
  assert.deepEqual(changed.paths.map(({ path }) => path).sort(), fresh(updated));
  assert.ok(changed.paths.some(({ cause, files }) => cause === 'code' && files.similar === 1));
  assert.equal((await explained('-r', basic.top, basic.top)).paths.length, 0);
  const table = await explain('-r', basic.top, rebuilt.top);
  assert.match(
    table,
    /^ \S+-initrd +\d+ B +\++ +changed files that are compressed \(1 recompressed\); from \S+-initrd$/m,
  );
  assert.match(table, /\n22 paths of \S+ MB in \d+ B; in 21 nothing changed but hashes\n$/);
});

test('two paths, file by file', async () => {
  const [old, next] = ['hello-2.0', 'hello-2.1'].map((name) =>
    [...basic.paths, ...updated.paths].find((path) => path.endsWith(name))!,
  ) as [string, string];
  const { files, size } = await explained(old, next);
  const routes = Object.fromEntries(files!.map(({ path, route }) => [path, route]));
  assert.equal(routes['bin/hello'], 'similar');
  assert.ok(files!.reduce((sum, { bytes }) => sum + bytes, 0) <= size);
  const table = await explain(old, next);
  assert.match(table, /^ bin\/hello +\d+ B +\++ +made from a similar file, a program or library$/m);
  assert.match(
    await explain('--all', basic.named['odd']!, rebuilt.named['odd']!),
    /new\\x0aline +0 B +equal once hashes/,
  );
  // whatever two paths are: one may be named as the base of the other
  const unlike = await explained(basic.named['hello']!, rebuilt.named['odd']!);
  assert.ok(unlike.files!.every(({ route }) => route === 'fresh'));
});

test('what cannot be explained', async () => {
  const store = ['--store', `local?root=${root}`];
  const none = '/nix/store/00000000000000000000000000000000-none';
  assert.match(await fails(1, ['delta', 'explain', ...store, none, basic.top]), /does not have 0+-none/);
  assert.match(await fails(2, ['delta', 'explain', ...store, '--level', 'more', basic.top, basic.top]), /fast or best/);
});

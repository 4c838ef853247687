// Kills a copy at each of its first renames, writes, unlinks and the like (strace injects SIGKILL at the n-th call), then
// asks: is nothing half done visible, and does the next run complete? Two hundred points, spread over the kinds of calls.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { closure } from '../lab/closures.ts';
import { nix } from '../lab/nix.ts';
import { run } from '../lab/run.ts';
import { projectDir, remove, tempDir } from '../lab/temp.ts';

const copyScript = join(projectDir, 'test/store/local/copy.ts');

/** Which calls, and at how many of their first occurrences below the destination to kill. */
const points: readonly [calls: string, count: number][] = [
  ['rename,renameat,renameat2', 2],
  ['mkdir', 30],
  ['unlink', 30],
  ['symlink', 12],
  ['ftruncate', 20],
  ['chmod,fchmod', 20],
  ['utimensat', 26],
  ['write', 30],
  ['pwrite64', 30],
];

/** Paths of which one has files, links and directories: a few seconds for all points. */
async function small(): Promise<{ root: string; paths: readonly string[] }> {
  const { root, paths } = await closure('basic');
  return { root, paths: paths.slice(0, 6) };
}

function killed(
  root: string,
  to: string,
  paths: readonly string[],
  calls: string,
  n: number,
): Promise<{ signal: string | null; status: number }> {
  const inject = [`--inject=${calls}:signal=KILL:when=${n}`, '-e', `trace=${calls}`, '-o', '/dev/null'];
  const command = [process.execPath, '--disable-warning=ExperimentalWarning', copyScript, root, to, ...paths];
  return run(['strace', '-f', '-qq', ...inject, ...command], { mayFail: true });
}

async function expectWhole(root: string, to: string, paths: readonly string[], what: string): Promise<void> {
  const db = join(to, 'nix/var/nix/db/db.sqlite');
  if (existsSync(join(to, 'nix/var/nix/db/schema')))
    assert.equal(await nix('2.8').complaints(to), undefined, `${what}: after the kill`);
  await run([process.execPath, '--disable-warning=ExperimentalWarning', copyScript, root, to, ...paths]);
  assert.equal(await nix('2.8').complaints(to), undefined, `${what}: after the next run`);
  const valid = (await run(['sqlite3', db, 'select path from ValidPaths'])).stdout;
  for (const path of paths) assert.ok(valid.includes(path), `${what}: ${path}`);
  const locks = await run(['find', join(to, 'nix/store'), '-maxdepth', '1', '-name', '*.lock']);
  assert.equal(locks.stdout, '', what);
}

for (const [calls, count] of points) {
  test(`killed at each of ${count} ${calls}`, { timeout: 120_000 }, async () => {
    const { root, paths } = await small();
    let kills = 0;
    for (let n = 1; n <= count; n++) {
      const to = tempDir('killed');
      const result = await killed(root, to, paths, calls, n);
      if (result.status === 0) {
        remove(to);
        break;
      }
      kills++;
      await expectWhole(root, to, paths, `${calls} ${n}`);
      remove(to);
    }
    assert.ok(kills > 0, `${calls}: none was killed`);
  });
}

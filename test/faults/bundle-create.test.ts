// Bundles whose writing is killed: nothing has the name of the bundle before it is whole, and the next run goes on.

import assert from 'node:assert/strict';
import { appendFileSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { apply, expectWhole } from '../e2e/bundles.ts';
import { narrow } from '../e2e/narrow.ts';
import { closure } from '../lab/closures.ts';
import { freshStore } from '../lab/nix.ts';
import { run } from '../lab/run.ts';
import type { RunResult } from '../lab/run.ts';
import { projectDir, tempDir } from '../lab/temp.ts';

const script = join(projectDir, 'test/store/bundle/create.ts');
const node = [process.execPath, '--disable-warning=ExperimentalWarning', script];

/** Kills it when the note of what is finished gets its name for the n-th time. */
function killedAtNote(n: number, args: readonly string[]): Promise<RunResult> {
  const inject = [`--inject=rename:signal=KILL:when=${n}`, '-e', 'trace=rename', '-o', '/dev/null'];
  // strace counts in each thread
  const env = { ...process.env, UV_THREADPOOL_SIZE: '1' };
  return run(['strace', '-f', '-qq', ...inject, ...node, ...args], { mayFail: true, env });
}

for (const volumes of [[], ['400000']])
  test(`killed, it goes on after what was finished${volumes.length > 0 ? ', in volumes' : ''}`, async () => {
    const basic = await closure('basic');
    const dir = tempDir('resumed');
    const file = join(dir, 'a.bundle');
    const args = [basic.root, file, basic.top, ...volumes];
    for (const n of [2, 3]) {
      assert.notEqual((await killedAtNote(n, args)).status, 0);
      const names = readdirSync(dir);
      assert.ok(names.includes('a.bundle.partial'), names.join());
      assert.ok(
        names.every((name) => /\.partial$|\.partial\.new$|\.tmp\./.test(name)),
        names.join(),
      );
    }
    const packed = (await run([...node, ...args])).stdout.trim().split('\n');
    assert.ok(packed.length > 3 && packed.length < basic.paths.length, `${packed.length} of ${basic.paths.length}`);
    const names = readdirSync(dir);
    assert.ok(
      names.every((name) => /^a\.bundle(\.\d{3})?$/.test(name)),
      names.join(),
    );
    const island = await freshStore();
    await narrow(['bundle', 'verify', file]);
    await apply(island, file);
    await expectWhole(island, basic);
  });

test('what is not as it was is not gone on with', async () => {
  const basic = await closure('basic');
  const dir = tempDir('spoilt');
  const file = join(dir, 'a.bundle');
  const args = [basic.root, file, basic.top];
  await killedAtNote(3, args);
  const [part] = readdirSync(dir).filter((name) => name.includes('.tmp.'));
  const bytes = readFileSync(join(dir, part!));
  bytes[5000]! ^= 1;
  writeFileSync(join(dir, part!), bytes);
  const packed = (await run([...node, ...args])).stdout.trim().split('\n');
  assert.equal(packed.length, basic.paths.length);
  assert.deepEqual(readdirSync(dir), ['a.bundle']);
  assert.match((await narrow(['bundle', 'verify', file])).stderr, /is whole/);

  const other = join(dir, 'b.bundle');
  await killedAtNote(2, [basic.root, other, basic.top]);
  await run([...node, basic.root, other, basic.named['hello']!]);
  assert.ok(!existsSync(`${other}.partial`));
  appendFileSync(`${other}.partial`, 'no note');
  await run([...node, basic.root, other, basic.named['hello']!]);
  assert.deepEqual(readdirSync(dir).sort(), ['a.bundle', 'b.bundle']);
});

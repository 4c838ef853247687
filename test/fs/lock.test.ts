import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readdirSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isNarrowError } from '../../src/errors.ts';
import { tryFlock } from '../../src/fs/libc.ts';
import { DeletedLock, FileLock } from '../../src/fs/lock.ts';
import { tempDir } from '../lab/temp.ts';

const dir = tempDir('lock');

/** util-linux's flock holding a file until its input closes. */
async function holder(path: string, mode: '-x' | '-s'): Promise<{ release: () => Promise<void> }> {
  const child = spawn('flock', [mode, path, 'sh', '-c', 'echo held; cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  const closed = once(child, 'close');
  return {
    async release() {
      child.stdin.end();
      await closed;
    },
  };
}

test('locks are those of flock(2): another process keeps us out, and we it', async () => {
  const path = join(dir, 'file');
  using lock = new FileLock(path);
  const other = await holder(path, '-s');
  assert.equal(lock.tryLock('exclusive'), false);
  assert.equal(lock.tryLock('shared'), true);
  await other.release();
  assert.equal(lock.tryLock('exclusive'), true);
  const attempt = spawn('flock', ['-n', '-s', path, 'true']);
  assert.deepEqual(await once(attempt, 'close'), [1, null]);
  lock.unlock();
});

test('waiting blocks nothing else, says so after a second, and ends when the lock is free', async () => {
  const path = join(dir, 'slow.lock');
  const other = await holder(path, '-x');
  let ticks = 0;
  const timer = setInterval(() => ticks++, 10);
  const said: string[] = [];
  const waiting = DeletedLock.acquire(path, { onWait: () => said.push('waiting') });
  await sleep(1300);
  assert.deepEqual(said, ['waiting']);
  assert.ok(ticks > 50, `${ticks} ticks`);
  await other.release();
  (await waiting)[Symbol.dispose]();
  clearInterval(timer);
  assert.equal(existsSync(path), false);
});

test('an abort ends the wait', async () => {
  const path = join(dir, 'abort.lock');
  const other = await holder(path, '-x');
  await assert.rejects(DeletedLock.acquire(path, { signal: AbortSignal.timeout(50) }), { name: 'AbortError' });
  await other.release();
});

test('a lock file that was deleted or marked stale meanwhile is not taken for the lock', async () => {
  const path = join(dir, 'stale.lock');
  const fd = openSync(path, 'w+');
  assert.equal(tryFlock(fd, 'exclusive'), true);
  const waiting = DeletedLock.acquire(path);
  await sleep(20);
  // as Nix does: delete, mark, release
  unlinkSync(path);
  writeFileSync(fd, 'd');
  closeSync(fd);
  using lock = await waiting;
  assert.equal(existsSync(path), true);
  assert.equal(DeletedLock.try(lock.path), undefined);
});

test('a marked file that was left where it is, which Nix would wait on forever, is replaced', () => {
  const path = join(dir, 'marked.lock');
  writeFileSync(path, 'd');
  using lock = DeletedLock.try(path);
  assert.ok(lock);
});

test('many waiters: one at a time has it, and nothing is left', async () => {
  const path = join(dir, 'many.lock');
  let inside = 0;
  const one = async (): Promise<void> => {
    using lock = await DeletedLock.acquire(path);
    assert.equal(++inside, 1, lock.path);
    await sleep(2);
    inside--;
  };
  await Promise.all(Array.from({ length: 20 }, one));
  assert.equal(existsSync(path), false);
});

test('a link in the place of a lock file is refused', () => {
  const path = join(dir, 'link.lock');
  symlinkSync(join(dir, 'elsewhere'), path);
  assert.throws(
    () => new FileLock(path),
    (error) => isNarrowError(error, 'io') && error.message.includes('symbolic link'),
  );
  assert.equal(readdirSync(dir).includes('elsewhere'), false);
});

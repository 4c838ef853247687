// narrow stdio as a process: how it begins, and how it ends.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { freshStore } from '../lab/nix.ts';
import { command, environment } from './narrow.ts';

/** Its first words, what it said on standard error, and how it ended after `end`. */
async function stdio(args: readonly string[], end: (child: ReturnType<typeof spawn>) => void): Promise<unknown[]> {
  const store = ['--store', `local?root=${await freshStore()}`];
  const child = spawn(command, ['stdio', ...store, ...args], { env: environment() });
  const said = text(child.stderr);
  // the hello of the serve protocol
  child.stdin.write(Buffer.from('eb9d0c39000000000702000000000000', 'hex'));
  const [first] = (await once(child.stdout, 'data')) as [Buffer];
  child.stdin.write(Buffer.from('0100000000000000', 'hex'));
  end(child);
  const [status] = (await once(child, 'close')) as [number];
  return [first.subarray(0, 8).toString('hex'), await said, status];
}

const magic = '4e52570100000000';

test('it ends in silence when its client does, or when it is told to', async () => {
  assert.deepEqual(await stdio([], (child) => child.stdin!.end()), [magic, '', 0]);
  assert.deepEqual(await stdio(['--read-only'], (child) => child.kill('SIGTERM')), [magic, '', 130]);
});

// How much memory does a copy take with a file of 4 GiB in the closure?

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { remove, scratch } from './corpus.ts';
import { measure, report } from './harness.ts';

export async function run(narrow: string): Promise<void> {
  const dir = scratch('memory');
  const [file, store, cache, back] = ['big', 'store', 'cache', 'back'].map((name) => join(dir, name)) as [
    string,
    string,
    string,
    string,
  ];
  // half of it compresses, half does not
  execFileSync('sh', ['-c', 'head -c 2G /dev/urandom > "$0"; yes narrow | head -c 2G >> "$0"', file]);
  const added = execFileSync(narrow, ['add', '--store', `local?root=${store}`, file], { encoding: 'utf8' }).trim();
  remove(file);
  const measured = await measure(
    [
      {
        name: 'store to zstd cache',
        argv: [narrow, 'copy', '--from', `local?root=${store}`, '--to', `file://${cache}?compression=zstd`, added],
      },
      {
        name: 'cache to store',
        argv: [narrow, 'copy', '--from', `file://${cache}`, '--to', `local?root=${back}`, added],
      },
    ],
    1,
  );
  report('a path of 4 GiB', measured, 'store to zstd cache', 2 ** 32);
  remove(dir);
}

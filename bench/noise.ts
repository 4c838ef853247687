// What does a rebuild cost whose builds are not reproducible: other build ids, names with random seeds, dates, and a list in
// another order in each package? Between two machines, as bench/delta.ts has it.

import { join } from 'node:path';
import { corpus, remove, scratch } from './corpus.ts';
import { sizes, upgrade } from './delta.ts';
import { noisyStore } from './noisy-store.ts';

export async function run(narrow: string): Promise<void> {
  const dir = scratch('noise');
  for (const size of sizes) {
    const [base, next] = [await corpus(size), await corpus(size, 'gen2-rebuild')];
    const kept = new Set(base.paths).intersection(new Set(next.paths));
    const first = await noisyStore(base, join(dir, size, 'first'), { build: 'first', kept, shuffled: false });
    const second = await noisyStore(next, join(dir, size, 'second'), { build: 'second', kept, shuffled: true });
    const { elf, gzip, lists } = second.noise;
    console.log(
      `\na noisy rebuild of ${base.label} (${next.paths.length} paths): other ids and symbols in ${elf} ELF files, ` +
        `other dates in ${gzip} .gz files, other orders in ${lists} texts`,
    );
    await upgrade(narrow, first.corpus, second.corpus);
  }
  remove(dir);
}

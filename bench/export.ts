// How fast are export streams written and read, against nix-store --export and --import?

import { statSync } from 'node:fs';
import { join } from 'node:path';
import { nixes } from '../test/lab/nix.ts';
import { corpus, remove, scratch } from './corpus.ts';
import type { Contestant } from './harness.ts';
import { measure, report } from './harness.ts';

export async function run(narrow: string, rounds: number): Promise<void> {
  const source = await corpus('medium');
  const dir = scratch('export');
  const [stream, store] = [join(dir, 'stream'), join(dir, 'store')];
  const from = source.root === undefined ? [] : ['--store', source.root];
  const out: Contestant[] = [
    { name: 'narrow', argv: [narrow, 'export', '--store', source.storeUrl, ...source.paths], stdout: stream },
    ...nixes()
      .slice(0, 1)
      .map((nix) => ({
        name: `nix ${nix.label}`,
        argv: [join(nix.bin, 'nix-store'), '--export', ...source.paths, ...from],
        env: nix.env(),
        stdout: stream,
      })),
  ];
  report(
    `export of ${source.label} (${source.paths.length} paths) to a file`,
    await measure(out, rounds),
    'narrow',
    source.narSize,
  );
  const prepare = (): void => remove(store);
  const into: Contestant[] = [
    { name: 'narrow', argv: [narrow, 'import', '--no-check-sigs', '--store', `local?root=${store}`, stream], prepare },
    ...nixes().map((nix) => ({
      name: `nix ${nix.label}`,
      argv: [join(nix.bin, 'nix-store'), '--import', '--store', store],
      env: nix.env(),
      stdin: stream,
      prepare,
    })),
  ];
  report(
    `import of the same into an empty store (${statSync(stream).size} bytes)`,
    await measure(into, rounds),
    'narrow',
    source.narSize,
  );
  remove(dir);
}

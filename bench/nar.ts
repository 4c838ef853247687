// How fast is a tree packed and unpacked, against nix-store --dump and --restore?

import { statSync } from 'node:fs';
import { join } from 'node:path';
import { nixes } from '../test/lab/nix.ts';
import { asOneTree, corpus, remove, scratch } from './corpus.ts';
import type { Contestant } from './harness.ts';
import { measure, report } from './harness.ts';

export async function run(narrow: string, rounds: number): Promise<void> {
  const source = await corpus('medium');
  const dir = scratch('nar');
  const [tree, archive, out] = [join(dir, 'tree'), join(dir, 'tree.nar'), join(dir, 'out')];
  asOneTree(source, tree);
  const pack: Contestant[] = [
    { name: 'narrow', argv: [narrow, 'nar', 'pack', tree], stdout: archive },
    ...nixes().map((nix) => ({
      name: `nix ${nix.label}`,
      argv: [join(nix.bin, 'nix-store'), '--dump', tree],
      env: nix.env(),
      stdout: archive,
    })),
  ];
  report(
    `pack of ${source.label} as one tree to a file`,
    await measure(pack, rounds),
    'narrow',
    statSync(archive).size,
  );
  const prepare = (): void => remove(out);
  const unpack: Contestant[] = [
    { name: 'narrow', argv: [narrow, 'nar', 'unpack', out], stdin: archive, prepare },
    ...nixes().map((nix) => ({
      name: `nix ${nix.label}`,
      argv: [join(nix.bin, 'nix-store'), '--restore', out],
      env: nix.env(),
      stdin: archive,
      prepare,
    })),
  ];
  report(`unpack of the same`, await measure(unpack, rounds), 'narrow', statSync(archive).size);
  remove(dir);
}

// Packed files: recipes from a stranger, and files of a base that claim to be packed.

import { execFileSync } from 'node:child_process';
import { expandMember, openMember, packMember } from '../../../src/delta/recompress/member.ts';
import { samples } from '../recompress/samples.ts';
import { edited } from './edits.ts';
import type { Random } from './random.ts';
import { expectThat, isRefusal } from './subject.ts';
import type { Subject } from './subject.ts';

const contents = samples.get('text')!.subarray(0, 3000);
const limit = 100_000;

const packedBy = (command: string, ...args: string[]): Buffer => execFileSync(command, args, { input: contents });

export function memberSubjects(): Subject[] {
  const files: readonly (readonly [string, Buffer])[] = [
    ['gzip', packedBy('gzip', '-9n')],
    ['xz', packedBy('xz', '-1')],
    ['zstd', packedBy('zstd', '-3')],
  ];
  return files.flatMap(([name, file]) => {
    const opened = openMember(file);
    if (opened === undefined) throw new Error(`${name} cannot be packed again`);
    const recipe = (random: Random): boolean => {
      const size = random.oneIn(5) ? random.below(file.length * 2) : file.length;
      return packs(edited(opened.recipe, random), random.oneIn(4) ? edited(contents, random) : contents, size);
    };
    const damaged = (random: Random): boolean => {
      let bytes = file;
      for (let left = random.few(4); left > 0; left--) bytes = edited(bytes, random);
      const expanded = expandMember(bytes, limit);
      expectThat(expanded === undefined || expanded.length <= limit, `${expanded?.length} bytes of ${limit}`);
      return expanded !== undefined;
    };
    return [
      { name: `recipe: ${name}`, weight: 2, run: recipe },
      { name: `packed file: ${name}`, weight: 3, run: damaged },
    ];
  });
}

function packs(recipe: Uint8Array, bytes: Uint8Array, size: number): boolean {
  try {
    expectThat(packMember(recipe, bytes, size).length === size, 'a packed file of another size');
  } catch (error) {
    return !isRefusal(error);
  }
  return true;
}

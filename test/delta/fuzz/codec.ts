// The file codec alone: columns edited directly, which is the quickest way to its depths.

import { decodeFile } from '../../../src/delta/codec/file.ts';
import { ColumnReader } from '../../../src/delta/columns.ts';
import { lent } from '../codec/lent.ts';
import { encoded } from '../codec/through-codec.ts';
import { edited } from './edits.ts';
import { filePairs } from './files.ts';
import type { Random } from './random.ts';
import { expectThat, isRefusal } from './subject.ts';
import type { Subject } from './subject.ts';

/** Small, so that files have several. */
const windows = [64, 1000];

export function codecSubjects(): Subject[] {
  return filePairs.map(({ name, old, fresh }) => {
    const forms = [undefined, ...windows]
      .filter((window) => window === undefined || old.length < 10_000)
      .map((window) => {
        const settings = window === undefined ? {} : { window };
        return { settings, columns: encoded(old, fresh, settings).batches[0]! };
      });
    const run = (random: Random): boolean => {
      const { settings, columns } = random.pick(forms);
      let told: readonly Uint8Array[] = columns;
      for (let left = random.few(5); left > 0; left--) {
        const at = random.below(told.length);
        const other = random.below(told.length);
        told = random.oneIn(30)
          ? told.with(at, told[other]!).with(other, told[at]!)
          : told.with(at, edited(told[at]!, random));
      }
      const size = random.oneIn(10) ? random.below(fresh.length * 2) : fresh.length;
      const base = random.oneIn(20) ? edited(old, random) : old;
      return decodes(base, size, told, settings);
    };
    return { name: `codec: ${name}`, weight: name === 'dump' ? 1 : 16, run };
  });
}

function decodes(old: Buffer, size: number, columns: readonly Uint8Array[], settings: { window?: number }): boolean {
  const reader = new ColumnReader(columns);
  let made = 0;
  try {
    for (const chunk of decodeFile(lent(old), size, () => reader, settings)) {
      made += chunk.length;
      expectThat(made <= size, `${made} bytes of ${size}`);
    }
  } catch (error) {
    return !isRefusal(error);
  }
  expectThat(made === size, `${made} bytes where ${size} were announced`);
  return true;
}

// Broken inputs, each with a name and what is wrong with it: one place to import them from.
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { BrokenFiles } from './broken/broken.ts';
import { remove, tempDir } from './temp.ts';

export type { Broken, BrokenBytes, BrokenFiles } from './broken/broken.ts';
export { brokenCaches } from './broken/cache.ts';
export { brokenDatabases } from './broken/database.ts';
export type { BrokenDatabase } from './broken/database.ts';
export { brokenExports } from './broken/export.ts';
export { brokenNars, oddNars } from './broken/nar.ts';
export { brokenDerivations, brokenKeys, goodDerivation } from './broken/text.ts';

/** A copy of a directory with the broken files in place of the good ones; deleted when disposed. */
export function brokenCopy(dir: string, { files }: BrokenFiles): Disposable & { readonly dir: string } {
  const copy = tempDir('broken');
  cpSync(dir, copy, { recursive: true });
  for (const [file, bytes] of files) {
    rmSync(join(copy, file), { force: true });
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    if (bytes !== undefined) writeFileSync(join(copy, file), bytes);
  }
  return { dir: copy, [Symbol.dispose]: () => remove(copy) };
}

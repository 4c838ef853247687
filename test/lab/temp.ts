// Temporary directories that go away with the process, and the places of the laboratory.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The top of the checkout. */
export const projectDir: string = join(import.meta.dirname, '../..');
/** What setup.sh and the laboratory keep between runs. */
export const labDir: string = join(projectDir, '.build/lab');

const left = new Set<string>();
process.on('exit', () => {
  for (const dir of left) remove(dir);
});

/** Deletes a tree, also one with the read-only directories of a store. */
export function remove(dir: string): void {
  left.delete(dir);
  rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
}

/** A new empty directory; deleted when the process ends, or by {@link remove}. */
export function tempDir(name = 'dir'): string {
  const dir = mkdtempSync(join(tmpdir(), `narrow-${name}-`));
  left.add(dir);
  return dir;
}

/** The same beside the laboratory's own files: for what is renamed or linked into them. */
export function tempDirInLab(name: string): string {
  mkdirSync(join(labDir, 'tmp'), { recursive: true });
  const dir = mkdtempSync(join(labDir, 'tmp', `${name}-`));
  left.add(dir);
  return dir;
}

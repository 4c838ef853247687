// What the tests of caches over SFTP have in common: what must be true of a cache after anything that happened to it.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const field = (text: string, name: string): string => new RegExp(`^${name}: (.*)$`, 'm').exec(text)?.[1] ?? '';

/** Every narinfo has its NAR, whole, and those of its references; how many there are. */
export function expectComplete(directory: string): number {
  if (!existsSync(directory)) return 0;
  const infos = readdirSync(directory).filter((name) => name.endsWith('.narinfo'));
  for (const name of infos) {
    const text = readFileSync(join(directory, name), 'utf8');
    assert.equal(statSync(join(directory, field(text, 'URL'))).size, Number(field(text, 'FileSize')), name);
    for (const reference of field(text, 'References').split(' ').filter(Boolean)) {
      assert.ok(existsSync(join(directory, `${reference.slice(0, 32)}.narinfo`)), `${name} without ${reference}`);
    }
  }
  return infos.length;
}

/** Files that were not finished. */
export function unfinished(directory: string): string[] {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.includes('.tmp.'));
}

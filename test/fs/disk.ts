// What the tests of trees on disk share: making and describing trees whose names are any bytes.

import { lstatSync, readdirSync } from 'node:fs';
import { byteStringOf } from '../../src/bytes/byte-string.ts';
import type { ByteString } from '../../src/bytes/byte-string.ts';
import { osPath } from '../../src/fs/descent.ts';

/** Mode, modification time and kind of everything below `root`, by path. */
export function metadata(root: string): Record<string, string> {
  const found: Record<string, string> = {};
  const visit = (path: ByteString): void => {
    const stat = lstatSync(osPath(path));
    const kind = stat.isDirectory() ? 'd' : stat.isSymbolicLink() ? 'l' : 'f';
    const mode = kind === 'l' ? '' : (stat.mode & 0o7777).toString(8);
    found[path.slice(root.length)] = `${kind}${mode} ${stat.mtimeMs / 1000}`;
    if (kind !== 'd') return;
    for (const name of readdirSync(osPath(path), { encoding: 'latin1' })) visit(`${path}/${name}` as ByteString);
  };
  visit(byteStringOf(root));
  return found;
}

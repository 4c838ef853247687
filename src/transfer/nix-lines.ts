// What Nix prints while it copies, as far as it is of use.

import type { StoreDir, StorePath } from '../model/store-path.ts';
import { tryBaseName } from '../model/store-path.ts';

/** The path of a line `copying path '/nix/store/…' from 'https://…'...`; undefined for all other lines. */
export function copiedPath(line: string, storeDir: StoreDir): StorePath | undefined {
  const printed = /^copying path '([^']+)' (?:to|from) '/.exec(line)?.[1];
  return printed?.startsWith(`${storeDir}/`) ? tryBaseName(printed.slice(storeDir.length + 1)) : undefined;
}

// The system that a machine runs from its store: what people mean by the paths of a machine, beside its garbage.

import { readlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { StoreDir, StorePath } from '../model/store-path.ts';
import { tryBaseName } from '../model/store-path.ts';
import type { Machine } from './machine.ts';
import { machineOf } from './machine.ts';
import type { Store } from './store.ts';
import { parseStoreUrl } from './url.ts';

/** More links after one another are a loop. */
const longestChain = 10;

/** What runs now; else what is to run from the next start on. */
function links(storeDir: StoreDir): readonly string[] {
  return ['/run/current-system', join(dirname(storeDir), 'var/nix/profiles/system')];
}

/** Undefined where there is none: other systems than NixOS, caches, machines that cannot be asked. */
export async function presentSystem(store: Store): Promise<StorePath | undefined> {
  const machine = machineOf(store);
  if (machine) return machine.parameters.has('remote-store') ? undefined : onMachine(machine, store.storeDir);
  const { scheme, params } = parseStoreUrl(store.url);
  if (scheme !== 'local' && store.url !== 'daemon') return undefined;
  for (const link of links(store.storeDir)) {
    const path = await follow(params.get('root') ?? '/', link, store.storeDir);
    if (path !== undefined) return path;
  }
  return undefined;
}

const script = 'for link; do [ -e "$link" ] && readlink -f "$link" && exit 0; done; exit 0';

async function onMachine(machine: Machine, storeDir: StoreDir): Promise<StorePath | undefined> {
  await using command = machine.start(['sh', '-c', script, 'sh', ...links(storeDir)]);
  return pathIn((await command.end).output.at(-1) ?? '', storeDir);
}

/** Links below `root` are meant as if it were the root. */
async function follow(root: string, link: string, storeDir: StoreDir): Promise<StorePath | undefined> {
  let at = link;
  for (let i = 0; i < longestChain; i++) {
    const target = await readlink(join(root, at)).catch(() => undefined);
    if (target === undefined) return undefined;
    at = resolve(dirname(at), target);
    const path = pathIn(at, storeDir);
    if (path !== undefined) return path;
  }
  return undefined;
}

function pathIn(text: string, storeDir: StoreDir): StorePath | undefined {
  return text.startsWith(`${storeDir}/`) ? tryBaseName(text.slice(storeDir.length + 1)) : undefined;
}

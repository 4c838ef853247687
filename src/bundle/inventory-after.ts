// What a side has once a bundle is applied there, as far as the bundle tells.

import { BaseClosure } from '../delta/base-closure.ts';
import type { Bundle } from '../store/bundle/bundle.ts';
import type { Inventory } from './inventory.ts';

export function inventoryAfter({ about, needs, infos, volumes }: Bundle): Inventory {
  const { storeDir, made, for: stores } = about;
  return {
    facts: { storeDir, made, stores: [...stores, volumes.volumes[0]!.file] },
    closure: new BaseClosure([...needs.infos, ...infos]),
  };
}

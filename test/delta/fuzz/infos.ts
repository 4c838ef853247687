// Infos of a small closure, with everything that infos may have, and of the next one of the same names.

import { encodeBase64 } from '../../../src/model/base64.ts';
import { hashBytes } from '../../../src/model/hash.ts';
import type { PathInfo } from '../../../src/model/path-info.ts';
import { sortedUnique } from '../../../src/model/path-info.ts';
import type { StorePath } from '../../../src/model/store-path.ts';
import { noise } from '../codec/through-codec.ts';

const digits = 'abcdfghijklmnpqrsvwxyz0123456789';
const pathOf = (name: string, world: number): StorePath =>
  `${Array.from(noise(32, world * 7 + name.charCodeAt(0)), (byte) => digits[byte % 32]).join('')}-${name}` as StorePath;

const names = ['a-1.0', 'b-2.0-lib', 'c', 'd-1', 'e.drv', 'f-2-dev'];

/** In the order of references; those of another world have other hashes. */
export function infosOf(world: number): PathInfo[] {
  return names.map((name, i) => ({
    path: pathOf(name, world),
    narHash: hashBytes(`${name}${world}`),
    narSize: 1000 * (i + 1) + (i === 2 ? world : 0),
    references: sortedUnique([
      ...names.slice(0, i).map((one) => pathOf(one, world)),
      ...(i === 3 ? [pathOf(name, world)] : []),
    ]),
    signatures:
      i % 2 === 0 ? [`cache-${i % 4}:${encodeBase64(noise(64, i))}`, ...(i === 4 ? ['no signature'] : [])] : [],
    deriver: i < 4 ? pathOf(`${name}.drv`, world) : undefined,
    ca: i === 5 ? { method: 'nar', hash: hashBytes(`${world}`) } : undefined,
  }));
}

// Broken `nix-store --export` streams, made of a good one.
import { flipped, Raw, string, strings, u64 } from './broken.ts';
import type { BrokenBytes, Part } from './broken.ts';

const magic = 0x4558494e;

interface Item {
  /** The NAR alone. */
  readonly nar: Buffer;
  readonly path: string;
  readonly references: readonly string[];
  readonly deriver: string;
}

/** One object of a stream, from the number before it to the one after it. */
function object(
  { nar, path, references, deriver }: Item,
  changes: { magic?: number; count?: bigint; after?: number } = {},
): Buffer {
  const count = u64(changes.count ?? BigInt(references.length));
  const parts: Part[] = [
    new Raw(nar),
    new Raw(u64(changes.magic ?? magic)),
    path,
    new Raw(count),
    ...references,
    deriver,
  ];
  return Buffer.concat([u64(1), strings(...parts).bytes, u64(changes.after ?? 0)]);
}

/** Some twenty streams. `item` is what a good stream holds; `missing` a store path that no store has. */
export function* brokenExports(item: Item, missing: string): Generator<BrokenBytes> {
  const good = Buffer.concat([object(item), u64(0)]);
  const changed = (change: Partial<Item>): Buffer => Buffer.concat([object({ ...item, ...change }), u64(0)]);
  const storeDir = item.path.slice(0, item.path.lastIndexOf('/'));
  yield { name: 'nothing', why: 'no byte at all', bytes: Buffer.alloc(0) };
  yield { name: 'two-first', why: '2 before an object', bytes: Buffer.concat([u64(2), good.subarray(8)]) };
  yield {
    name: 'magic',
    why: 'another magic after the NAR',
    bytes: Buffer.concat([object(item, { magic: 0x4558494f }), u64(0)]),
  };
  yield { name: 'no-end', why: 'no zero at the end', bytes: good.subarray(0, -8) };
  yield { name: 'cut-nar', why: 'ends within the NAR', bytes: good.subarray(0, item.nar.length >> 1) };
  yield { name: 'cut-trailer', why: 'ends within the references', bytes: good.subarray(0, item.nar.length + 40) };
  yield { name: 'outside', why: 'a path outside of the store', bytes: changed({ path: '/etc/escaped' }) };
  yield { name: 'dotdot', why: "a path with '..'", bytes: changed({ path: `${storeDir}/../../tmp/escaped` }) };
  yield {
    name: 'short-hash',
    why: 'a path whose hash part is short',
    bytes: changed({ path: `${storeDir}/abc-name` }),
  };
  yield { name: 'name', why: 'a path with a forbidden letter in its name', bytes: changed({ path: `${item.path} x` }) };
  yield {
    name: 'reference',
    why: 'a reference that is no store path',
    bytes: changed({ references: ['/etc/passwd'] }),
  };
  yield { name: 'missing-reference', why: 'a reference that is nowhere', bytes: changed({ references: [missing] }) };
  yield { name: 'deriver', why: 'a deriver that is no store path', bytes: changed({ deriver: '/tmp/x.drv' }) };
  for (const count of [2n ** 40n, 2n ** 64n - 1n]) {
    yield {
      name: `references-${count}`,
      why: `${count} references`,
      bytes: Buffer.concat([object(item, { count }), u64(0)]),
    };
  }
  yield {
    name: 'signature-flag',
    why: '2 where 0 or 1 stands for a signature',
    bytes: Buffer.concat([object(item, { after: 2 }), u64(0)]),
    nixAccepts: true,
  };
  yield { name: 'padding', why: 'padding of the NAR that is not zero', bytes: padded(item) };
  yield {
    name: 'trailing',
    why: 'bytes after the end',
    bytes: Buffer.concat([good, string('more')]),
    nixAccepts: true,
  };
}

function padded(item: Item): Buffer {
  // the magic is 13 bytes long, so its padding is at 8 + 13
  return Buffer.concat([object({ ...item, nar: flipped(item.nar, 8 + 14) }), u64(0)]);
}

// What a machine or a site has, as a small file that can be carried: for whoever makes a bundle for it. Described in
// docs/formats/bundle.md.

import { createHash } from 'node:crypto';
import { BaseClosure, inventoryColumns, readInventory, writeInventory } from '../delta/base-closure.ts';
import type { BaseInfo } from '../delta/base-closure.ts';
import { ColumnWriter } from '../delta/columns.ts';
import { formatError } from '../errors.ts';
import type { StoreDir, StorePath } from '../model/store-path.ts';
import { packColumns, unpackColumns } from '../store/narrow/packed-columns.ts';

/** What is told beside the paths; what is absent is not known. */
export interface InventoryFacts {
  readonly storeDir: StoreDir;
  /** The stores that were asked. */
  readonly stores: readonly string[];
  /** When, in milliseconds since 1970. */
  readonly made: number;
  /** Public keys that sign what is taken there, as `name:base64`. */
  readonly trustedKeys?: readonly string[] | undefined;
  /** False: paths need no signature there. */
  readonly requireSignatures?: boolean | undefined;
  /** Bytes. */
  readonly free?: number | undefined;
  /** Such as `x86_64-linux`. */
  readonly system?: string | undefined;
  /** What compressed files can be packed with there, for deltas. */
  readonly tools?: readonly string[] | undefined;
}

export interface Inventory {
  readonly facts: InventoryFacts;
  readonly closure: BaseClosure;
}

const magic = Buffer.from('nrwinvt\x01', 'latin1');
/** Bytes that the facts may have. */
const factsLimit = 1024 * 1024;

/** An inventory as a file: magic, length of the facts, facts, columns, SHA-256 of all that. */
export async function formatInventory({ facts, closure }: Inventory): Promise<Buffer> {
  const columns = new ColumnWriter(inventoryColumns);
  writeInventory(closure, columns);
  const text = Buffer.from(JSON.stringify(facts));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  const body = Buffer.concat([magic, length, text, await packColumns(columns)]);
  return Buffer.concat([body, sha256(body)]);
}

export function isInventory(bytes: Uint8Array): boolean {
  return magic.equals(bytes.subarray(0, magic.length));
}

/** Reads {@link formatInventory}'s bytes; `source` names them in errors. Throws `format`. */
export function parseInventory(bytes: Buffer, source: string): Inventory {
  if (!isInventory(bytes))
    throw formatError('not an inventory', { source, offset: 0 }, { expected: '"nrwinvt" and version 1' });
  const end = bytes.length - 32;
  const head = magic.length + 4;
  const place = { source, offset: Math.max(end, 0) };
  if (end < head || !sha256(bytes.subarray(0, end)).equals(bytes.subarray(end)))
    throw formatError('a damaged inventory', place, { expected: 'the SHA-256 of what is before', got: 'other bytes' });
  const length = bytes.readUInt32LE(magic.length);
  if (length > Math.min(factsLimit, end - head))
    throw formatError('bad facts of an inventory', { source, offset: magic.length }, { got: `${length} bytes` });
  const facts = parseFacts(bytes.toString('utf8', head, head + length), source);
  const columns = unpackColumns(bytes.subarray(head + length, end), inventoryColumns, source);
  return { facts, closure: readInventory(columns) };
}

function parseFacts(text: string, source: string): InventoryFacts {
  const place = { source, offset: magic.length + 4 };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw formatError('bad facts of an inventory', place, { cause, expected: 'JSON' });
  }
  const facts = value as Partial<InventoryFacts> | null;
  const texts = (list: unknown): boolean => Array.isArray(list) && list.every((item) => typeof item === 'string');
  const optional = (list: unknown): boolean => list === undefined || texts(list);
  const ok =
    typeof facts?.storeDir === 'string' &&
    facts.storeDir.startsWith('/') &&
    texts(facts.stores) &&
    Number.isSafeInteger(facts.made) &&
    optional(facts.trustedKeys) &&
    optional(facts.tools) &&
    ['boolean', 'undefined'].includes(typeof facts.requireSignatures) &&
    ['string', 'undefined'].includes(typeof facts.system) &&
    (facts.free === undefined || Number.isSafeInteger(facts.free));
  if (ok) return facts as InventoryFacts;
  throw formatError('bad facts of an inventory', place, { expected: 'those of version 1' });
}

/** What several places have together, which count as one. */
export interface Merged extends Inventory {
  /** Paths of which they have different contents: in none that can be relied on. */
  readonly differing: readonly StorePath[];
}

/** All that any of them has. A key or a tool counts when all have it, and there is as much room as at the narrowest. */
export function mergeInventories(all: readonly Inventory[]): Merged {
  const [first] = all;
  if (!first) throw formatError('no inventory', {});
  const known = new Map<StorePath, BaseInfo>();
  const differing = new Set<StorePath>();
  for (const { facts, closure } of all) {
    if (facts.storeDir !== first.facts.storeDir)
      throw formatError('inventories of different stores', {}, { expected: first.facts.storeDir, got: facts.storeDir });
    for (const info of closure.infos) {
      const before = known.get(info.path);
      if (!before) known.set(info.path, info);
      else if (!Buffer.from(before.narHash).equals(info.narHash)) differing.add(info.path);
    }
  }
  for (const path of differing) known.delete(path);
  return {
    facts: mergeFacts(all.map(({ facts }) => facts)),
    closure: new BaseClosure(known.values()),
    differing: [...differing],
  };
}

function mergeFacts(all: readonly InventoryFacts[]): InventoryFacts {
  const [first] = all;
  const room = all.flatMap(({ free }) => free ?? []);
  const systems = new Set(all.map(({ system }) => system));
  return {
    storeDir: first!.storeDir,
    stores: [...new Set(all.flatMap(({ stores }) => stores))],
    made: Math.min(...all.map(({ made }) => made)),
    trustedKeys: common(all.map(({ trustedKeys }) => trustedKeys)),
    requireSignatures: all.every((one) => one.requireSignatures === false) ? false : undefined,
    free: room.length > 0 ? Math.min(...room) : undefined,
    system: systems.size === 1 ? first!.system : undefined,
    tools: common(all.map(({ tools }) => tools)),
  };
}

/** What is in all lists that there are. */
function common(lists: readonly (readonly string[] | undefined)[]): readonly string[] | undefined {
  const [first, ...rest] = lists.filter((list) => list !== undefined);
  return first?.filter((item) => rest.every((list) => list.includes(item)));
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}

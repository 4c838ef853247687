import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { listTree } from '../../../src/format/nar/list-tree.ts';
import { formatListing } from '../../../src/format/nar/listing-json.ts';
import { ListingBuilder } from '../../../src/format/nar/listing.ts';
import { memoryTree } from '../../../src/format/nar/memory-tree.ts';
import { packNar } from '../../../src/format/nar/pack.ts';
import { readNar } from '../../../src/format/nar/unpack.ts';
import { trees } from './trees.ts';

test('the listing of a tree is that of its NAR, offsets and all', async () => {
  const property = fc.asyncProperty(trees, async (node) => {
    const tree = memoryTree(node);
    const builder = new ListingBuilder();
    await readNar(packNar(tree), builder);
    assert.deepEqual(formatListing(await listTree(tree)), formatListing(builder.root!));
  });
  await fc.assert(property, { numRuns: 200 });
});

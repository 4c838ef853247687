import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { byteStringOf } from '../../../src/bytes/byte-string.ts';
import type { ByteString } from '../../../src/bytes/byte-string.ts';
import { collect } from '../../../src/bytes/source.ts';
import { formatListing, parseListing } from '../../../src/format/nar/listing-json.ts';
import { listingTree } from '../../../src/format/nar/listing-tree.ts';
import { ListingBuilder, listedAt } from '../../../src/format/nar/listing.ts';
import type { Listing } from '../../../src/format/nar/listing.ts';
import { packNar } from '../../../src/format/nar/pack.ts';
import { readNar } from '../../../src/format/nar/unpack.ts';
import { golden, packed, trees } from './trees.ts';

const json = readFileSync(join(import.meta.dirname, '../../golden/listing/self-2.0.ls'));

async function list(nar: Uint8Array): Promise<Listing> {
  const builder = new ListingBuilder();
  await readNar([nar], builder);
  return builder.root!;
}

test('golden: the listing of a NAR is the one that Nix wrote', async () => {
  const listing = await list(golden('self-2.0.nar'));
  assert.deepEqual(formatListing(listing), json);
  assert.deepEqual(parseListing(json), listing);
});

test('the shape that newer Nix writes: sorted keys, executable always', () => {
  const text =
    '{"root":{"entries":{"a":{"executable":false,"narOffset":5,"size":1,"type":"regular"},"b":{"type":"regular"}},"type":"directory"},"version":1}';
  const entries = (parseListing(Buffer.from(text)) as Extract<Listing, { type: 'directory' }>).entries;
  assert.deepEqual(
    [...entries],
    [
      ['a', { type: 'regular', executable: false, size: 1, narOffset: 5 }],
      ['b', { type: 'regular', executable: false, size: undefined, narOffset: undefined }],
    ],
  );
});

test('names of any bytes: written raw, read back, escapes understood', async () => {
  const name = 'q"\\\n\x01\xff\xfe' as ByteString;
  const listing: Listing = {
    type: 'directory',
    entries: new Map([[name, { type: 'symlink', target: byteStringOf('é€😀') }]]),
  };
  const bytes = formatListing(listing);
  assert.ok(bytes.includes(Buffer.from('"q\\"\\\\\\n\\u0001\xff\xfe"', 'latin1')));
  assert.deepEqual(parseListing(bytes), listing);
  const escaped = String.raw`{"version":1,"root":{"type":"symlink","target":"\u00e9\u20ac\ud83d\ude00\\u00e9\u0041\""}}`;
  assert.deepEqual(parseListing(Buffer.from(escaped)), { type: 'symlink', target: byteStringOf('é€😀\\u00e9A"') });
});

test('random trees: listing, JSON and tree over ranges give the NAR again', async () => {
  await fc.assert(
    fc.asyncProperty(trees, async (tree) => {
      const nar = await packed(tree);
      const listing = parseListing(formatListing(await list(nar)));
      const remote = listingTree(listing, (offset, length) => [nar.subarray(offset, offset + length)]);
      assert.deepEqual(await collect(packNar(remote)), nar);
    }),
    { numRuns: 60, interruptAfterTimeLimit: 2000 },
  );
});

test('a listing that a NAR could not have is refused', () => {
  const bad: [string, RegExp][] = [
    ['', /NAR listing is not JSON/],
    ['{"version":2,"root":{}}', /bad NAR listing at version of x.ls|expected 1, got 2/],
    ['[]', /bad NAR listing at \/ in x.ls: expected an object, got \[\]/],
    [
      '{"version":1,"root":{"type":"fifo"}}',
      /at \/type in x.ls: expected "regular", "directory" or "symlink", got "fifo"/,
    ],
    ['{"version":1,"root":{"type":"directory","entries":{"..":{"type":"regular"}}}}', /expected neither "." nor ".."/],
    ['{"version":1,"root":{"type":"directory","entries":{"a/b":{"type":"regular"}}}}', /expected no slash/],
    ['{"version":1,"root":{"type":"directory","entries":{"a":null}}}', /at \/a in x.ls: expected an object, got null/],
    [
      '{"version":1,"root":{"type":"regular","size":-1}}',
      /at \/size in x.ls: expected a whole number of bytes, got -1/,
    ],
    ['{"version":1,"root":{"type":"regular","narOffset":1e99}}', /expected a whole number of bytes/],
    ['{"version":1,"root":{"type":"regular","executable":"yes"}}', /expected true or false, got "yes"/],
    ['{"version":1,"root":{"type":"symlink","target":""}}', /expected 1 to 4095 bytes without NUL/],
    [String.raw`{"version":1,"root":{"type":"symlink","target":"\ud800"}}`, /is half a character/],
    [
      `{"version":1,"root":${'{"type":"directory","entries":{"a":'.repeat(64)}{"type":"regular"}${'}}'.repeat(64)}}`,
      /fewer than 64 levels/,
    ],
  ];
  for (const [text, message] of bad) assert.throws(() => parseListing(Buffer.from(text), 'x.ls'), message);
});

test('reading needs size and offset, and stays within the file', async () => {
  const listing = parseListing(json);
  const nar = golden('self-2.0.nar');
  const tree = listingTree(listing, (offset, length) => [nar.subarray(offset, offset + length)]);
  const run = [byteStringOf('bin'), byteStringOf('run')];
  assert.equal((await collect(tree.read(run))).length, 18);
  assert.deepEqual(await collect(tree.read(run, { offset: 2, length: 5 })), nar.subarray(650, 655));
  assert.throws(
    () => tree.read(run, { offset: 10, length: 9 }),
    /bytes 10 to 19 lie outside of \/bin\/run, which has 18/,
  );
  assert.throws(() => tree.read([byteStringOf('bin')]), /\/bin is not a file of the NAR listing/);
  assert.throws(() => tree.list(run), /\/bin\/run is not a directory/);
  assert.equal(await tree.stat([byteStringOf('nothing'), byteStringOf('here')]), undefined);
  const blind = listingTree({ type: 'regular', executable: false, size: 4 }, () => []);
  assert.throws(() => blind.read([]), {
    code: 'unsupported',
    message: 'the NAR listing does not give the offset of /',
  });
  assert.equal(listedAt(listing, [byteStringOf('link')])?.type, 'symlink');
});

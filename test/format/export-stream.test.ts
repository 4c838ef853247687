import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { byteStringOf } from '../../src/bytes/byte-string.ts';
import { ByteReader } from '../../src/bytes/reader.ts';
import { collect } from '../../src/bytes/source.ts';
import { ByteWriter } from '../../src/bytes/writer.ts';
import { readExport, writeExport } from '../../src/format/export-stream.ts';
import type { ExportInfo, ExportItem } from '../../src/format/export-stream.ts';
import { MemorySink } from '../../src/format/nar/memory-tree.ts';
import type { StorePath } from '../../src/model/store-path.ts';
import { byteStrings, drvPath, storePath, storePaths } from '../property/arbitraries.ts';
import { scribbling } from '../bytes/scribble.ts';
import { golden, packed, trees } from './nar/trees.ts';

const storeDir = '/nix/store';
const stream = readFileSync(join(import.meta.dirname, '../golden/export/a+b.export'));
const dep = 'y9v4w1kf41c10q7fdxlbz10s0adiximd-dep-1.0' as StorePath;
const self = 'ca01sq2ssam9bg824nsmcdnav1mf73ly-self-2.0' as StorePath;

async function readAll(bytes: Uint8Array, size = 1 << 20): Promise<ExportItem[]> {
  const items: ExportItem[] = [];
  for await (const object of readExport(scribbling(bytes, size), { storeDir, name: 'x.export' })) {
    const nar = await collect(object.nar());
    items.push({ info: await object.info(), nar: () => [nar] });
  }
  return items;
}

const writeAll = (items: readonly ExportItem[]): Promise<Buffer> => collect(writeExport(items, storeDir));

test('golden: read, and written again, it is the stream of Nix', async () => {
  const items = await readAll(stream);
  assert.deepEqual(
    items.map((item) => item.info),
    [
      {
        path: dep,
        references: [],
        deriver: 'sinxa9h1zjjj6c3fvnqzwjr2mvnv97ig-dep-1.0.drv',
        legacySignature: undefined,
      },
      {
        path: self,
        references: [self, dep],
        deriver: 'x5ga74a8vxzpavl25jk648y7k5zq3yzy-self-2.0.drv',
        legacySignature: undefined,
      },
    ],
  );
  assert.deepEqual(await collect(await items[1]!.nar()), golden('self-2.0.nar'));
  assert.deepEqual(await writeAll(items), stream);
  assert.deepEqual(await writeAll([]), Buffer.alloc(8));
});

test('random streams survive the trip, however they are cut', async () => {
  const infos: fc.Arbitrary<ExportInfo> = fc.record({
    path: storePath,
    references: storePaths(),
    deriver: fc.option(drvPath, { nil: undefined }),
    legacySignature: fc.option(byteStrings(), { nil: undefined }),
  });
  const objects = fc.array(fc.tuple(infos, trees), { maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(objects, fc.integer({ min: 1, max: 9000 }), async (list, size) => {
      const nars = await Promise.all(list.map(([, tree]) => packed(tree)));
      const bytes = await writeAll(list.map(([info], i) => ({ info, nar: () => [nars[i]!] })));
      const again = await readAll(bytes, size);
      assert.deepEqual(
        again.map((item) => item.info),
        list.map(([info]) => ({ ...info })),
      );
      assert.deepEqual(await writeAll(again), bytes);
    }),
    { numRuns: 60, interruptAfterTimeLimit: 3000 },
  );
});

test('an object may be looked into, read in part, or not at all', async () => {
  const seen: string[] = [];
  for await (const object of readExport([stream], { storeDir })) {
    if (seen.length === 0) {
      for await (const _ of object.nar()) break;
    } else {
      const sink = new MemorySink();
      await collect(object.nar(sink));
      assert.equal(sink.root?.type, 'directory');
      assert.throws(() => object.nar(), /only once/);
    }
    seen.push((await object.info()).path);
  }
  const skipped: number[] = [];
  for await (const object of readExport([stream], { storeDir })) skipped.push(object.offset);
  assert.deepEqual([seen, skipped.length, skipped[0]], [[dep, self], 2, 8]);
});

test('nothing after the final 0 is consumed', async () => {
  await using reader = new ByteReader([Buffer.concat([stream, Buffer.from('next')])]);
  for await (const object of readExport(reader, { storeDir })) await object.info();
  assert.equal((await collect(reader.rest())).toString(), 'next');
});

/** A stream with one object, its trailer as given. */
function withTrailer(trailer: (writer: ByteWriter) => ByteWriter): Buffer {
  return Buffer.concat([new ByteWriter().u64(1).take(), golden('ok-regular.nar'), trailer(new ByteWriter()).take()]);
}

const path = byteStringOf(`${storeDir}/${dep}`);

test('malformed streams are refused with offset and expectation', async () => {
  const head = (w: ByteWriter): ByteWriter => w.u64(0x4558494e).string(path);
  const bad: [Buffer, RegExp][] = [
    [
      Buffer.alloc(0),
      /unexpected end of input at offset 0 of x.export: expected 8 more bytes of the number before an object/,
    ],
    [Buffer.from('NARIO2\0\0'), /at offset 0 of x.export: expected 1 \(an object follows\) or 0 \(the end\), got \d+/],
    [Buffer.from('0200000000000000', 'hex'), /expected 1 .*, got 2/],
    [
      Buffer.concat([new ByteWriter().u64(1).take(), golden('bad-unsorted.nar')]),
      /names are not sorted at offset 328 of x.export/,
    ],
    [withTrailer((w) => w.u64(1)), /at offset 128 of x.export: expected "NIXE" after the NAR, got 0x1$/],
    [withTrailer((w) => w.u64(0x1_4558494e)), /expected "NIXE"/],
    [
      withTrailer((w) => w.u64(0x4558494e).text('/nix/store')),
      /the path of an exported object is bad at offset 136 .*: expected a store path in \/nix\/store/,
    ],
    [withTrailer((w) => w.u64(0x4558494e).text(`/gnu/store/${dep}`)), /expected a store path in \/nix\/store/],
    [
      withTrailer((w) => w.u64(0x4558494e).text('x'.repeat(5000))),
      /the path of an exported object is too long at offset 136/,
    ],
    [
      withTrailer((w) =>
        head(w)
          .u64(2 ** 40)
          .string(path),
      ),
      /unexpected end of input .*: expected 8 more bytes of a reference/,
    ],
    [withTrailer((w) => head(w).raw(Buffer.alloc(8, 255))), /integer out of range/],
    [withTrailer((w) => head(w).u64(1).text('/etc/passwd')), /a reference is bad/],
    [withTrailer((w) => head(w).u64(0).text('x.drv')), /the deriver is bad/],
    [withTrailer((w) => head(w).u64(0).text('').u64(2)), /expected 0, or 1 before a legacy signature, got 2/],
    [withTrailer((w) => head(w).u64(0).text('').u64(0)), /unexpected end of input .* the number before an object/],
  ];
  for (const [bytes, message] of bad) {
    for (const size of [1, 50, 1 << 20])
      await assert.rejects(readAll(bytes, size), (error: Error) => {
        assert.match(error.message, message);
        return true;
      });
  }
});

test('every truncation is refused', async () => {
  for (let size = 0; size < stream.length; size += 7) {
    await assert.rejects(readAll(stream.subarray(0, size)), /unexpected end of (input|NAR) at offset \d+ of x.export/);
  }
});

test('a NAR that would break the stream is not written', async () => {
  const info: ExportInfo = { path: dep, references: [] };
  const cut = { info, nar: () => [golden('bad-truncated.nar')] };
  await assert.rejects(writeAll([cut]), /unexpected end of NAR at offset 112 of \/nix\/store\/y9v4/);
  await assert.rejects(
    writeAll([{ info, nar: () => [golden('trailing-junk.nar')] }]),
    /bytes after the end of the NAR/,
  );
});

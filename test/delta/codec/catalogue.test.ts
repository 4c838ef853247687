import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { expandCatalogue, packCatalogue } from '../../../src/delta/codec/catalogue.ts';
import { throughCodec } from './through-codec.ts';

/** A catalogue as msgfmt writes it, without its hash table or with one of `slots` zero entries. */
function catalogue(messages: ReadonlyMap<string, string>, slots = 0): Buffer {
  const sorted = [...messages].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const count = sorted.length;
  const tables = 28 + count * 16;
  const header = Buffer.alloc(tables + slots * 4);
  header.writeUInt32LE(0x950412de, 0);
  for (const [at, value] of [0, count, 28, 28 + count * 8, slots, tables].entries())
    header.writeUInt32LE(value, 4 + at * 4);
  const strings: Buffer[] = [];
  let place = header.length;
  for (const [i, text] of [...sorted.map(([id]) => id), ...sorted.map(([, text]) => text)].entries()) {
    const bytes = Buffer.from(`${text}\0`);
    header.writeUInt32LE(bytes.length - 1, 28 + i * 8);
    header.writeUInt32LE(place, 32 + i * 8);
    strings.push(bytes);
    place += bytes.length;
  }
  return Buffer.concat([header, ...strings]);
}

const text = fc.string({ maxLength: 20 }).map((value) => value.replaceAll('\0', ''));
const messages = fc.array(fc.tuple(text, text), { maxLength: 30 }).map((pairs) => new Map(pairs));

test('places and lengths of strings are told by the strings', () => {
  fc.assert(
    fc.property(messages, (all) => {
      const file = catalogue(all);
      const expanded = expandCatalogue(file)!;
      assert.ok(expanded.subarray(28, 28 + all.size * 16).every((byte) => byte === 0));
      assert.ok(packCatalogue(expanded)!.equals(file));
    }),
  );
});

/** Written by msgfmt 0.21: a header and three messages, five slots. */
const written = `
  de12049500000000040000001c0000003c000000050000005c000000000000007000000005000000710000000400000077000000070000007c000000
  280000008400000002000000ad00000007000000b000000007000000b8000000010000000400000003000000000000000200000000636c6f7365006f
  70656e007361766520617300436f6e74656e742d547970653a20746578742f706c61696e3b20636861727365743d5554462d380a007a7500c3b66666
  6e656e007369636865726e00`;

test('all numbers of a catalogue that msgfmt wrote follow from its strings', () => {
  const file = Buffer.from(written.replaceAll(/\s/gu, ''), 'hex');
  const expanded = expandCatalogue(file)!;
  assert.ok(
    expanded.subarray(28, 112).every((byte) => byte === 0),
    expanded.subarray(28, 112).toString('hex'),
  );
  assert.ok(packCatalogue(expanded)!.equals(file));
});

test('broken catalogues come back or are none', () => {
  const change = fc.tuple(fc.nat(), fc.nat(255));
  fc.assert(
    fc.property(messages, fc.nat(40), fc.array(change, { maxLength: 20 }), (all, slots, changes) => {
      const file = catalogue(all, slots);
      for (const [at, value] of changes) file[4 + (at % (file.length - 4))] = value;
      const expanded = expandCatalogue(file);
      const packed = expanded && packCatalogue(expanded);
      if (packed !== undefined) assert.equal(packed.length, file.length);
      assert.ok(throughCodec(catalogue(all), file).bytes.equals(file));
      packCatalogue(file);
    }),
    { numRuns: 300 },
  );
});

test('a new message costs little more than its text', () => {
  const many = new Map(Array.from({ length: 500 }, (_, i) => [`message ${i * 7}`, `Meldung ${i * 7}`]));
  const old = catalogue(many);
  const fresh = catalogue(new Map([...many, ['message 1000', 'eine neue Meldung']]));
  const { bytes, size } = throughCodec(old, fresh);
  assert.ok(bytes.equals(fresh));
  assert.ok(size < 90, `${size} bytes`);
});

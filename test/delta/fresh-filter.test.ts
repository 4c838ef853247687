import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { filterBlock, isFiltered, unfilterBlock } from '../../src/delta/fresh-filter.ts';

/** Bytes that look like opcodes, operands and highest bytes, close together. */
const code = fc
  .array(fc.constantFrom(0xe8, 0xe9, 0x0f, 0x05, 0x8b, 0x8d, 0x28, 0xff, 0x15, 0x00, 0x01, 0x7f, 0x80), {
    maxLength: 300,
  })
  .map((bytes) => Buffer.from(bytes));

describe('the filter of fresh machine code', () => {
  it('can be taken back, wherever a block lies', () => {
    fc.assert(
      fc.property(code, fc.constantFrom(0, 256 * 1024, 2 ** 31, 2 ** 40), (bytes, offset) => {
        const block = Buffer.from(bytes);
        filterBlock(block, offset);
        unfilterBlock(block, offset);
        assert.deepEqual(block, bytes);
      }),
      { numRuns: 5000 },
    );
  });

  it('makes calls of one function from two places look alike', () => {
    const block = Buffer.alloc(200);
    for (const at of [100, 150]) {
      block[at] = 0xe8;
      block.writeInt32LE(1000 - (at + 5), at + 1);
    }
    filterBlock(block, 0);
    assert.deepEqual(block.subarray(100, 105), block.subarray(150, 155));
    assert.equal(block.readInt32LE(101), 1000);
  });

  it('is for files that begin as an ELF file for x86-64', () => {
    const head = Buffer.alloc(64);
    head.write('\x7fELF', 'latin1');
    assert.equal(isFiltered(head), false);
    head[18] = 0x3e;
    assert.equal(isFiltered(head), true);
    assert.equal(isFiltered(head.subarray(0, 19)), false);
    assert.equal(isFiltered(Buffer.alloc(64)), false);
  });
});

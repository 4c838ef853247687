import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forgetPages, pageOf, pageSize } from '../../src/delta/pages.ts';
import type { Pages } from '../../src/delta/pages.ts';

/** A file whose pages hold a mark of its own and their numbers, and that counts how often they are read. */
class File {
  readonly pages: Pages = new Map();
  readonly mark: number;
  reads = 0;

  constructor(mark: number) {
    this.mark = mark;
  }

  page(number: number): Buffer {
    return pageOf(this.pages, number, (room) => {
      this.reads++;
      room.fill(this.mark);
      room.writeUInt32LE(number, 0);
    });
  }

  expect(number: number): void {
    const page = this.page(number);
    assert.equal(page.length, pageSize);
    assert.equal(page.readUInt32LE(0), number);
    assert.equal(page[pageSize - 1], this.mark);
  }
}

test('pages of two files are kept apart, and the ones asked for longest ago make room', () => {
  forgetPages();
  const [one, other] = [new File(1), new File(2)];
  one.expect(0);
  for (let i = 0; i < 255; i++) {
    other.expect(i);
    one.expect(0);
  }
  assert.equal(one.reads, 1);
  other.expect(1000);
  one.expect(0);
  assert.equal(one.reads, 1);
  other.expect(0);
  assert.equal(other.reads, 257);
  other.expect(2);
  assert.equal(other.reads, 257);
  forgetPages();
});

test('what was lent last outlives the reads of another file', () => {
  forgetPages();
  const [one, other] = [new File(1), new File(2)];
  for (let i = 0; i < 256; i++) one.expect(i);
  const lent = one.page(0);
  other.expect(0);
  assert.equal(lent[pageSize - 1], 1);
  forgetPages();
});

test('pages that were forgotten are read again', () => {
  const file = new File(3);
  file.expect(7);
  forgetPages();
  file.expect(7);
  assert.equal(file.reads, 2);
  forgetPages();
});

test('a page that cannot be read takes nobody else’s room', () => {
  forgetPages();
  const [one, other] = [new File(1), new File(2)];
  for (let i = 0; i < 256; i++) one.expect(i);
  const fail = (room: Buffer): void => {
    room.fill(9);
    throw new Error('the disk');
  };
  assert.throws(() => pageOf(other.pages, 7, fail), /the disk/);
  other.expect(0);
  for (let i = 255; i > 0; i--) one.expect(i);
  forgetPages();
});

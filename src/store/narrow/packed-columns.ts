// Columns as one message: for each its size, how it is compressed and how long that is, all as varints; then the bytes.

import { ColumnReader, ColumnWriter } from '../../delta/columns.ts';
import { squeeze, unsqueeze } from '../../delta/squeeze.ts';
import { formatError } from '../../errors.ts';

/** Bytes that all columns of a message may come to; a closure of a million paths has less. */
const sizeLimit = 256 * 1024 * 1024;
const heads = 0;
const bodies = 1;

/** What was written, as one string of bytes. */
export async function packColumns(out: ColumnWriter): Promise<Uint8Array> {
  const packed = new ColumnWriter(2);
  for (const column of out.take()) {
    const { method, bytes } = await squeeze(column, 'best');
    packed.varint(heads, column.length);
    if (column.length === 0) continue;
    packed.varint(heads, method);
    packed.varint(heads, bytes.length);
    packed.bytes(bodies, bytes);
  }
  return Buffer.concat(packed.take());
}

/** A reader of `count` columns. Throws `format`; never allocates more than what is announced and allowed. */
export function unpackColumns(bytes: Uint8Array, count: number, name: string): ColumnReader {
  const head = new ColumnReader([bytes], name);
  const announced = Array.from({ length: count }, () => {
    const size = head.varint(0);
    return size === 0 ? { size, method: 0, length: 0 } : { size, method: head.varint(0), length: head.varint(0) };
  });
  const total = announced.reduce((sum, { size }) => sum + size, 0);
  if (total > sizeLimit) {
    throw formatError(`${name} is too long`, {}, { expected: `at most ${sizeLimit} bytes`, got: `${total}` });
  }
  const columns = announced.map(({ size, method, length }) =>
    unsqueeze({ method, bytes: head.bytes(0, length) }, size, { source: name }),
  );
  head.expectEnd();
  return new ColumnReader(columns, name);
}

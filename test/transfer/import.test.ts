import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { TrustedKeys } from '../../src/model/signature.ts';
import { scanExport } from '../../src/store/export-scan.ts';
import { memoryStore } from '../../src/store/memory.ts';
import type { WritableStore } from '../../src/store/store.ts';
import { importObjects } from '../../src/transfer/import.ts';

test('what the stream refers to is held until all of it is there', async () => {
  const stream = readFileSync(join(import.meta.dirname, '../golden/export/a+b.export'));
  const objects = await Array.fromAsync(scanExport([stream], { storeDir: '/nix/store', name: 'x' }));
  let held = 0;
  const seen: [string, number][] = [];
  const hold: WritableStore['hold'] = () => {
    held++;
    return Promise.resolve({ [Symbol.asyncDispose]: () => Promise.resolve(void held--) });
  };
  const destination = Object.assign(memoryStore(), { hold });
  await importObjects({
    destination,
    bytes: { name: 'x', range: (at, size) => [stream.subarray(at, at + size)] },
    objects,
    evidence: [],
    trustedKeys: new TrustedKeys([]),
    checkSignatures: false,
    onEvent: ({ type }) => void seen.push([type, held]),
  });
  const outcomes = seen.filter(([type]) => type === 'outcome').map(([, count]) => count);
  // the copy holds them, too
  assert.deepEqual(
    outcomes,
    objects.map(() => 2),
  );
  assert.equal(held, 0);
});

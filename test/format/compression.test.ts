// Every compression that narinfos name: files of real Nix read, round trips, several streams in one file, and what is wrong
// with damaged ones.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { collect } from '../../src/bytes/source.ts';
import type { ByteSource } from '../../src/bytes/source.ts';
import { isNarrowError } from '../../src/errors.ts';
import {
  canDecode,
  canEncode,
  compressionSuffix,
  decodableEncodings,
  decode,
  encode,
} from '../../src/format/compression.ts';
import { decodeByZlib, encodeByZlib } from '../../src/format/compression/zstd-zlib.ts';
import { scribblingLater } from '../bytes/scribble.ts';
import { run } from '../lab/run.ts';

const golden = (encoding: string): Buffer =>
  readFileSync(join(import.meta.dirname, '../golden/compression', `nar.${encoding}`));
const nar = golden('none');
const compressed = decodableEncodings.filter((encoding) => encoding !== 'none');
const several = compressed.filter((encoding) => encoding !== 'br' && encoding !== 'lzma');

/** Half of it compresses well, half not at all. */
const mixed = Buffer.concat([Buffer.alloc(400_000, 'all work and no play '), randomBytes(300_000)]);

async function failure(encoding: string, bytes: Uint8Array): Promise<Error> {
  try {
    const got = await collect(decode(encoding, scribblingLater(bytes, 4096), { source: 'the.nar' }));
    return assert.fail(`${encoding}: ${got.length} bytes and no error`);
  } catch (error) {
    assert.ok(isNarrowError(error, 'format'), String(error));
    assert.match(error.message, new RegExp(`${encoding} data at|${encoding} data ends`));
    assert.match(error.message, /offset \d+ of the\.nar/);
    return error;
  }
}

for (const encoding of compressed) {
  test(`${encoding}: what Nix wrote`, async () => {
    for (const size of [1, 1000, 100_000]) {
      assert.deepEqual(await collect(decode(encoding, scribblingLater(golden(encoding), size))), nar);
    }
  });

  test(`${encoding}: cut anywhere`, async () => {
    const bytes = golden(encoding);
    for (let length = 0; length < bytes.length; length += 97) await failure(encoding, bytes.subarray(0, length));
    await failure(encoding, bytes.subarray(0, bytes.length - 1));
  });

  test(`${encoding}: bytes behind the end`, async () => {
    await failure(encoding, Buffer.concat([golden(encoding), Buffer.from('and something that does not belong here')]));
  });

  test(`${encoding}: something else altogether`, async () => {
    await failure(encoding, nar);
    await failure(encoding, Buffer.from('<!doctype html><title>Sign in</title>'.repeat(20)));
  });
}

// Brotli has no checksum, lz4's and lzma's are not always there: the NAR hash catches those
for (const encoding of ['xz', 'bzip2', 'gzip', 'lzip']) {
  test(`${encoding}: a flipped bit anywhere`, async () => {
    for (let at = 20; at < golden(encoding).length; at += 131) {
      const bytes = Buffer.from(golden(encoding));
      bytes[at]! ^= 4;
      // some bits of bzip2's tables mean nothing
      const same = await collect(decode(encoding, [bytes])).then(
        (got) => got.equals(nar),
        () => false,
      );
      if (!same) await failure(encoding, bytes);
    }
  });
}

for (const encoding of several) {
  test(`${encoding}: several streams one after another`, async () => {
    const bytes = golden(encoding);
    for (const size of [7, 1000, 1 << 20]) {
      const got = await collect(decode(encoding, scribblingLater(Buffer.concat([bytes, bytes, bytes]), size)));
      assert.deepEqual(got, Buffer.concat([nar, nar, nar]));
    }
  });
}

test('zstd: many frames, empty and skippable ones', async () => {
  const frame = golden('zstd');
  const skippable = Buffer.from('502a4d180400000061626364', 'hex');
  const empty = await collect(encode('zstd', []));
  const all = Buffer.concat([skippable, empty, frame, empty, skippable, frame]);
  for (const way of [decode.bind(undefined, 'zstd'), decodeByZlib]) {
    assert.deepEqual(await collect(way(scribblingLater(all, 333), {})), Buffer.concat([nar, nar]));
  }
});

test('zstd decoded at once: the same results and faults', async () => {
  const one = await collect(encode('zstd', [mixed]));
  const damaged = Buffer.from(one);
  damaged[one.length >> 1]! ^= 1;
  const inputs = [
    one,
    Buffer.concat([one, one, await collect(encode('zstd', []))]),
    ...[0, 1, 5, one.length >> 1, one.length - 1].map((length) => one.subarray(0, length)),
    Buffer.concat([one, Buffer.from('x')]),
    Buffer.concat([one, Buffer.alloc(20)]),
    damaged,
    randomBytes(1000),
  ];
  for (const input of inputs) {
    const pieces = Array.from({ length: Math.ceil(input.length / 262_144) }, (_, i) =>
      input.subarray(i * 262_144, (i + 1) * 262_144),
    );
    const later = async function* (): AsyncGenerator<Uint8Array> {
      yield* pieces;
    };
    const [now, then] = await Promise.all([outcome(decode('zstd', pieces)), outcome(decode('zstd', later()))]);
    assert.deepEqual(now, then);
  }
});

async function outcome(source: ByteSource): Promise<Buffer | string> {
  try {
    return await collect(source);
  } catch (error) {
    return (error as Error).message;
  }
}

test("zstd by Node's own library: the same results and faults", async () => {
  const bytes = await collect(encodeByZlib(scribblingLater(mixed, 5000), { size: mixed.length }));
  assert.deepEqual(await collect(decode('zstd', [bytes])), mixed);
  assert.deepEqual(
    await collect(decodeByZlib(scribblingLater(Buffer.concat([bytes, bytes]), 777), {})).then((b) => b.length),
    2 * mixed.length,
  );
  const flipped = Buffer.from(bytes);
  flipped[bytes.length >> 1]! ^= 1;
  const bad = [
    bytes.subarray(0, -1),
    bytes.subarray(0, 3),
    Buffer.concat([bytes, Buffer.from('rest')]),
    flipped,
    mixed,
  ];
  for (const input of bad) {
    await assert.rejects(collect(decodeByZlib(scribblingLater(input, 4096), {})), (e) => isNarrowError(e, 'format'));
  }
});

for (const [encoding, levels] of [
  ['none', [undefined]],
  ['xz', [undefined, 0, 3]],
  ['zstd', [undefined, 1, 9, -5]],
] as const) {
  test(`${encoding}: round trip`, async () => {
    const sizes = fc.integer({ min: 1, max: 70_000 });
    const property = fc.asyncProperty(
      fc.uint8Array({ maxLength: 2000 }),
      sizes,
      fc.constantFrom(...levels),
      async (head, size, level) => {
        const data = Buffer.concat([head, mixed.subarray(0, head.length * 300)]);
        const bytes = await collect(encode(encoding, scribblingLater(data, size), { level, size: data.length }));
        assert.deepEqual(await collect(decode(encoding, scribblingLater(bytes, size))), data);
      },
    );
    await fc.assert(property, { numRuns: 12 });
  });
}

test('threads give the same contents, and the xz program reads what we write', async () => {
  const big = Buffer.concat(Array.from({ length: 12 }, () => mixed));
  for (const encoding of ['xz', 'zstd']) {
    const bytes = await collect(encode(encoding, scribblingLater(big, 100_000), { threads: 2, level: 1 }));
    const read = await run([encoding, '-dc'], { input: bytes });
    assert.ok(read.bytes.equals(big));
  }
});

test('a stream that is left early is over', async () => {
  for (const encoding of ['xz', 'zstd', 'gzip', 'bzip2', 'br']) {
    for await (const chunk of decode(encoding, [golden(encoding)])) {
      assert.ok(chunk.length > 0);
      break;
    }
  }
  for await (const chunk of encode('zstd', scribblingLater(mixed, 1000))) {
    assert.ok(chunk.length > 0);
    break;
  }
});

test('a failing source fails the stream with its own error', async () => {
  async function* failing(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
    yield bytes;
    throw new Error('the line is dead');
  }
  for (const encoding of ['xz', 'zstd', 'gzip', 'bzip2']) {
    await assert.rejects(collect(decode(encoding, failing(golden(encoding).subarray(0, 700)))), /the line is dead/);
  }
  for (const encoding of ['xz', 'zstd', 'none']) {
    await assert.rejects(collect(encode(encoding, failing(nar))), /the line is dead/);
  }
});

test('an abort ends it', async () => {
  const controller = new AbortController();
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (let i = 0; ; i++) {
      if (i === 20) controller.abort(new Error('enough'));
      yield mixed;
    }
  }
  await assert.rejects(collect(encode('zstd', endless(), { signal: controller.signal })), /enough/);
});

test('a bomb costs only what is read of it', async () => {
  const bomb = await collect(encode('zstd', scribblingLater(Buffer.alloc(64 << 20), 1 << 20)));
  assert.ok(bomb.length < 10_000);
  let seen = 0;
  for await (const chunk of decode('zstd', [bomb])) {
    seen += chunk.length;
    if (seen > 1 << 20) break;
  }
  assert.ok(seen < 3 << 20);
});

test('names, suffixes, levels', () => {
  assert.deepEqual(['xz', 'zstd', 'bzip2', 'lzip', 'lz4', 'br', 'gzip', 'none'].map(compressionSuffix), [
    '.xz',
    '.zst',
    '.bz2',
    '.lzip',
    '.lz4',
    '.br',
    '',
    '',
  ]);
  assert.ok(canDecode('lzip') && !canEncode('lzip') && !canDecode('lrzip'));
  assert.throws(() => decode('lrzip', []), /cannot read compression 'lrzip'/);
  assert.throws(() => encode('gzip', []), /cannot write compression 'gzip'/);
  assert.throws(() => encode('xz', [], { level: 10 }), /bad compression level 10 for xz: expected 0 to 9/);
});

test('a library that is not there is named', async () => {
  const { loadLibrary } = await import('../../src/format/compression/native.ts');
  assert.throws(
    () => loadLibrary('libnothere.so.9', 'xz', 'liblzma5'),
    (error) => {
      assert.ok(isNarrowError(error, 'unsupported'));
      assert.match(error.message, /xz needs the library libnothere\.so\.9/);
      assert.match(error.hint ?? '', /liblzma5/);
      return true;
    },
  );
});

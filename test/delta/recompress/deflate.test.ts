import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync, inflateRawSync, inflateSync } from 'node:zlib';
import fc from 'fast-check';
import { deflate } from '../../../src/delta/recompress/deflate.ts';
import { samples } from './samples.ts';

const levels = [1, 2, 3, 4, 5, 6, 7, 8, 9] as const;

function run(command: string, args: readonly string[], input: Uint8Array, env: Record<string, string> = {}): Buffer {
  const { stdout, status, stderr } = spawnSync(command, args, {
    input,
    maxBuffer: 2 ** 28,
    env: { ...process.env, ...env },
  });
  assert.equal(status, 0, stderr.toString());
  return stdout;
}

const headerSize = 10;
const trailerSize = 8;

for (const [name, contents] of samples) {
  test(`the bytes of GNU gzip: ${name}`, () => {
    for (const level of levels) {
      const packed = run('gzip', ['-c', '-n', `-${level}`], contents);
      const body = packed.subarray(headerSize, -trailerSize);
      const made = deflate(contents, { flavour: 'gzip', level, limit: body.length });
      assert.ok(made && Buffer.compare(made, body) === 0, `level ${level}`);
    }
  });
}

test('the bytes of zlib, which git packs its objects with', () => {
  const directory = mkdtempSync(join(tmpdir(), 'narrow-deflate-'));
  try {
    for (const level of levels) {
      for (const [name, contents] of samples) {
        const env = { GIT_OBJECT_DIRECTORY: directory, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null' };
        const blob = Buffer.concat([contents, Buffer.from(`level ${level}`)]);
        const args = ['-c', `core.loosecompression=${level}`, 'hash-object', '-w', '--stdin'];
        const id = run('git', args, blob, env).toString().trim();
        const packed = readFileSync(join(directory, id.slice(0, 2), id.slice(2)));
        const body = packed.subarray(2, -4);
        const made = deflate(inflateSync(packed), { flavour: 'zlib', level, limit: body.length });
        assert.ok(made && Buffer.compare(made, body) === 0, `${name}, level ${level}`);
      }
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});

/** Contents with repeats near and far. */
const contentsOf = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      fc.tuple(fc.constantFrom('a', 'ab', 'abcdefgh '), fc.nat(2000)).map(([text, n]) => Buffer.from(text.repeat(n))),
      fc.nat(70_000).map((n) => Buffer.alloc(n, 7)),
    ),
    { maxLength: 12 },
  )
  .map((parts) => Buffer.concat([...parts, ...parts]));

test('property: whatever goes in comes out of an inflater', () => {
  fc.assert(
    fc.property(contentsOf, fc.constantFrom('gzip', 'zlib'), fc.constantFrom(...levels), (contents, flavour, level) => {
      const made = deflate(contents, { flavour, level, limit: contents.length + 1000 });
      assert.ok(made && Buffer.compare(inflateRawSync(made), contents) === 0);
    }),
    { numRuns: 60 },
  );
});

test('property: GNU gzip makes the same', () => {
  fc.assert(
    fc.property(contentsOf, fc.constantFrom(...levels), (contents, level) => {
      const packed = run('gzip', ['-c', '-n', `-${level}`], contents);
      const body = packed.subarray(headerSize, -trailerSize);
      const made = deflate(contents, { flavour: 'gzip', level, limit: body.length, expected: body });
      assert.ok(made && Buffer.compare(made, body) === 0);
      assert.equal(Buffer.compare(gunzipSync(packed), contents), 0);
    }),
    { numRuns: 40 },
  );
});

test('no more than the limit is made, and a difference ends it', () => {
  const contents = samples.get('text')!;
  const whole = deflate(contents, { flavour: 'gzip', level: 6, limit: contents.length })!;
  assert.equal(deflate(contents, { flavour: 'gzip', level: 6, limit: whole.length - 1 }), undefined);
  const other = Uint8Array.from(whole).fill(0, 500, 501);
  assert.equal(deflate(contents, { flavour: 'gzip', level: 6, limit: whole.length, expected: other }), undefined);
});

// Decompression bombs: a few kilobytes that claim to be a small NAR and unpack to gigabytes. What counts is that the process
// stops at NarSize, soon and without having taken much memory.

import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { brotliCompressSync, constants, gzipSync, zstdCompressSync } from 'node:zlib';
import { narrow } from '../e2e/narrow.ts';
import { run } from '../lab/run.ts';
import { tempDir } from '../lab/temp.ts';

const MiB = 2 ** 20;
const base = tempDir('bombs');
const path = `/nix/store/${'1'.repeat(32)}-bomb`;
/** Run in the process under test: its highest memory, told at its end. */
const peakFile = join(base, 'peak.mjs');

before(() => {
  // not getrusage: that counts the process it was forked from, too
  const status = "readFileSync('/proc/self/status', 'utf8').match(/^VmHWM:.*/m)[0]";
  const report = `process.on('exit', () => process.stderr.write(${status} + '\\n'));`;
  writeFileSync(peakFile, `import { readFileSync } from 'node:fs';\n${report}\n`);
});

function u64(n: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(n);
  return bytes;
}

const word = (text: string): Buffer =>
  Buffer.concat([u64(BigInt(text.length)), Buffer.from(text), Buffer.alloc((8 - (text.length % 8)) % 8)]);
/** A file of 4 GiB of zeros begins. */
const head = Buffer.concat([
  ...['nix-archive-1', '(', 'type', 'regular', 'contents'].map(word),
  u64(4n * 1024n * BigInt(MiB)),
]);
const zeros = Buffer.alloc(64 * MiB);

const byProgram = async (program: string, input: Buffer): Promise<Buffer> =>
  (await run([program, '-1', '-c'], { input })).bytes;
/** All but brotli and lz4 read several streams in a row as one: 64 times the same 64 MiB are 4 GiB. */
const repeated = (first: Buffer, more: Buffer): Buffer => Buffer.concat([first, ...Array<Buffer>(64).fill(more)]);

const bombs: Readonly<Record<string, () => Promise<Buffer> | Buffer>> = {
  zstd: () => repeated(zstdCompressSync(head), zstdCompressSync(zeros)),
  gzip: () => repeated(gzipSync(head), gzipSync(zeros)),
  xz: async () => repeated(await byProgram('xz', head), await byProgram('xz', zeros)),
  bzip2: async () => repeated(await byProgram('bzip2', head), await byProgram('bzip2', zeros)),
  lzip: async () => repeated(await byProgram('lzip', head), await byProgram('lzip', zeros)),
  br: () =>
    brotliCompressSync(Buffer.concat([head, ...Array<Buffer>(8).fill(zeros)]), {
      params: { [constants.BROTLI_PARAM_QUALITY]: 2 },
    }),
};

/** What it says, its highest memory in MiB, and seconds. */
async function stopped(args: readonly string[]): Promise<{ said: string; peak: number; seconds: number }> {
  const started = performance.now();
  const { status, stderr } = await narrow(args, { mayFail: true, env: { NODE_OPTIONS: `--import ${peakFile}` } });
  assert.equal(status, 1, stderr);
  const peak = Number(/^VmHWM:\s+(\d+) kB$/m.exec(stderr)?.[1]) / 1024;
  return { said: stderr, peak, seconds: (performance.now() - started) / 1000 };
}

function expectSmall({ peak, seconds }: { peak: number; seconds: number }): void {
  assert.ok(peak < 220, `${peak.toFixed(0)} MiB`);
  assert.ok(seconds < 60, `${seconds} s`);
}

for (const [compression, make] of Object.entries(bombs)) {
  test(`${compression}: stops at NarSize`, async () => {
    const bytes = await make();
    assert.ok(bytes.length < 4 * MiB, `${bytes.length} bytes are no bomb`);
    const cache = join(base, compression);
    mkdirSync(join(cache, 'nar'), { recursive: true });
    writeFileSync(join(cache, 'nix-cache-info'), 'StoreDir: /nix/store\n');
    writeFileSync(join(cache, 'nar/bomb'), bytes);
    writeFileSync(
      join(cache, `${'1'.repeat(32)}.narinfo`),
      `StorePath: ${path}\nURL: nar/bomb\nCompression: ${compression}\nFileSize: ${bytes.length}\n` +
        `NarHash: sha256:${'0'.repeat(52)}\nNarSize: 1000\nReferences: \n`,
    );
    const store = join(base, `store-${compression}`);
    const result = await stopped([
      'copy',
      '--no-check-sigs',
      '--from',
      `file://${cache}`,
      '--to',
      `local?root=${store}`,
      path,
    ]);
    assert.match(result.said, /longer than announced, unpacked from .*: expected 1000 bytes/);
    expectSmall(result);
    assert.deepEqual(readdirSync(join(store, 'nix/store')), ['.links']);
    // the same into a cache that keeps it in another compression
    const other = join(base, `cache-${compression}`);
    const to = `file://${other}?compression=${compression === 'zstd' ? 'none' : 'zstd'}`;
    const recoded = await stopped(['copy', '--from', `file://${cache}`, '--to', to, path]);
    assert.match(recoded.said, /longer than announced/);
    expectSmall(recoded);
    assert.deepEqual(readdirSync(join(other, 'nar')), []);
  });
}

test('a narinfo that a web server sends compressed is read up to its limit', async () => {
  const bytes = repeated(gzipSync(head), gzipSync(zeros));
  const server = createServer((request, response) => {
    if (request.url === '/nix-cache-info') return void response.end('StoreDir: /nix/store\n');
    return void response.writeHead(200, { 'content-encoding': 'gzip' }).end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const result = await stopped(['info', '--store', url, path]);
    assert.match(result.said, /too large .*\.narinfo: expected at most 16777216 bytes/);
    expectSmall(result);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

// The current Nix refuses what test/lab calls broken, but for what it says that Nix takes.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import {
  brokenCaches,
  brokenCopy,
  brokenDatabases,
  brokenDerivations,
  brokenExports,
  brokenKeys,
  brokenNars,
  goodDerivation,
  oddNars,
} from './broken.ts';
import type { Broken, BrokenDatabase } from './broken.ts';
import { closure, copyOfStore, keyPair } from './closures.ts';
import { freshStore, nix } from './nix.ts';
import { remove, tempDir } from './temp.ts';

const current = nix('current');
const hashOf = (path: string): string => basename(path).slice(0, 32);

async function restores(bytes: Buffer): Promise<boolean> {
  const dir = tempDir('restore');
  const result = await current.run('nix-store', ['--restore', join(dir, 'in/to').slice(0, -3)], {
    input: bytes,
    mayFail: true,
  });
  remove(dir);
  return result.status === 0;
}

/** Tries each input and compares what Nix takes with what is said of it; 2.26 stands in where there is no newer one. */
async function check<T extends Broken>(
  inputs: Iterable<T>,
  taken: (input: T) => Promise<boolean>,
  takenByOlder: readonly string[] = [],
): Promise<void> {
  const got: Record<string, boolean> = {};
  const said: Record<string, boolean> = {};
  for (const input of inputs) {
    assert.ok(!(input.name in said), `${input.name} twice`);
    said[input.name] = input.nixAccepts === true || (current.label === '2.26' && takenByOlder.includes(input.name));
    got[input.name] = await taken(input);
  }
  assert.deepEqual(got, said);
  assert.ok(!existsSync('/tmp/escaped') && !existsSync('/etc/escaped'));
}

test('NARs', async () => {
  for (const { name, bytes } of oddNars()) assert.ok(await restores(bytes), name);
  await check(brokenNars(), ({ bytes }) => restores(bytes), ['depth-64', 'nul-target']);
});

test('export streams', async () => {
  const { root, named } = await closure('basic');
  const path = named['libc'] as string;
  const { bytes } = await current.run('nix-store', ['--dump', join(root, path)]);
  const item = { nar: bytes, path, references: [path], deriver: '' };
  await check(brokenExports(item, `/nix/store/${'0'.repeat(32)}-nowhere`), async (broken) => {
    const store = await freshStore();
    const result = await current.run('nix-store', ['--import'], { store, input: broken.bytes, mayFail: true });
    remove(store);
    return result.status === 0;
  });
});

test('caches', async () => {
  const { root, named } = await closure('signed');
  const { publicKey } = await keyPair('lab-1');
  const path = named['bash'] as string;
  const cache = tempDir('cache');
  await nix('2.8').nix('copy', '--from', root, '--to', `file://${cache}?compression=zstd`, path);
  const conf = `trusted-public-keys = ${publicKey}\n`;
  await check(brokenCaches(cache, hashOf(path)), async (broken) => {
    using copy = brokenCopy(cache, broken);
    const store = await freshStore();
    const args = ['copy', '--from', `file://${copy.dir}`, '--to', store, path];
    const result = await current.run('nix', args, { conf, mayFail: true });
    remove(store);
    return result.status === 0;
  });
});

test('derivations', async () => {
  const { root, drv } = await closure('basic');
  const store = await copyOfStore(root);
  await chmod(join(store, drv), 0o644);
  const shows = async (bytes: Uint8Array): Promise<boolean> => {
    writeFileSync(join(store, drv), bytes);
    const result = await current.run('nix', ['derivation', 'show', drv, '--store', store], { mayFail: true });
    return result.status === 0;
  };
  assert.ok(await shows(Buffer.from(goodDerivation)), 'the good one');
  await check(brokenDerivations(), ({ bytes }) => shows(bytes));
});

test('keys', async () => {
  const { secretFile } = await keyPair('lab-1');
  await check(brokenKeys(readFileSync(secretFile, 'utf8')), async ({ bytes }) => {
    const result = await current.run('nix', ['key', 'convert-secret-to-public'], { input: bytes, mayFail: true });
    return result.status === 0;
  });
});

test('databases', async () => {
  const { root, drv, top } = await closure('signed');
  const opens = async ({ apply }: BrokenDatabase): Promise<boolean> => {
    const copy = await copyOfStore(root);
    await apply(copy);
    const args = ['path-info', '--json', '--recursive', '--store', copy, top, drv];
    const result = await current.run('nix', args, { mayFail: true });
    remove(copy);
    return result.status === 0 && !/: ?null[,}]\s*("\/nix|$)/.test(result.stdout);
  };
  await check(brokenDatabases(top), opens, ['signature']);
});

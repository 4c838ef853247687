// Binary caches in both directions with every Nix there is: files and http (real nginx), signatures, each compression.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { TrustedKeys, parsePublicKey } from '../../src/model/signature.ts';
import { parseStorePath } from '../../src/model/store-path.ts';
import { openStore, openWritable } from '../../src/store/open.ts';
import type { OpenContext } from '../../src/store/open-context.ts';
import { copyClosure } from '../../src/transfer/copy.ts';
import { testContext } from '../contract/context.ts';
import { closure, keyPair } from '../lab/closures.ts';
import { startNginx } from '../lab/nginx.ts';
import { freshStore, nixes } from '../lab/nix.ts';
import { tempDir } from '../lab/temp.ts';

const signed = await closure('signed');
const key = await keyPair('lab-1');
const context: OpenContext = { ...testContext(), trustedKeys: new TrustedKeys([parsePublicKey(key.publicKey)]) };
const root = parseStorePath('/nix/store', signed.top);

/** Copies the closure, to be told what happened to each path. */
async function copy(from: string, to: string): Promise<string[]> {
  await using source = await openStore(from, context);
  await using destination = await openWritable(to, context);
  const result = await copyClosure({ source, destination, roots: [root] });
  return result.outcomes.map((outcome) => outcome.status);
}

const all = (statuses: readonly string[]): boolean =>
  statuses.length === signed.paths.length && statuses.every((status) => status === 'added');

for (const nix of nixes()) {
  for (const parameters of [
    'compression=none&write-nar-listing=1',
    'compression=zstd',
    'compression=xz&compression-level=1&parallel-compression=true',
  ]) {
    test(`Nix ${nix.label} reads what we write: ${parameters}`, async () => {
      const dir = tempDir('cache');
      assert.ok(all(await copy(`local?root=${signed.root}`, `file://${dir}?${parameters}`)));
      await using server = await startNginx(dir);
      for (const url of [`file://${dir}`, server.url]) {
        const to = await freshStore();
        const conf = `trusted-public-keys = ${key.publicKey}\n`;
        await nix.run('nix', ['copy', '--from', url, '--to', to, signed.top], { conf });
        assert.equal(await nix.complaints(to), undefined);
        assert.deepEqual((await nix.store(to, '-qR', signed.top)).split('\n').sort(), [...signed.paths].sort());
      }
      await nix.run('nix', ['store', 'ls', '--store', `file://${dir}`, '-R', signed.top]);
    });
  }

  test(`we read what Nix ${nix.label} writes, each compression, over files and http`, async () => {
    for (const compression of ['none', 'xz', 'zstd', 'bzip2']) {
      const dir = tempDir('cache');
      const to = `file://${dir}?compression=${compression}${compression === 'xz' ? '&compression-level=0' : ''}`;
      await nix.run('nix', ['copy', '--from', signed.root, '--to', to, signed.top]);
      const target = await freshStore();
      await using server = await startNginx(dir);
      const url = compression === 'xz' || compression === 'none' ? server.url : `file://${dir}`;
      assert.ok(all(await copy(url, `local?root=${target}`)), compression);
      assert.equal(await nix.complaints(target), undefined);
    }
  });

  test(`Nix ${nix.label} takes a cache over that we uploaded by PUT, and we one that it uploaded`, async () => {
    const [ours, theirs] = [tempDir('ours'), tempDir('theirs')];
    await using first = await startNginx(ours, { writable: true });
    assert.ok(all(await copy(`local?root=${signed.root}`, `${first.url}?compression=zstd`)));
    await using second = await startNginx(theirs, { writable: true });
    await nix.run('nix', [
      'copy',
      '--from',
      `file://${ours}`,
      '--to',
      `${second.url}?compression=zstd`,
      '--no-check-sigs',
      signed.top,
    ]);
    const third = tempDir('third');
    assert.ok(all(await copy(second.url, `file://${third}`)));
    assert.deepEqual(readdirSync(join(third, 'nar')).sort(), readdirSync(join(theirs, 'nar')).sort());
  });
}

test('what Nix has written once we do not write again, and the reverse', async () => {
  const [nix] = nixes();
  const dir = tempDir('cache');
  await nix!.run('nix', ['copy', '--from', signed.root, '--to', `file://${dir}?compression=zstd`, signed.top]);
  // a realisation that Nix did not copy with its path may be added
  const outcomes = await copy(`local?root=${signed.root}`, `file://${dir}?compression=zstd`);
  assert.ok(
    outcomes.every((status) => status === 'valid'),
    outcomes.join(),
  );
  const before = readdirSync(dir, { recursive: true }).sort();
  await nix!.run('nix', ['copy', '--from', signed.root, '--to', `file://${dir}?compression=zstd`, signed.top]);
  assert.deepEqual(readdirSync(dir, { recursive: true }).sort(), before);
});

test('realisations of content-addressed outputs travel by way of a directory', async () => {
  const ca = await closure('ca');
  const dir = tempDir('cache');
  await using source = await openStore(`local?root=${ca.root}`, context);
  const top = parseStorePath('/nix/store', ca.top);
  {
    await using destination = await openWritable(`file://${dir}?compression=none`, context);
    await copyClosure({ source, destination, roots: [top], checkSignatures: false });
  }
  await using cache = await openStore(`file://${dir}`, context);
  const paths = ca.paths.map((path) => parseStorePath('/nix/store', path));
  const infos = [...(await source.pathInfos(paths)).values()].filter((info) => info.ca);
  const ids = (all: readonly object[]): string[] => all.map((r) => JSON.stringify(r)).sort();
  const wanted = await source.realisations(infos);
  assert.ok(wanted.length > 0);
  assert.deepEqual(ids(await cache.realisations(infos)), ids(wanted));
});

// Copies between two narrows: what the other side can rebuild does not travel. Here both are on this machine, joined as
// ssh would join them; test/interop has real hosts.

import assert from 'node:assert/strict';
import { appendFileSync, chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import type { Closure, ClosureName } from '../lab/closures.ts';
import { closure, copyOfStore, keyPair } from '../lab/closures.ts';
import { freshStore, nixes } from '../lab/nix.ts';
import { tempDir } from '../lab/temp.ts';
import { command, fails, narrow } from './narrow.ts';

const local = (root: string): string => `local?root=${root}`;

/** A narrow that speaks for a store, to be started in place of ssh; what goes either way is counted. */
function far(
  root: string,
  { options = '', conf = '' } = {},
): { url: string; bytes: () => { up: number; down: number } } {
  const dir = tempDir('far');
  const script = join(dir, 'far');
  writeFileSync(
    script,
    `#!/bin/bash
export NIX_CONFIG='${conf}'
exec < <(tee ${dir}/up) > >(tee ${dir}/down)
exec ${command} "$@" --store '${local(root)}' ${options}
`,
  );
  chmodSync(script, 0o755);
  const size = (name: string): number => statSync(join(dir, name)).size;
  return { url: `ssh://localhost?narrow=${script}`, bytes: () => ({ up: size('up'), down: size('down') }) };
}

/** One store with the closures of several. */
async function merged(...names: readonly ClosureName[]): Promise<{ root: string; closures: readonly Closure[] }> {
  const closures = await Promise.all(names.map((name) => closure(name)));
  const root = await copyOfStore(closures[0]!.root);
  for (const { root: from, top } of closures.slice(1))
    await narrow(['copy', '--no-check-sigs', '--from', local(from), '--to', local(root), top]);
  return { root, closures };
}

async function expectClean(root: string, { paths }: Closure): Promise<void> {
  for (const which of nixes()) {
    assert.equal(await which.complaints(root), undefined, which.label);
    const infos = await which.store(root, '-q', '--references', ...paths);
    assert.ok(infos.length > 0);
  }
}

/** All that a store knows of paths, but when they were registered. */
async function infos(root: string, paths: readonly string[]): Promise<unknown> {
  const { stdout } = await narrow(['info', '--json', '--store', local(root), ...paths]);
  return JSON.parse(stdout, (key, value: unknown) =>
    ['registrationTime', 'ultimate', 'storePath'].includes(key) ? undefined : value,
  );
}

test('a closure that was only rebuilt travels as its hashes, to the other side', async () => {
  const { root, closures } = await merged('basic', 'rebuilt');
  const [basic, rebuilt] = closures as [Closure, Closure];
  const target = await copyOfStore(basic.root);
  const there = far(target);
  // unsigned, and not asked for: over ssh:// whoever sends vouches for it, as without narrow there
  const { stderr } = await narrow(['copy', '--from', local(root), '--to', there.url, rebuilt.top]);
  assert.match(stderr, /rebuilds from/);
  await expectClean(target, rebuilt);
  assert.deepEqual(await infos(target, rebuilt.paths), await infos(rebuilt.root, rebuilt.paths));
  const { up, down } = there.bytes();
  assert.ok(up + down < rebuilt.paths.length * 120 + 4000, `${up} and ${down} bytes`);
  const again = await narrow(['copy', '--no-check-sigs', '--from', local(root), '--to', there.url, rebuilt.top]);
  assert.match(again.stderr, /nothing to copy/);
});

test('the same from the other side', async () => {
  const { root, closures } = await merged('basic', 'rebuilt');
  const [basic, rebuilt] = closures as [Closure, Closure];
  const target = await copyOfStore(basic.root);
  const there = far(root);
  await narrow(['copy', '--from', there.url, '--to', local(target), rebuilt.top]);
  await expectClean(target, rebuilt);
  assert.deepEqual(await infos(target, rebuilt.paths), await infos(rebuilt.root, rebuilt.paths));
  const { up, down } = there.bytes();
  assert.ok(up + down < rebuilt.paths.length * 160 + 4000, `${up} and ${down} bytes`);
});

test('changed files travel as what changed in them', async () => {
  const { root, closures } = await merged('basic', 'updated');
  const [basic, updated] = closures as [Closure, Closure];
  const target = await copyOfStore(basic.root);
  const there = far(target);
  await narrow(['copy', '--no-check-sigs', '--from', local(root), '--to', there.url, updated.top]);
  await expectClean(target, updated);
  const whole = far(await freshStore());
  await narrow(['copy', '--no-check-sigs', '--from', local(root), '--to', whole.url, updated.top]);
  assert.ok(there.bytes().up < whole.bytes().up / 4, `${there.bytes().up} of ${whole.bytes().up} bytes`);
});

test('a sender that never had the old closure is told of its files', async () => {
  const [basic, rebuilt] = await Promise.all([closure('basic'), closure('rebuilt')]);
  const target = await copyOfStore(basic.root);
  const there = far(target);
  await narrow(['copy', '--no-check-sigs', '--from', local(rebuilt.root), '--to', there.url, rebuilt.top]);
  await expectClean(target, rebuilt);
  const whole = far(await freshStore());
  await narrow(['copy', '--no-check-sigs', '--from', local(rebuilt.root), '--to', whole.url, rebuilt.top]);
  const [few, all] = [there.bytes(), whole.bytes()];
  // its initrd is compressed, and so cannot be told by files
  assert.ok(few.up + few.down < all.up / 2, `${few.up + few.down} of ${all.up} bytes`);
});

test('signatures travel instead of hashes where they are trusted', async () => {
  const [signed, key] = await Promise.all([closure('signed'), keyPair('lab-1')]);
  const target = await freshStore();
  const there = far(target, { conf: `trusted-public-keys = ${key.publicKey}` });
  await narrow(['copy', '--from', local(signed.root), '--to', there.url, signed.top]);
  await expectClean(target, signed);
  assert.deepEqual(await infos(target, signed.paths), await infos(signed.root, signed.paths));
});

test('content-addressed paths prove themselves, and their realisations travel with them', async () => {
  const ca = await closure('ca');
  const target = await freshStore();
  await narrow(['copy', '--no-check-sigs', '--from', local(ca.root), '--to', far(target).url, ca.top]);
  await expectClean(target, ca);
  assert.deepEqual(await infos(target, ca.paths), await infos(ca.root, ca.paths));
});

test('derivations travel as deltas as well', async () => {
  const { root, closures } = await merged('basic', 'rebuilt');
  const [basic, rebuilt] = closures as [Closure, Closure];
  await narrow(['copy', '--derivation', '--from', local(rebuilt.root), '--to', local(root), rebuilt.drv]);
  const target = await copyOfStore(basic.root);
  await narrow(['copy', '--derivation', '--from', local(root), '--to', far(target).url, rebuilt.drv]);
  for (const which of nixes()) assert.equal(await which.complaints(target), undefined, which.label);
});

test('of a damaged base just the paths made from it are sent whole, and named', async () => {
  const { root, closures } = await merged('basic', 'rebuilt');
  const [basic, rebuilt] = closures as [Closure, Closure];
  const target = await copyOfStore(basic.root);
  const bash = basic.named['bash']!;
  const file = join(target, bash, 'bin/bash');
  chmodSync(file, 0o755);
  appendFileSync(file, 'x');
  const there = far(target);
  const { stderr } = await narrow(['copy', '--no-check-sigs', '--from', local(root), '--to', there.url, rebuilt.top]);
  const named = stderr.split('\n').filter((line) => line.includes('is sent whole'));
  assert.equal(named.length, 1, stderr);
  assert.ok(named[0]!.includes(basename(rebuilt.named['bash']!)), stderr);
  const bytes = readFileSync(join(target, rebuilt.named['bash']!, 'bin/bash'));
  assert.deepEqual(bytes, readFileSync(join(rebuilt.root, rebuilt.named['bash']!, 'bin/bash')));
});

test('a damaged base here costs one whole path, too', async () => {
  const { root, closures } = await merged('basic', 'rebuilt');
  const [basic, rebuilt] = closures as [Closure, Closure];
  const target = await copyOfStore(basic.root);
  const file = join(target, basic.named['bash']!, 'bin/bash');
  chmodSync(file, 0o755);
  appendFileSync(file, 'x');
  const { stderr } = await narrow(['copy', '--from', far(root).url, '--to', local(target), rebuilt.top]);
  assert.equal(stderr.split('\n').filter((line) => line.includes('whole')).length, 1, stderr);
  const bytes = readFileSync(join(target, rebuilt.named['bash']!, 'bin/bash'));
  assert.deepEqual(bytes, readFileSync(join(rebuilt.root, rebuilt.named['bash']!, 'bin/bash')));
});

test('a store that is yet to be made takes everything whole', async () => {
  const basic = await closure('basic');
  const target = join(tempDir('new'), 'root');
  await narrow(['copy', '--no-check-sigs', '--from', local(basic.root), '--to', far(target).url, basic.top]);
  await expectClean(target, basic);
});

test('a far side that only reads lets nothing be added', async () => {
  const basic = await closure('basic');
  const target = await freshStore();
  const there = far(target, { options: '--read-only' });
  const said = await fails(1, ['copy', '--no-check-sigs', '--from', local(basic.root), '--to', there.url, basic.top]);
  assert.match(said, /is offered for reading only/);
});

test('--dry-run tells what deltas would cost', async () => {
  const { root, closures } = await merged('basic', 'rebuilt');
  const [basic, rebuilt] = closures as [Closure, Closure];
  const target = await copyOfStore(basic.root);
  const args = ['copy', '--no-check-sigs', '--from', local(root), '--to', far(target).url, '--dry-run', rebuilt.top];
  const { stderr } = await narrow(args);
  assert.match(stderr, /as deltas/);
  const { stdout } = await narrow([...args, '--json']);
  const { plan } = JSON.parse(stdout) as { plan: { met: { kind: string }; deltaSize: number } };
  assert.equal(plan.met.kind, 'narrow');
  assert.ok(plan.deltaSize > 0 && plan.deltaSize < 20_000, String(plan.deltaSize));
});

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ByteString } from '../../src/bytes/byte-string.ts';
import { collect } from '../../src/bytes/source.ts';
import type { MemoryNode } from '../../src/format/nar/memory-tree.ts';
import { packNar } from '../../src/format/nar/pack.ts';
import { unpackNar } from '../../src/format/nar/unpack.ts';
import { canonicalise } from '../../src/fs/canonicalise.ts';
import { directorySink } from '../../src/fs/directory-sink.ts';
import { removeTree } from '../../src/fs/remove.ts';
import { localTree } from '../../src/fs/tree.ts';
import { expectations, golden, packed } from '../format/nar/trees.ts';
import { projectDir, tempDir } from '../lab/temp.ts';
import { metadata } from './disk.ts';

const unpack = (nar: Uint8Array, root: string, canonical = false): Promise<unknown> =>
  unpackNar([nar], directorySink(root, { canonical }));

const canonicalSelf = {
  '': 'd555 1',
  '/abs': 'l 1',
  '/bin': 'd555 1',
  '/bin/run': 'f555 1',
  '/emptydir': 'd555 1',
  '/file': 'f444 1',
  '/link': 'l 1',
};

test('canonical: modes and times of a store, whatever the umask', async () => {
  const dir = tempDir('sink');
  const before = process.umask();
  try {
    for (const umask of [0o022, 0o077, 0]) {
      process.umask(umask);
      const root = join(dir, `u${umask}`);
      await unpack(golden('self-2.0.nar'), root, true);
      assert.deepEqual(metadata(root), canonicalSelf);
    }
  } finally {
    process.umask(before);
  }
});

test('plain: as the umask has it, and at 022 what nix-store --restore leaves', async () => {
  const dir = tempDir('sink');
  const before = process.umask();
  const modes = (root: string): string[] =>
    Object.entries(metadata(root)).map(([path, meta]) => `${path} ${meta.split(' ')[0]}`);
  try {
    process.umask(0o022);
    await unpack(golden('self-2.0.nar'), join(dir, 'ours'));
    const restore = spawnSync('nix-store', ['--restore', join(dir, 'nix')], { input: golden('self-2.0.nar') });
    assert.equal(restore.status, 0, restore.stderr.toString());
    assert.deepEqual(modes(join(dir, 'ours')).sort(), modes(join(dir, 'nix')).sort());
    process.umask(0o077);
    await unpack(golden('self-2.0.nar'), join(dir, 'private'));
    const expected = [' d700', '/abs l', '/bin d700', '/bin/run f700', '/emptydir d700', '/file f600', '/link l'];
    assert.deepEqual(modes(join(dir, 'private')).sort(), expected);
  } finally {
    process.umask(before);
  }
});

test('an existing tree is made canonical', async () => {
  const root = join(tempDir('sink'), 'tree');
  await unpack(golden('self-2.0.nar'), root);
  chmodSync(join(root, 'file'), 0o4600);
  canonicalise(root);
  assert.deepEqual(metadata(root), canonicalSelf);
  canonicalise(root);
  execFileSync('mkfifo', [join(root, 'pipe')]);
  assert.throws(() => canonicalise(root), { code: 'refused', message: /tree\/pipe is a socket, fifo or device/ });
});

test('nothing that exists is touched, links are not followed', async () => {
  const dir = tempDir('sink');
  const file = join(dir, 'file');
  writeFileSync(file, 'mine');
  mkdirSync(join(dir, 'taken'));
  symlinkSync(file, join(dir, 'link'));
  symlinkSync(join(dir, 'elsewhere'), join(dir, 'dangling'));
  for (const name of ['file', 'taken', 'link', 'dangling']) {
    for (const nar of ['ok-regular.nar', 'ok-symlink.nar', 'self-2.0.nar']) {
      await assert.rejects(unpack(golden(nar), join(dir, name)), { code: 'io', message: /it exists already/ });
    }
  }
  assert.deepEqual(readdirSync(dir).sort(), ['dangling', 'file', 'link', 'taken']);
  assert.equal(readFileSync(file, 'utf8'), 'mine');
});

test('a malformed NAR leaves no trace', async () => {
  const dir = tempDir('sink');
  for (const { file, current } of expectations) {
    if (current === 'accept' && !file.startsWith('trailing')) continue;
    for (const canonical of [true, false]) {
      await assert.rejects(unpack(golden(file), join(dir, 'out'), canonical), { code: 'format' }, file);
      assert.ok(!existsSync(join(dir, 'out')), file);
    }
  }
  const half = golden('self-2.0.nar');
  for (let size = 0; size < half.length; size += 24) {
    await assert.rejects(unpack(half.subarray(0, size), join(dir, 'out'), true));
    assert.deepEqual(readdirSync(dir), []);
  }
});

test('trees deeper than any path the kernel takes', async () => {
  const long = 'x'.repeat(254);
  const file: MemoryNode = { type: 'regular', executable: true, contents: Buffer.from('deep') };
  const link: MemoryNode = { type: 'symlink', target: '../far' as ByteString };
  const tree = Array.from({ length: 62 }).reduce<MemoryNode>(
    (inner) => ({
      type: 'directory',
      entries: new Map([
        [`${long}\xff` as ByteString, inner],
        ['a' as ByteString, link],
        ['z' as ByteString, file],
      ]),
    }),
    { type: 'directory', entries: new Map([['file' as ByteString, file]]) },
  );
  const nar = await packed(tree);
  const descriptors = readdirSync('/proc/self/fd').length;
  for (const canonical of [true, false]) {
    const root = join(tempDir('sink'), 'deep');
    await unpack(nar, root, canonical);
    assert.ok((await collect(packNar(localTree(root)))).equals(nar));
    canonicalise(root);
    await assert.rejects(unpack(nar, root), /it exists already/);
    removeTree(root);
    assert.ok(!existsSync(root));
  }
  const root = join(tempDir('sink'), 'cut');
  await assert.rejects(unpack(nar.subarray(0, nar.length - 8), root, true), /unexpected end of NAR/);
  assert.ok(!existsSync(root));
  assert.equal(readdirSync('/proc/self/fd').length, descriptors);
});

test('a full disk is an error that names the file, and what was written goes', () => {
  const script = `
    import { unpackNar } from ${JSON.stringify(join(projectDir, 'src/format/nar/unpack.ts'))};
    import { packNar } from ${JSON.stringify(join(projectDir, 'src/format/nar/pack.ts'))};
    import { memoryTree } from ${JSON.stringify(join(projectDir, 'src/format/nar/memory-tree.ts'))};
    import { directorySink } from ${JSON.stringify(join(projectDir, 'src/fs/directory-sink.ts'))};
    const big = { type: 'regular', executable: false, contents: Buffer.alloc(3_000_000, 1) };
    const tree = memoryTree({ type: 'directory', entries: new Map([['a', big], ['b', big]]) });
    await unpackNar(packNar(tree), directorySink(process.argv[1] + '/out', { canonical: true })).catch((e) => console.log(e.message));`;
  const dir = tempDir('full');
  const mount =
    'mount -t tmpfs -o size=4m none "$0"; "$1" --disable-warning=ExperimentalWarning --input-type=module -e "$2" "$0"; ls "$0"';
  const argv = ['--mount', '--propagation', 'private', 'sh', '-ec', mount, dir, process.execPath, script];
  const result = spawnSync('unshare', argv, { encoding: 'utf8' });
  assert.equal(result.stdout, `cannot write ${dir}/out/b: no space left on the device\n`, result.stderr);
});

test('removing copes with directories nobody may write, and with nothing', async () => {
  const root = join(tempDir('sink'), 'gone');
  await unpack(golden('self-2.0.nar'), root, true);
  utimesSync(root, 1, 1);
  chmodSync(join(root, 'bin'), 0);
  removeTree(root);
  assert.ok(!existsSync(root));
  removeTree(root);
});

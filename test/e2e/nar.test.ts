import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { closure } from '../lab/closures.ts';
import type { Closure } from '../lab/closures.ts';
import { nix } from '../lab/nix.ts';
import { run } from '../lab/run.ts';
import { tempDir } from '../lab/temp.ts';
import { fails, narrow } from './narrow.ts';

const dir = tempDir('nar');
const old = nix('2.8');
let basic: Closure;
/** All files of the closure in one tree: links, executables, odd names. */
let tree: string;
let nar: string;

before(async () => {
  basic = await closure('basic');
  tree = join(basic.root, 'nix/store');
  nar = join(dir, 'all.nar');
  writeFileSync(nar, (await old.run('nix-store', ['--dump', tree])).bytes);
});

test('pack writes what nix-store --dump writes', async () => {
  assert.ok((await narrow(['nar', 'pack', tree])).bytes.equals(readFileSync(nar)));
});

test('unpack makes what nix-store --restore makes, also from compressed NARs', async () => {
  await run(['xz', '-k', '-0', nar]);
  const ours = join(dir, 'ours');
  const theirs = join(dir, 'theirs');
  await narrow(['nar', 'unpack', ours, `${nar}.xz`]);
  await old.run('nix-store', ['--restore', theirs], { input: readFileSync(nar) });
  await run(['diff', '-r', '--no-dereference', ours, theirs]);
  const modes = async (root: string): Promise<string> => (await run(['find', root, '-printf', '%P %m %y\n'])).stdout;
  assert.deepEqual((await modes(ours)).split('\n').sort(), (await modes(theirs)).split('\n').sort());
});

test('unpack leaves nothing of a NAR that is cut, damaged or followed by something, and touches nothing that is there', async () => {
  const whole = readFileSync(nar);
  const damaged = Buffer.from(whole);
  damaged[8 * 12] = 7;
  for (const bad of [whole.subarray(0, 100_000), damaged, Buffer.concat([whole, Buffer.of(0)]), Buffer.alloc(0)]) {
    const target = join(dir, 'bad');
    assert.match(await fails(1, ['nar', 'unpack', target], { input: bad }), /at offset \d+ of standard input/);
    assert.ok(!existsSync(target));
  }
  mkdirSync(join(dir, 'there'));
  assert.match(await fails(1, ['nar', 'unpack', join(dir, 'there'), nar]), /it exists already/);
  assert.ok(existsSync(join(dir, 'there')));
});

test('list prints what nix nar ls prints, of a NAR and of a store path', async () => {
  const store = `local?root=${basic.root}`;
  const one = basic.named['coreutils'] as string;
  const file = join(dir, 'one.nar');
  writeFileSync(file, (await narrow(['nar', 'pack', join(basic.root, one)])).bytes);
  for (const flags of [[], ['-l'], ['-R'], ['-l', '-R']]) {
    const expected = await old.nix('nar', 'ls', ...flags, file, '/');
    assert.equal((await narrow(['nar', 'list', ...flags, file])).stdout.trimEnd(), expected);
    assert.equal((await narrow(['nar', 'list', ...flags, '--store', store, one])).stdout.trimEnd(), expected);
  }
  const json = `{"version":1,"root":${await old.nix('nar', 'ls', '--json', '-R', file, '/')}}`;
  assert.equal((await narrow(['nar', 'list', '--json', file])).stdout, json);
  assert.equal((await narrow(['nar', 'list', '--json', '--store', store, one])).stdout, json);
});

test('cat writes one file, and says what is there instead', async () => {
  const one = basic.named['bash'] as string;
  const bytes = readFileSync(join(basic.root, one, 'bin/bash'));
  const base = one.slice('/nix/store/'.length);
  const store = ['--store', `local?root=${basic.root}`];
  assert.ok((await narrow(['nar', 'cat', nar, `${base}/bin/bash`])).bytes.equals(bytes));
  assert.ok((await narrow(['nar', 'cat', ...store, `${one}/bin/bash`])).bytes.equals(bytes));
  assert.ok((await narrow(['nar', 'cat', ...store, one, 'bin/bash'])).bytes.equals(bytes));
  assert.match(await fails(1, ['nar', 'cat', nar, `${base}/bin/nothing`]), /no file .*bin\/nothing/);
  assert.match(await fails(1, ['nar', 'cat', ...store, `${one}/bin/nothing`]), /no \/bin\/nothing in/);
  assert.match(await fails(1, ['nar', 'cat', ...store, `${one}/bin`]), /is a directory/);
  assert.match(await fails(1, ['nar', 'cat', ...store, `/nix/store/${'0'.repeat(32)}-x`]), /does not have/);
});

test('hash is that of the NAR, which has to be one', async () => {
  const expected = await old.nix('hash', 'path', tree);
  assert.equal((await narrow(['nar', 'hash', tree])).stdout.trimEnd(), expected);
  const piped = await narrow(['nar', 'hash', '--json', '-'], { input: readFileSync(`${nar}.xz`) });
  assert.deepEqual(JSON.parse(piped.stdout), { narHash: expected, narSize: readFileSync(nar).length });
  assert.match(await fails(1, ['nar', 'hash', '-'], { input: 'no NAR' }), /at offset 6.*nix-archive-1/);
  assert.match(await fails(1, ['nar', 'hash', join(dir, 'absent')]), /nothing at .*absent/);
});

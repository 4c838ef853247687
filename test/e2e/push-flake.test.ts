// Installables of flakes in a push: every Nix evaluates and builds them, with settings that allow it neither.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { expectWhole, narinfos } from '../cache/small-caches.ts';
import { freshStore, inMountedStore, nix, nixes } from '../lab/nix.ts';
import type { Nix } from '../lab/nix.ts';
import { run } from '../lab/run.ts';
import type { RunResult } from '../lab/run.ts';
import { tempDir } from '../lab/temp.ts';
import { command, fails } from './narrow.ts';

const flake = tempDir('flake');
const system = { x64: 'x86_64-linux', arm64: 'aarch64-linux' }[process.arch as string];
writeFileSync(
  join(flake, 'flake.nix'),
  `{
  outputs = { self }: let
    run = name: outputs: script: derivation {
      inherit name outputs;
      system = "${system}";
      builder = "/bin/sh";
      args = [ "-euc" ("export PATH=/usr/bin:/bin\\n" + script + "\\nexit 0") ];
    };
    lib = run "lib-1" [ "out" ] "echo lib > $out";
  in {
    packages.${system} = {
      hello = run "hello-1" [ "out" "doc" ] "echo \${lib} > $out; echo words > $doc";
      default = run "default-1" [ "out" ] "echo default > $out";
      broken = run "broken-1" [ "out" ] "echo this is why >&2; exit 3";
    };
  };
}
`,
);

/** `narrow ARGS` beside the flake, where the store of that root is the machine's. */
async function beside(one: Nix, root: string, args: readonly string[]): Promise<RunResult> {
  const env = { ...one.env(), XDG_STATE_HOME: tempDir('state') };
  return run([...inMountedStore(root), command, ...args], { cwd: flake, env, mayFail: true });
}

const pathsIn = (cache: string): string[] =>
  narinfos(cache).map((name) => /^StorePath: .*\/[^-]*-(.*)$/m.exec(readFileSync(join(cache, name), 'utf8'))![1]!);

for (const one of nixes())
  test(`with Nix ${one.label}`, async () => {
    const root = await freshStore();
    const cache = join(tempDir('push-flake'), 'cache');
    const push = (...args: string[]): Promise<RunResult> => beside(one, root, ['push', cache, ...args]);
    const pushed = await push('.#hello', '.#');
    assert.equal(pushed.status, 0, pushed.stderr);
    assert.match(pushed.stderr, /-hello-1\.drv[^]*pushed 3 paths/);
    assert.deepEqual(pathsIn(cache).sort(), ['default-1', 'hello-1', 'lib-1']);
    expectWhole(cache, 'pushed');
    const again = await push('.#hello', '--json');
    assert.equal((JSON.parse(again.stdout) as { plan: { valid: number } }).plan.valid, 2);
    if (one.label !== '2.8') {
      await push('.#hello^doc');
      assert.deepEqual(pathsIn(cache).sort(), ['default-1', 'hello-1', 'hello-1-doc', 'lib-1']);
    }
    const broken = await push('.#broken');
    assert.equal(broken.status, 1);
    assert.match(broken.stderr, /this is why[^]*narrow: nix could not build \.#broken\n.*stands above/);
    const absent = await push('.#nothing');
    assert.match(absent.stderr, /does not provide attribute[^]*narrow: nix could not build \.#nothing/);
  });

test('a file whose name has a # is a file', async () => {
  const root = await freshStore();
  const link = join(flake, 'c#');
  mkdirSync(link);
  const { stderr, status } = await beside(nix('current'), root, ['push', join(tempDir('x'), 'cache'), './c#']);
  assert.equal(status, 2);
  assert.match(stderr, /'\.\/c#' is no path in/);
});

test('without Nix, or for another store, it says what to do', async () => {
  const cache = join(tempDir('push-flake'), 'cache');
  const without = await fails(1, ['push', cache, '.#hello'], { env: { PATH: '/nowhere' } });
  assert.match(without, /cannot build \.#hello: there is no nix on PATH\n.*build it where Nix is/);
  const elsewhere = await fails(2, ['push', cache, '--from', 'ssh://builder', '.#hello']);
  assert.match(elsewhere, /'\.#hello' is built on this machine, and would not be in ssh:\/\/builder/);
});

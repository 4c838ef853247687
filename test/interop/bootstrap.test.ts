// copy --bootstrap: narrow goes to a host that has none by the stock protocol, and what follows goes by deltas.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { command } from '../e2e/narrow.ts';
import { closure } from '../lab/closures.ts';
import type { Hosts } from '../lab/hosts.ts';
import { expectWhole, startPair } from './delta-lab.ts';
import { fails } from './ssh-lab.ts';

/** The narrow under test as a store path of `work`, laid out like the Nix package, with this machine's Node. */
async function packaged(lab: Hosts): Promise<string> {
  const dir = join(lab.root('work'), 'root/narrow-0.1.0');
  const lib = join(dir, 'lib/narrow');
  mkdirSync(join(dir, 'bin'), { recursive: true });
  mkdirSync(lib, { recursive: true });
  for (const part of ['bin.js', 'dist', 'package.json'])
    cpSync(join(dirname(command), part), join(lib, part), { recursive: true });
  symlinkSync(join(dirname(command), 'node_modules'), join(lib, 'node_modules'));
  const script = `#!/bin/sh\nhere=$(dirname "$(dirname "$(readlink -f "$0")")")\nexec ${process.execPath} --disable-warning=ExperimentalWarning "$here/lib/narrow/bin.js" "$@"\n`;
  writeFileSync(join(dir, 'bin/narrow'), script, { mode: 0o755 });
  const { stdout } = await lab.exec('work', ['nix-store', '--add', '/root/narrow-0.1.0']);
  return stdout.trim();
}

test('a host without narrow is given it, when that is asked for', async () => {
  const [basic, rebuilt, updated] = await Promise.all([closure('basic'), closure('rebuilt'), closure('updated')]);
  await using lab = await startPair(basic, rebuilt);
  const own = await packaged(lab);
  const copy = async (...args: string[]): Promise<string> =>
    (await lab.exec('work', [`${own}/bin/narrow`, 'copy', '--no-check-sigs', ...args])).stderr;
  const dry = await copy('--bootstrap', '--dry-run', '--to', 'ssh://pi1', rebuilt.top);
  assert.match(dry, /ssh:\/\/pi1 would first get \S+-narrow-0.1.0 \(1 path/);
  assert.match(dry, /whole paths, since pi1 has no narrow/);
  const said = await copy('--bootstrap', '--to', 'ssh://pi1', rebuilt.top);
  assert.match(said, /ssh:\/\/pi1 got \S+-narrow-0.1.0 \(1 path[^]*narrow \S+ there, which rebuilds from/);
  await expectWhole(lab, 'pi1', rebuilt);
  await lab.seed('pi1', updated.root, [updated.top]);
  const again = await copy('--bootstrap', '--from', 'ssh://pi1', updated.top);
  assert.doesNotMatch(again, / got /);
  assert.match(again, /narrow \S+ there/);
  await expectWhole(lab, 'work', updated);
});

test('what cannot be brought there is said before anything moves', async () => {
  const basic = await closure('basic');
  await using lab = await startPair(basic, basic);
  const said = await fails(lab, ['--bootstrap', '--to', 'ssh://pi1', basic.top]);
  assert.match(
    said,
    /this narrow runs from \S+bin.js, which is in no path of \/nix\/store[^]*hint: run the Nix package/,
  );
  const usage = async (...args: string[]): Promise<string> => fails(lab, ['--bootstrap', ...args, basic.top], {}, 2);
  assert.match(await usage('--to', 'ssh-ng://pi1'), /one host: ssh:\/\/HOST/);
  assert.match(await usage('--from', 'ssh://pi1', '--to', 'ssh://work'), /one host: ssh:\/\/HOST/);
  const own = await packaged(lab);
  const named = [`${own}/bin/narrow`, 'copy', '--bootstrap', '--to', 'ssh://pi1?narrow=x', basic.top];
  assert.match((await lab.exec('work', named, { mayFail: true })).stderr, /name two programs/);
  // a machine of another kind
  await lab.exec('pi1', ['sh', '-c', 'mkdir /root/bin; echo echo riscv64 > /root/bin/uname; chmod +x /root/bin/uname']);
  await lab.exec('pi1', ['mount', '--bind', '/root/bin', '/usr/local/bin']);
  const other = [`${own}/bin/narrow`, 'copy', '--bootstrap', '--to', 'ssh://pi1', basic.top];
  assert.match(
    (await lab.exec('work', other, { mayFail: true })).stderr,
    /pi1 is riscv64, and this narrow is built for/,
  );
});

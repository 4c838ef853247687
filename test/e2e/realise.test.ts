// narrow realise: derivations are built or substituted on other machines, by every Nix and over every protocol.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { printStorePath } from '../../src/model/store-path.ts';
import { openWritable } from '../../src/store/open.ts';
import { copyClosure } from '../../src/transfer/copy.ts';
import { testContext } from '../contract/context.ts';
import { closure } from '../lab/closures.ts';
import { startHosts } from '../lab/hosts.ts';
import type { HostOptions, Hosts } from '../lab/hosts.ts';
import { nix } from '../lab/nix.ts';
import { run } from '../lab/run.ts';
import type { RunResult } from '../lab/run.ts';
import { tempDir } from '../lab/temp.ts';
import { generateDerivations } from '../transfer/generated-derivations.ts';
import { command, fails, narrow } from './narrow.ts';

const full = (path: string): string => `/nix/store/${path}`;

interface Seeded {
  readonly drv: string;
  readonly output: string;
  readonly drvs: readonly string[];
}

/** `count` generated derivations in the store of the host `work`. */
async function seed(lab: Hosts, count: number, script?: (n: number) => string): Promise<Seeded> {
  const { store, all } = await generateDerivations(count, script);
  await using destination = await openWritable(`local?root=${lab.root('work')}`, testContext());
  const { path, output } = all.at(-1)!;
  await copyClosure({ source: store, destination, roots: [path] });
  return {
    drv: printStorePath(store.storeDir, path),
    output: printStorePath(store.storeDir, output),
    drvs: all.map((one) => full(one.path)),
  };
}

function realise(lab: Hosts, ...args: string[]): Promise<RunResult> {
  return lab.exec('work', [command, 'realise', ...args], { mayFail: true });
}

const builds: HostOptions['conf'] = 'sandbox = false\nbuild-users-group =\n';

for (const label of ['2.8', '2.26', 'current'] as const) {
  test(`Nix ${label} builds over ssh and ssh-ng, the log is shown, the results stay or come back`, async () => {
    await using lab = await startHosts({ work: {}, pi: { nix: label, daemon: true, conf: builds } });
    const { drv, output } = await seed(lab, 4);
    const first = await realise(lab, '--store', 'ssh-ng://pi', drv);
    assert.equal(first.status, 0, first.stderr);
    assert.equal(first.stdout, `${output}\n`);
    assert.match(first.stderr, /tiny-3> making tiny-3/);
    assert.ok(existsSync(join(lab.root('pi'), output)));
    assert.ok(!existsSync(join(lab.root('work'), output)));
    const again = JSON.parse((await realise(lab, '--json', '--store', 'ssh-ng://pi', `${drv}^out`)).stdout) as {
      realised: { how: string; outputs: Record<string, string> }[];
    };
    assert.deepEqual(again.realised[0]?.outputs, { out: output });
    assert.equal(again.realised[0]?.how, 'already valid');

    const other = await seed(lab, 3, (n) => `echo "other $name ${n}"; echo "$inputs" > $out`);
    const link = '/root/result';
    const back = await realise(lab, '--store', 'ssh://pi', '--to', 'local', '--out-link', link, other.drv);
    assert.equal(back.status, 0, back.stderr);
    assert.match(back.stderr, /other tiny-2 2/);
    assert.doesNotMatch(back.stderr, /warning: .*other tiny-2/);
    assert.equal(readlinkSync(join(lab.root('work'), link)), other.output);
    await lab.exec('work', ['nix-store', '--gc']);
    assert.match(readFileSync(join(lab.root('work'), other.output), 'utf8'), /tiny-1/);
    assert.equal(await nix('2.8').complaints(lab.root('work')), undefined);
  });

  test(`Nix ${label}: a build that fails is named, with status 1 and its log, over both protocols`, async () => {
    await using lab = await startHosts({ work: {}, pi: { nix: label, daemon: true, conf: builds } });
    const { drv } = await seed(lab, 3, (n) => (n === 1 ? 'echo "no good"; exit 7' : 'echo > $out'));
    for (const url of ['ssh-ng://pi', 'ssh://pi']) {
      const { status, stdout, stderr } = await realise(lab, '--store', url, drv);
      assert.deepEqual([status, stdout], [1, ''], stderr);
      assert.match(stderr, /could not build/);
      assert.match(stderr, /tiny-1/);
      assert.match(stderr, /no good/);
    }
  });

  test(`Nix ${label}: what a substituter has is substituted, inputs of what it lacks too`, async () => {
    await using lab = await startHosts({
      work: { conf: builds, daemon: true },
      pi: { nix: label, daemon: true, conf: `${builds}substitute = true\nsubstituters = file:///root/cache\n` },
    });
    // building the lower ones is impossible: they have to be substituted
    const { drv, drvs, output } = await seed(lab, 4, (n) =>
      n < 3 ? '[ -e /root/can-build ] || exit 9; echo "$inputs" > $out' : 'echo "$inputs" > $out',
    );
    await lab.exec('work', ['touch', '/root/can-build']);
    const built = await realise(lab, '--store', 'daemon', drvs[2]!);
    assert.equal(built.status, 0, built.stderr);
    const cache = join(tempDir('cache'), 'c');
    await lab.exec('work', [command, 'copy', '--to', `file://${cache}`, built.stdout.trim()]);
    await run(['cp', '-r', cache, join(lab.root('pi'), 'root/cache')]);
    for (const url of ['ssh://pi', 'ssh-ng://pi']) {
      const result = await realise(lab, '--store', url, drv);
      assert.equal(result.status, 0, result.stderr);
      assert.equal(result.stdout, `${output}\n`);
      await lab.exec('pi', ['nix-store', '--gc']);
      assert.ok(!existsSync(join(lab.root('pi'), output)));
    }
  });
}

test('a real system is built by an ordinary user through the daemon, and linked there', async () => {
  const { root, drv, top } = await closure('basic');
  const users = [{ name: 'bob' }];
  await using lab = await startHosts({
    pi: { daemon: true, readOnlyStore: true, conf: builds, users, trustedKeys: [] },
  });
  const cache = tempDir('drvs');
  await run(['chmod', '755', cache]);
  await narrow(['copy', '--from', `local?root=${root}`, '--to', `file://${cache}`, drv]);
  const args = ['realise', '--from', `file://${cache}`, '--out-link', '/home/bob/result', drv];
  const { stdout, stderr, status } = await lab.exec('pi', [command, ...args], { user: 'bob', mayFail: true });
  assert.equal(status, 0, stderr);
  assert.equal(stdout, `${top}\n`);
  await lab.exec('pi', ['nix-store', '--gc']);
  assert.ok(existsSync(join(lab.root('pi'), top)));
  assert.equal(readlinkSync(join(lab.root('pi'), 'home/bob/result')), top);
});

test('a build that is interrupted ends there, too, with status 130', async () => {
  await using lab = await startHosts({ work: {}, pi: { nix: 'current', daemon: true, conf: builds } });
  const { drv } = await seed(lab, 1, () => 'echo begun; exec /bin/sleep 3210');
  for (const url of ['ssh-ng://pi', 'ssh://pi']) {
    const interrupt = ['timeout', '--preserve-status', '--signal=INT', '6', command, 'realise', '--store', url, drv];
    const { status, stderr } = await lab.exec('work', interrupt, { mayFail: true });
    assert.equal(status, 130, stderr);
    assert.match(stderr, /begun/);
    const gone = 'for i in $(seq 100); do pgrep -f "^/bin/sleep 3210" > /dev/null || exit 0; sleep 0.1; done; exit 1';
    await lab.exec('pi', ['sh', '-c', gone]);
  }
});

test('stores without a Nix cannot build; what is no derivation, or has no such output, is wrong usage', async () => {
  const { root, drv, top } = await closure('basic');
  const local = `local?root=${root}`;
  const said = await fails(1, ['realise', '--from', local, '--store', `local?root=${tempDir('no')}`, drv]);
  assert.match(said, /cannot build: no Nix answers there\n  hint: .*--store daemon/);
  await using lab = await startHosts({ pi: { daemon: true, conf: builds } });
  const pi = (...args: string[]): Promise<RunResult> =>
    lab.exec('pi', [command, 'realise', '--from', local, ...args], { mayFail: true });
  const path = await pi(top);
  assert.deepEqual([path.status, /is no derivation/.test(path.stderr)], [2, true], path.stderr);
  const output = await pi(`${drv}^nonsense`);
  assert.deepEqual([output.status, /has no output 'nonsense'/.test(output.stderr)], [2, true], output.stderr);
  const dry = await pi('--dry-run', drv);
  assert.deepEqual([dry.status, dry.stdout], [0, '']);
  assert.match(dry.stderr, /to copy/);
  assert.ok(!existsSync(join(lab.root('pi'), drv)));
});

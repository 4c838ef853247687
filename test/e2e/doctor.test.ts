// narrow doctor over every kind of place: what works, what does not, the lines to change, and the exit status.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { closure, copyOfStore, keyPair } from '../lab/closures.ts';
import { startHosts } from '../lab/hosts.ts';
import { startNginx } from '../lab/nginx.ts';
import { nix } from '../lab/nix.ts';
import { run } from '../lab/run.ts';
import type { RunResult } from '../lab/run.ts';
import { tempDir } from '../lab/temp.ts';
import { command, narrow } from './narrow.ts';

interface Told {
  readonly ok: boolean;
  readonly stores: readonly {
    readonly url: string;
    readonly reachable: boolean;
    readonly version?: string;
    readonly trust?: string;
    readonly storeDir?: string;
    readonly free?: number;
    readonly findings: readonly { readonly level: string; readonly subject: string; readonly what: string }[];
    readonly advice: readonly { readonly why: string; readonly where: string; readonly nixConf: readonly string[] }[];
  }[];
  readonly substituters: readonly { readonly url: string; readonly reachable: boolean }[];
}

/** The state of a Nix that was used, without paths that matter. */
const usedState = async (): Promise<string> => join(await copyOfStore((await closure('basic')).root), 'nix/var/nix');

const parse = ({ stdout }: { stdout: string }): Told => JSON.parse(stdout) as Told;

test('a local store, a cache in a directory and one on a web server, all well', async () => {
  const { root, top } = await closure('basic');
  const cache = join(tempDir('cache'), 'c');
  await narrow(['copy', '--from', `local?root=${root}`, '--to', `file://${cache}?compression=none`, top]);
  await using web = await startNginx(cache);
  const urls = [`local?root=${root}`, `file://${cache}`, web.url];
  const told = parse(await narrow(['doctor', '--json', ...urls]));
  assert.equal(told.ok, true);
  assert.deepEqual(
    told.stores.map((store) => [store.reachable, store.storeDir, typeof store.free]),
    [
      [true, '/nix/store', 'number'],
      [true, '/nix/store', 'number'],
      [true, '/nix/store', 'undefined'],
    ],
  );
  assert.match(told.stores[2]!.version!, /^HTTP, nginx/);
  const people = (await narrow(['doctor', ...urls])).stdout;
  assert.match(people, /^local\?root=\S+, store directory \/nix\/store\n  ok       local store: schema 10\n/);
  assert.match(people, /  \?        only the first path tells whether it is taken/);
});

test('a cache that is gone, and a substituter that does not answer, are told with status 3', async () => {
  const { stdout, status } = await narrow(['doctor', `file://${tempDir('none')}`], { mayFail: true });
  assert.equal(status, 3);
  assert.match(stdout, /error    \S+ is no binary cache: it has no nix-cache-info\n           hint: check the address/);
  const root = tempDir('own');
  const env = {
    NIX_STORE_DIR: join(root, 'store'),
    NIX_STATE_DIR: await usedState(),
    NIX_CONFIG: 'substitute = true\nsubstituters = http://127.0.0.1:1',
  };
  const told = parse(await narrow(['doctor', '--json'], { mayFail: true, env }));
  assert.deepEqual(
    told.substituters.map((s) => [s.url, s.reachable]),
    [['http://127.0.0.1:1', false]],
  );
  assert.equal((await narrow(['doctor', '--no-substituters'], { env })).status, 0);
});

test('a machine without Nix is not well, though a store could be made there', async () => {
  const root = tempDir('bare');
  const env = { NIX_STORE_DIR: join(root, 'store'), NIX_STATE_DIR: join(root, 'var') };
  const { stdout, status } = await narrow(['doctor', '--no-substituters'], { mayFail: true, env });
  assert.equal(status, 3);
  assert.match(stdout, /^  warning  there is no store on this machine yet: .*\n +hint: install Nix/m);
  assert.equal((await narrow(['doctor', `local?root=${root}/new`])).status, 0);
});

test('paths that Nix still takes for missing, though the substituter has them by now', async () => {
  const { root, named } = await closure('basic');
  const [dir, state] = [tempDir('late'), await usedState()];
  await using web = await startNginx(dir);
  const [first, second] = [named['hello']!, named['libc']!];
  const copy = ['copy', '--from', `local?root=${root}`, '--to', `file://${dir}?compression=none`];
  await narrow([...copy, second]);
  for (const one of [nix('2.8'), nix('current')]) {
    const env = { XDG_CACHE_HOME: tempDir('memory') };
    rmSync(join(dir, `${first.slice(11, 43)}.narinfo`), { force: true });
    const ask = ['path-info', '--store', web.url, first];
    await run([join(one.bin, 'nix'), ...ask], { env: { ...one.env(), ...env }, mayFail: true });
    const doctor = (): Promise<RunResult> =>
      narrow(['doctor'], {
        mayFail: true,
        env: { ...env, NIX_STATE_DIR: state, NIX_CONFIG: `substitute = true\nsubstituters = ${web.url}/` },
      });
    const right = await doctor();
    assert.equal(right.status, 0, right.stdout);
    await narrow([...copy, first]);
    const { status, stdout } = await doctor();
    assert.equal(status, 3, stdout);
    assert.match(
      stdout,
      /warning  Nix here remembers that \S+ lacks \S+-hello-\S+, which is there by now, for up to 60 more minutes/,
    );
    assert.match(stdout, /hint: give nix --refresh, or remove \S+binary-cache-v\d+\.sqlite/);
  }
});

test('paths that Nix still takes for there, though they were collected', async () => {
  const { root, named } = await closure('basic');
  const [dir, state] = [join(tempDir('collected'), 'cache'), await usedState()];
  const [gone, kept] = [named['hello']!, named['libc']!];
  await narrow(['push', `${dir}?compression=none`, '--from', root, gone]);
  await narrow(['cache', 'pin', dir, kept]);
  await using web = await startNginx(dir);
  const clients = ['2.8', 'current'] as const;
  const memories = new Map(clients.map((label) => [label, { XDG_CACHE_HOME: tempDir('memory') }]));
  const conf = `substitute = true\nsubstituters = ${web.url}\nrequire-sigs = false\n`;
  const realise = (label: '2.8' | 'current', store: string, ...more: string[]): Promise<RunResult> =>
    nix(label).run('nix-store', ['-r', gone, ...more], { store, conf, env: memories.get(label)!, mayFail: true });
  for (const label of clients)
    await nix(label).run('nix', ['path-info', '-r', '--store', web.url, gone], { env: memories.get(label)! });
  const gc = await narrow(['cache', 'gc', dir, '--keep-generations', '1', '--grace', '0s']);
  assert.match(gc.stdout, /clients whose Nix knows a path that is gone ask for it for up to 30 days/);
  for (const label of clients) {
    const env = { ...memories.get(label)!, NIX_STATE_DIR: state };
    const told = await narrow(['doctor'], { mayFail: true, env: { ...env, NIX_CONFIG: conf } });
    assert.equal(told.status, 3, told.stdout);
    assert.match(
      told.stdout,
      /warning  Nix here remembers that \S+ has \S+-hello-\S+, which is gone by now, for up to 30 more days/,
    );
    const cure = /hint: give nix --refresh, or --option narinfo-cache-positive-ttl 0, or remove (\S+)/.exec(
      told.stdout,
    );
    const store = tempDir('client');
    const stale = await realise(label, store);
    assert.match(stale.stderr, /404|does not exist in binary cache/, 'Nix asks for a NAR that is gone');
    const cured = await realise(label, store, '--option', 'narinfo-cache-positive-ttl', '0');
    assert.doesNotMatch(cured.stderr, /404|does not exist in binary cache/);
    rmSync(cure![1]!);
    assert.equal((await narrow(['doctor'], { mayFail: true, env: { ...env, NIX_CONFIG: conf } })).status, 0);
  }
});

for (const label of ['2.8', 'current'] as const) {
  test(`the daemon of Nix ${label}: trusted, untrusted, and untrusted with a key that it trusts`, async () => {
    const { publicKey, secretFile } = await keyPair('lab-1');
    const users = [{ name: 'bob' }, { name: 'alice', trusted: true }];
    const host = { nix: label, daemon: true, readOnlyStore: true, trustedKeys: [publicKey], users } as const;
    await using lab = await startHosts({ pi: host });
    const doctor = async (user: string, env: Record<string, string> = {}): Promise<[number, Told]> => {
      const result = await lab.exec('pi', [command, 'doctor', '--json'], { user, mayFail: true, env });
      return [result.status, parse(result)];
    };
    const [status, { stores }] = await doctor('alice');
    assert.equal(status, 0, JSON.stringify(stores));
    assert.equal(stores[0]!.url, 'daemon');
    assert.equal(typeof stores[0]!.free, 'number');
    assert.equal(stores[0]!.trust, 'trusted');
    assert.match(
      stores[0]!.version!,
      label === '2.8' ? /^Nix 2\.8\.\S+, worker protocol 1\.34$/ : /worker protocol 1\.3\d$/,
    );

    const [wrong, bob] = await doctor('bob');
    assert.equal(wrong, 3);
    assert.equal(bob.stores[0]!.trust, 'untrusted');
    const [first, last] = bob.stores[0]!.advice;
    assert.match(first!.nixConf[0]!, /^secret-key-files = /);
    assert.deepEqual(last!.nixConf, ['extra-trusted-users = bob']);
    assert.match(last!.why, /equals root/);

    const keyed = await lab.exec('pi', ['sh', '-c', `cp ${secretFile} /home/bob/key && chown bob /home/bob/key`]);
    assert.equal(keyed.status, 0);
    const [, signing] = await doctor('bob', { NIX_CONFIG: 'secret-key-files = /home/bob/key' });
    assert.deepEqual(signing.stores[0]!.advice, []);
  });
}

test('over ssh: both protocols, an untrusted user, a host without Nix, a shell that talks, a host that is not there', async () => {
  const users = [{ name: 'bob' }];
  const talks = { nix: '2.26', bashrc: 'echo welcome\n' } as const;
  await using lab = await startHosts({
    work: {},
    pi: { nix: 'current', daemon: true, users, trustedKeys: [] },
    bare: { nix: 'none' },
    talks,
  });
  const doctor = async (...urls: string[]): Promise<[number, Told['stores']]> => {
    const result = await lab.exec('work', [command, 'doctor', '--json', ...urls], { mayFail: true });
    return [result.status, parse(result).stores];
  };
  const [fine, [serve, worker]] = await doctor('ssh://pi', 'ssh-ng://pi');
  assert.equal(fine, 0);
  assert.match(serve!.version!, /^serve protocol 2\.[67]$/);
  assert.match(worker!.version!, /worker protocol 1\.3\d$/);
  assert.equal(worker!.trust, 'trusted');
  assert.ok(serve!.free! > 0 && worker!.free! > 0);
  const [untrusted, [bob]] = await doctor('ssh-ng://bob@pi');
  assert.equal(untrusted, 3);
  assert.equal(bob!.trust, 'untrusted');
  assert.deepEqual(
    bob!.advice.map((a) => a.where),
    ['this machine', 'pi'],
  );
  assert.deepEqual(bob!.advice.at(-1)!.nixConf, ['extra-trusted-users = bob']);
  const [broken, stores] = await doctor('ssh://bare', 'ssh://talks', 'ssh://10.77.0.99');
  assert.equal(broken, 3);
  assert.match(stores[0]!.findings[0]!.what, /^there is no nix-store on bare/);
  assert.match(stores[1]!.findings[0]!.what, /login shell of talks printed "welcome"/);
  assert.deepEqual(
    stores.map((s) => s.reachable),
    [false, false, false],
  );
});

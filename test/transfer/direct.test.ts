import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { hashBytes } from '../../src/model/hash.ts';
import type { PathInfo } from '../../src/model/path-info.ts';
import { defaultStoreDir, parseBaseName } from '../../src/model/store-path.ts';
import type { StorePath } from '../../src/model/store-path.ts';
import type { Machine } from '../../src/store/machine.ts';
import { chooseProgram, directCommands } from '../../src/transfer/direct-command.ts';
import type { DirectWay } from '../../src/transfer/direct-command.ts';
import { readProbe } from '../../src/transfer/direct-probe.ts';
import { tops } from '../../src/transfer/direct.ts';
import { copiedPath } from '../../src/transfer/nix-lines.ts';

const path = (n: number, more = ''): StorePath => parseBaseName(`${String(n).padStart(32, '0')}-p${n}${more}`);
const machine = (name: string, more: Partial<Machine> = {}): Machine => ({
  name,
  scheme: 'ssh',
  parameters: new Map(),
  bound: [],
  programs: '',
  addresses: () => [],
  start: () => assert.fail('nothing is to be started'),
  ...more,
});
const way = (more: Partial<DirectWay> = {}): DirectWay => ({
  starter: machine('a'),
  target: machine('b'),
  address: { destination: 'me@b', port: undefined },
  side: 'source',
  unchecked: true,
  storeDir: defaultStoreDir,
  ...more,
});
/** Behind `sh -c SCRIPT sh OPTIONS DIRECTORY`. */
const wordsOf = (commands: readonly (readonly string[])[]): string[] => commands.map((c) => c.slice(6).join(' '));

test('the program: narrow first, nix-copy-closure where nothing is asked of it that it cannot do', () => {
  const all = new Map([
    ['narrow', '1'],
    ['nix', 'nix (Nix) 2.8.0'],
    ['nix-copy-closure', '2.8'],
  ]);
  const nixes = new Map([...all].slice(1));
  assert.equal(chooseProgram(all, way()), 'narrow');
  assert.equal(chooseProgram(nixes, way()), 'nix-copy-closure');
  assert.equal(chooseProgram(nixes, way({ unchecked: false })), 'nix');
  assert.equal(chooseProgram(nixes, way({ target: machine('b', { scheme: 'ssh-ng' }) })), 'nix');
  assert.equal(
    chooseProgram(nixes, way({ starter: machine('a', { parameters: new Map([['remote-store', 'x']]) }) })),
    'nix',
  );
  assert.equal(chooseProgram(new Map(), way()), undefined);
});

test('the words: signatures as the plan has them, derivations apart, ports as options of ssh', () => {
  const drv = path(2, '.drv');
  const checked = way({
    unchecked: false,
    side: 'destination',
    address: { destination: 'me@fe80::1', port: '2222' },
    target: machine('b', { scheme: 'ssh-ng', parameters: new Map([['remote-store', 'local?root=/a b']]) }),
    starter: machine('a', { parameters: new Map([['remote-store', '/r']]) }),
  });
  const url = 'ssh-ng://me@[fe80::1]?remote-store=local%3Froot%3D%2Fa%20b';
  const commands = directCommands(checked, 'nix', 'nix (Nix) 2.34.8', [path(1), drv]);
  const flags = '--extra-experimental-features nix-command copy';
  assert.deepEqual(wordsOf(commands), [
    `nix ${flags} --derivation --to /r --from ${url} /nix/store/${drv}`,
    `nix ${flags} --to /r --from ${url} /nix/store/${path(1)}`,
  ]);
  assert.match(commands[0]![4]!, /^-oBatchMode=yes .* -p 2222$/);
  assert.deepEqual(wordsOf(directCommands(way(), 'nix-copy-closure', '', [drv])), [
    `nix-copy-closure --to me@b /nix/store/${drv}`,
  ]);
  assert.deepEqual(wordsOf(directCommands(way(), 'nix', 'nix (Nix) 2.3.16', [path(1)])), [
    `nix copy --no-check-sigs --to ssh://me@b /nix/store/${path(1)}`,
  ]);
  const many = Array.from({ length: 1000 }, (_, i) => path(i));
  assert.equal(directCommands(way(), 'narrow', '', many).length, 3);
});

test('the script runs the words, passes on their status, and ends them when nobody listens any more', () => {
  const [command] = directCommands(way(), 'narrow', '', [path(1)]);
  const run = (words: string, input: string | undefined): string =>
    execFileSync(command![0]!, [...command!.slice(1, 4), 'option', '', 'sh', '-c', words], {
      env: { ...process.env, NIX_SSHOPTS: '-4' },
      encoding: 'utf8',
      stdio: [input === undefined ? 'inherit' : 'pipe', 'pipe', 'pipe'],
      ...(input !== undefined && { input }),
    });
  assert.throws(() => run('exec sleep 30', ''), { status: 143 });
  const script = `sleep 1 | sh -c "$0" sh option '' sh -c 'echo "$NIX_SSHOPTS"; exit 3'; echo $?`;
  const said = execFileSync('sh', ['-c', script, command![2]!], {
    env: { ...process.env, NIX_SSHOPTS: '-4' },
    encoding: 'utf8',
  });
  assert.equal(said, 'begun\noption -4\n3\n');
});

test('what a probe found: the address that led there, else what tells most of why none did', () => {
  const addresses = [
    { destination: 'me@pi2', port: undefined },
    { destination: 'me@10.0.0.2', port: '22' },
  ];
  const read = (...lines: string[]): ReturnType<typeof readProbe> =>
    readProbe(lines, { starter: { name: 'pi1' }, target: { name: 'pi2' }, token: 'secret', addresses });
  const said = (text: string): string => `narrow-said ${text}`;
  const unresolved = ['narrow-asks', said('ssh: Could not resolve hostname pi2: Name or service not known')];
  const found = read('hello', 'narrow-has nix nix (Nix) 2.8.0', ...unresolved, 'narrow-asks', said('sh -c x secret'));
  assert.deepEqual(found.address, addresses[1]);
  assert.deepEqual([...found.programs], [['nix', 'nix (Nix) 2.8.0']]);
  const why = (...lines: string[]): string => read(...unresolved, 'narrow-asks', ...lines.map(said)).why;
  assert.equal(why(), 'pi1 cannot reach pi2');
  assert.equal(
    why('ssh: connect to host b port 22: No route to host'),
    'pi1 cannot reach pi2 (connect to host b port 22: No route to host)',
  );
  assert.equal(
    why('me@pi2: Permission denied (publickey).'),
    'pi1 cannot log in to pi2 (me@pi2: Permission denied (publickey).)',
  );
  assert.equal(why('Host key verification failed.'), 'pi1 does not know the host key of pi2');
  assert.equal(
    why('@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @', 'Host key verification failed.'),
    'pi1 knows pi2 by another host key',
  );
  assert.equal(why('', 'narrow-looked'), 'pi1 finds another machine under the name of pi2');
  assert.equal(read(...unresolved).why, 'pi1 does not know the name of pi2');
  assert.ok(read('narrow-asks', said('Permission denied')).denied);
});

test('tops hold all that is missing; lines name paths of the store', () => {
  const info = (n: number, ...references: number[]): PathInfo => ({
    path: path(n),
    narHash: hashBytes(String(n)),
    narSize: 1,
    references: references.map((one) => path(one)),
    signatures: [],
  });
  assert.deepEqual(tops([info(1), info(2, 1, 2), info(3), info(4, 2, 9)]), [path(3), path(4)]);
  assert.equal(copiedPath(`copying path '/nix/store/${path(1)}' to 'ssh://b'...`, '/nix/store'), path(1));
  assert.equal(copiedPath(`copying path '/other/${path(1)}' to 'ssh://b'...`, '/nix/store'), undefined);
  assert.equal(copiedPath('copying 3 paths...', '/nix/store'), undefined);
});

// --substitute-on-destination: what the destination's own caches have is not sent, and what they do not give is.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { command } from '../e2e/narrow.ts';
import { closure } from '../lab/closures.ts';
import type { Closure } from '../lab/closures.ts';
import type { HostOptions, Hosts } from '../lab/hosts.ts';
import { nix } from '../lab/nix.ts';
import { copies, narrow, start } from './ssh-lab.ts';

/** A cache on the host itself: port 8000 serves /root/cache, 8001 answers 500 to everything, 8002 to NARs; 8003 is closed. */
const server = `
const { createServer } = require('node:http');
const { createReadStream, existsSync } = require('node:fs');
const answer = (fails) => (request, response) => {
  const file = '/root/cache' + request.url;
  if (fails(request.url)) response.writeHead(500).end();
  else if (!existsSync(file)) response.writeHead(404).end();
  else createReadStream(file).pipe(response);
};
createServer(answer(() => false)).listen(8000, '127.0.0.1');
createServer(answer(() => true)).listen(8001, '127.0.0.1');
createServer(answer((url) => url.startsWith('/nar/'))).listen(8002, '127.0.0.1', () => console.log('ready'));
`;

const cacheConf = (port: number): string =>
  `substitute = true\nsubstituters = http://127.0.0.1:${port}\ndownload-attempts = 2\n`;

/** `pi` has a cache with hello's closure, which it substitutes from. */
async function withCache(what: Closure, port: number, options: HostOptions = {}): Promise<Hosts & AsyncDisposable> {
  const lab = await start({ pi: { ...options, conf: cacheConf(port) } }, what);
  const { root } = what;
  const cache = `file://${lab.root('pi')}/root/cache?compression=none`;
  await nix('2.8').run('nix', ['copy', '--no-check-sigs', '--from', root, '--to', cache, what.named['hello']!]);
  const argv = lab.command('pi', [process.execPath, '-e', server]);
  const child = spawn(argv[0]!, argv.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return lab;
}

async function complete(lab: Hosts, what: Closure): Promise<void> {
  assert.equal(await nix('2.8').complaints(lab.root('pi')), undefined);
  assert.equal((await nix('2.8').store(lab.root('pi'), '-qR', what.top)).split('\n').length, what.paths.length);
}

for (const [label, scheme] of [
  ['2.8', 'ssh'],
  ['current', 'ssh'],
  ['2.26', 'ssh-ng'],
  ['2.8', 'ssh-ng'],
] as const) {
  test(`Nix ${label}, ${scheme}: what a cache that works has is not sent, and is counted`, async () => {
    const basic = await closure('basic');
    await using lab = await withCache(basic, 8000, { nix: label });
    const args = ['-s', '--to', `${scheme}://pi`, basic.top];
    const dry = await copies(lab, ['--dry-run', ...args]);
    assert.match(
      dry,
      scheme === 'ssh'
        ? /its own caches have of that is known only when they are asked/
        : /2 of them its own caches have/,
    );
    const said = await copies(lab, args);
    assert.match(said, /29 paths, 2 there \(2 now from its own caches\), 27 to copy/);
    assert.match(said, /copied 27 paths .*, 2 came from its own caches/);
    await complete(lab, basic);
  });
}

for (const [port, scheme, label] of [
  [8001, 'ssh', '2.8'],
  [8001, 'ssh-ng', 'current'],
  [8002, 'ssh', 'current'],
  [8002, 'ssh-ng', '2.8'],
  [8003, 'ssh', '2.8'],
  [8003, 'ssh', 'current'],
  [8003, 'ssh-ng', '2.8'],
] as const) {
  const what = { 8001: 'answers 500', 8002: 'answers 500 to its NARs', 8003: 'is dead' }[port];
  test(`Nix ${label}, ${scheme}: a cache that ${what} is no reason to fail`, async () => {
    const basic = await closure('basic');
    await using lab = await withCache(basic, port, { nix: label });
    const said = await copies(lab, ['--substitute-on-destination', '--to', `${scheme}://pi`, basic.top]);
    assert.match(said, /29 paths, 0 there already, 29 to copy/);
    await complete(lab, basic);
  });
}

test('a dead cache beside one that works; between two other machines; and stores without caches', async () => {
  const basic = await closure('basic');
  await using lab = await withCache(basic, 8003);
  const { hello, libc } = basic.named as Record<string, string>;
  await lab.exec('pi', ['sh', '-c', 'echo "extra-substituters = http://127.0.0.1:8000" >> /etc/nix/nix.conf']);
  assert.match(await copies(lab, ['-s', '--to', 'ssh://pi', libc!]), /nothing to copy: .*, 1 came from its own caches/);
  const json = await narrow(lab, ['copy', '--no-check-sigs', '--json', '-s', '--to', 'ssh-ng://pi', hello!]);
  const { plan, copied } = JSON.parse(json.stdout) as { plan: { substituted: string[] }; copied: unknown[] };
  assert.deepEqual([plan.substituted, copied], [[hello], []]);
  assert.match(
    await copies(lab, ['-s', '--to', 'local?root=/root/other', libc!]),
    /warning: local.* has no caches of its own to ask: everything is copied/,
  );
});

test('the daemon of this machine substitutes, too', async () => {
  const basic = await closure('basic');
  await using lab = await withCache(basic, 8000, { daemon: true });
  const to = ['-s', '--from', `local?root=${basic.root}`, '--to', 'daemon', basic.top];
  const result = await lab.exec('pi', [command, 'copy', '--no-check-sigs', ...to]);
  assert.match(result.stderr, /2 there \(2 now from its own caches\), 27 to copy/);
  await complete(lab, basic);
});

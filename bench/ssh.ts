// How long is a line waited for? Copies to another machine over lines with latency and a rate, and on a LAN, against
// nix-copy-closure and the current Nix's ssh-ng://. Hosts of the laboratory with a real sshd, a relay for the latency: root.

import { execFileSync } from 'node:child_process';
import { startHosts } from '../test/lab/hosts.ts';
import type { Hosts } from '../test/lab/hosts.ts';
import { generate } from '../test/lab/generate.ts';
import { nix } from '../test/lab/nix.ts';
import type { Corpus } from './corpus.ts';
import { corpus } from './corpus.ts';
import { median } from './stats.ts';

/** Round trips in milliseconds. */
const latencies = (process.env['LATENCIES'] ?? '0 20 100 300').split(' ').filter(Boolean).map(Number);
/** Bytes a second: 100 Mbit/s. */
const rate = 12_500_000;
/** Derivations in one closure, each of which costs nix-copy-closure a round trip. */
const tiny = 1976;

interface Contestant {
  readonly name: string;
  argv(place: string, path: string): readonly string[];
}

function contestants(narrow: string): Contestant[] {
  const ours = (scheme: string): Contestant => ({
    name: `narrow, ${scheme}://`,
    argv: (place, path) => [narrow, 'copy', '--no-check-sigs', '--to', `${scheme}://${place}`, path],
  });
  const current = [nix('current').bin, 'nix'].join('/');
  const options = ['--extra-experimental-features', 'nix-command', '--no-check-sigs'];
  return [
    ours('ssh'),
    ours('ssh-ng'),
    { name: 'nix-copy-closure 2.8', argv: (place, path) => ['nix-copy-closure', '--to', place, path] },
    {
      name: `nix ${nix('current').label}, ssh-ng://`,
      argv: (place, path) => [current, 'copy', ...options, '--to', `ssh-ng://${place}`, path],
    },
  ];
}

/** The store there, empty: what a session still holds would be left. */
const empty = `while pgrep -x 'nix|nix-store|nix-daemon' > /dev/null; do sleep 0.05; done; nix-store --gc > /dev/null 2>&1`;

interface Question {
  readonly title: string;
  readonly path: string;
  readonly place: string;
  /** Everything is there before. */
  readonly there?: boolean;
  /** Over a connection that was used within a minute. */
  readonly again?: boolean;
}

let runs = 0;

/** Seconds of one run, with its login unless a connection is used again. */
async function once(lab: Hosts, { argv }: Contestant, question: Question): Promise<number> {
  const { path, place, there = false, again = false } = question;
  const env = { NIX_SSHOPTS: '-oHostKeyAlias=pi', XDG_STATE_HOME: `/root/state-${++runs}`, HOME: '/root' };
  if (!there) await lab.exec('pi', ['sh', '-c', empty]);
  if (again) await lab.exec('work', argv(place, path), { env });
  const started = performance.now();
  await lab.exec('work', argv(place, path), { env, timeout: 900_000 });
  return (performance.now() - started) / 1000;
}

async function table(lab: Hosts, question: Question, rounds: number, all: readonly Contestant[]): Promise<void> {
  const seconds = new Map<Contestant, number[]>(all.map((one) => [one, []]));
  for (let round = 0; round < rounds; round++)
    for (const one of all) seconds.get(one)!.push(await once(lab, one, question));
  const ours = all.filter((one) => one.name.startsWith('narrow')).map((one) => median(seconds.get(one)!));
  const cells = all.map((one, i) => {
    const time = median(seconds.get(one)!);
    const ratios = i < ours.length ? '' : ` (× ${ours.map((own) => (time / own).toFixed(1)).join(', ')})`;
    return `${one.name} ${time.toFixed(2)} s${ratios}`;
  });
  console.log(`  ${question.title.padEnd(44)} ${cells.join(' | ')}`);
}

/** The derivations of the large closure; where it is absent as many made ones. */
async function derivations(lab: Hosts, large: Corpus, narrow: string): Promise<string> {
  if (large.root === undefined) {
    const drv = execFileSync('nix-store', ['--query', '--deriver', large.top], { encoding: 'utf8' }).trim();
    // Nix would copy what they build
    execFileSync(narrow, ['copy', '--no-check-sigs', '--to', `local?root=${lab.root('work')}`, drv], { stdio: 'pipe' });
    return drv;
  }
  return (await generate(lab.root('work'), { paths: tiny, bytes: 1000 })).at(-1)!;
}

export async function run(narrow: string, rounds: number): Promise<void> {
  if (process.getuid?.() !== 0) return console.log('\nssh: not measured, hosts and their network need root');
  const [small, medium, large] = [await corpus('small'), await corpus('medium'), await corpus('large')];
  await using lab = await startHosts({ work: {}, pi: { nix: 'current' } });
  for (const one of [small, medium]) await lab.seed('work', one.root ?? 'local', [one.top]);
  const drv = await derivations(lab, large, narrow);
  const all = contestants(narrow);
  console.log(`\ncopies to another machine, seconds with the login; ×: how many times as fast narrow is (ssh, ssh-ng)`);
  for (const latency of latencies) {
    await using relay = await lab.relay('work', { to: 'pi:22', delay: latency / 2, rate });
    const place = `127.0.0.1`;
    await lab.exec('work', ['sh', '-c', `printf 'Host 127.0.0.1\\n  Port ${relay.port}\\n' > /root/.ssh/config`]);
    const line = `${latency} ms, 100 Mbit/s`;
    await table(lab, { title: `${line}: small (${small.narSize} bytes)`, path: small.top, place }, rounds, all);
    await table(lab, { title: `${line}: small, all there`, path: small.top, place, there: true }, rounds, all);
    const again = { title: `${line}: the same again`, path: small.top, place, there: true, again: true };
    await table(lab, again, rounds, all.slice(0, 2));
    if (latency === 100) {
      const title = `${line}: ${tiny} derivations`;
      await table(lab, { title, path: drv, place }, 1, all);
    }
  }
  await lab.exec('work', ['rm', '-f', '/root/.ssh/config']);
  const lan = { title: `LAN: medium (${medium.narSize} bytes)`, path: medium.top, place: 'pi' };
  await table(lab, lan, rounds, all);
}

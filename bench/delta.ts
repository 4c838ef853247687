// How many bytes does the next generation of a system cost between two machines that have the last one, counted by the
// link itself with all headers both ways, against the nar.xz files that stock Nix moves? And how long does it take?

import { execFileSync } from 'node:child_process';
import { startHosts } from '../test/lab/hosts.ts';
import type { Hosts } from '../test/lab/hosts.ts';
import { nix } from '../test/lab/nix.ts';
import { corpus } from './corpus.ts';
import type { Corpus, Generation, Size } from './corpus.ts';

/** A line of 8 Mbit/s, which is what DSL gives upwards. */
const rate = '8mbit';
/** Which closures are measured. */
export const sizes: readonly Size[] = (process.env['SIZES'] ?? 'small medium').split(' ') as Size[];
const generations: readonly Generation[] = ['gen2-rebuild', 'gen3-update'];

export async function run(narrow: string): Promise<void> {
  for (const size of sizes) {
    const base = await corpus(size);
    console.log(
      `\nthe next generation of ${base.label} (${base.paths.length} paths) over ${rate}, bytes both ways on the link`,
    );
    for (const generation of generations) await upgrade(narrow, base, await corpus(size, generation));
  }
}

/** Copies `next` to a machine that has `base`, unsigned and signed, and prints what that took. */
export async function upgrade(narrow: string, base: Corpus, next: Corpus): Promise<void> {
  await using lab = await startHosts({ work: {}, pi1: { rate } });
  const key = await signingKey(lab);
  for (const [host, tops] of [
    ['work', [base.top, next.top]],
    ['pi1', [base.top]],
  ] as const)
    for (const top of tops) await lab.seed(host, (top === base.top ? base : next).root ?? '/', [top]);
  const xz = xzSize(base, next);
  for (const signed of [false, true]) {
    if (signed) await lab.exec('work', [narrow, 'sign', '--key', key, '-r', next.top]);
    const before = await lab.bytes('pi1');
    const started = performance.now();
    const to = `ssh://pi1?narrow=${narrow}`;
    const { stderr } = await lab.exec('work', [narrow, 'copy', '--no-check-sigs', '--to', to, next.top], {
      timeout: 3_600_000,
    });
    const seconds = (performance.now() - started) / 1000;
    const after = await lab.bytes('pi1');
    const bytes = after.in - before.in + after.out - before.out;
    const kind = signed ? 'signed' : 'unsigned';
    console.log(
      `  ${next.label}, ${kind}: ${bytes} bytes, nar.xz ${xz}: ${(xz / bytes).toFixed(1)} times fewer; ${seconds.toFixed(1)} s`,
    );
    for (const line of stderr.trim().split('\n').slice(-6)) console.log(`    ${line}`);
    await forget(lab, base);
  }
}

/** Of all NARs that the next generation adds, as xz packs them one at a time at its default preset. */
function xzSize(base: Corpus, next: Corpus): number {
  const known = new Set(base.paths);
  const store = nix('2.8');
  let size = 0;
  for (const path of next.paths.filter((p) => !known.has(p))) {
    const root = next.root === undefined ? '' : next.root;
    const command = `nix-store --dump ${root}${path} | xz -6 -T1 | wc -c`;
    size += Number(execFileSync('sh', ['-c', command], { env: store.env(), encoding: 'utf8' }));
  }
  return size;
}

/** Takes back what the copy brought, so that the next begins where this one did. */
async function forget(lab: Hosts, base: Corpus): Promise<void> {
  await lab.exec('pi1', [
    'sh',
    '-c',
    `ln -sfn ${base.top} /nix/var/nix/gcroots/base && nix-store --gc >/dev/null 2>&1`,
  ]);
}

async function signingKey(lab: Hosts): Promise<string> {
  const secret = '/root/key.sec';
  await lab.exec('work', ['nix-store', '--generate-binary-cache-key', 'bench-1', secret, '/root/key.pub']);
  const publicKey = (await lab.exec('work', ['cat', '/root/key.pub'])).stdout.trim();
  await lab.exec('pi1', ['sh', '-c', `echo 'trusted-public-keys = ${publicKey}' >> /etc/nix/nix.conf`]);
  return secret;
}

// Without a network: for the host `localhost` Nix, and we, start the program itself.
import { openSshNgStore } from '../../src/store/ssh-ng.ts';
import { openSshStore } from '../../src/store/ssh.ts';
import { freshStore, nix } from '../lab/nix.ts';
import { testContext } from './context.ts';
import { contract } from './suite.ts';

Object.assign(process.env, nix('2.8').env());

async function params(label: '2.8' | 'current', program: string): Promise<URLSearchParams> {
  const root = await freshStore();
  return new URLSearchParams({
    'remote-store': `local?root=${root}`,
    'remote-program': `${nix(label).bin}/${program}`,
  });
}

const realisations = 'a daemon is asked by derivation, and the suite has none';
for (const label of ['2.8', 'current'] as const) {
  contract(`ssh, Nix ${label}`, {
    open: async () => openSshStore('localhost', await params(label, 'nix-store'), testContext()),
    without: {
      realisations: 'the serve protocol has none',
      hashParts: 'the serve protocol has no such question',
      signatures: 'the serve protocol has no such request',
    },
  });
  contract(`ssh-ng, Nix ${label}`, {
    open: async () => openSshNgStore('localhost', await params(label, 'nix-daemon'), testContext()),
    without: { realisations },
  });
}

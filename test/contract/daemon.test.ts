import { join } from 'node:path';
import { after } from 'node:test';
import { openDaemonStore } from '../../src/store/daemon.ts';
import { startHosts } from '../lab/hosts.ts';
import type { Hosts } from '../lab/hosts.ts';
import { testContext } from './context.ts';
import { contract } from './suite.ts';

const labs: Hosts[] = [];
after(() => Promise.all(labs.map((lab) => lab[Symbol.asyncDispose]())));

for (const nix of ['2.8', 'current'] as const) {
  contract(`daemon of Nix ${nix}`, {
    open: async () => {
      const lab = await startHosts({ pi: { nix, daemon: true } });
      labs.push(lab);
      const path = join(lab.root('pi'), 'nix/var/nix/daemon-socket/socket');
      return openDaemonStore(
        new URLSearchParams({ path, 'require-sigs': 'false' }),
        testContext({ 'trusted-users': 'root' }),
      );
    },
    without: { realisations: 'a daemon is asked by derivation, and the suite has none' },
  });
}

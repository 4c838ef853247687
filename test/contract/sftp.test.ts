// OpenSSH's own server without a network, as it is everywhere, and one that forbids what it has beyond the protocol.
import { join } from 'node:path';
import { openSftpCache } from '../../src/store/sftp.ts';
import { tempDir } from '../lab/temp.ts';
import { testContext } from './context.ts';
import { contract } from './suite.ts';

const server = '/usr/lib/openssh/sftp-server';
const extensions = ['posix-rename', 'hardlink', 'fsync', 'statvfs', 'limits', 'fstatvfs'].join();

const subjects: readonly (readonly [what: string, program: string, parameters: string])[] = [
  ['as it is', server, 'compression=none&write-nar-listing=1'],
  ['zstd, synced', server, 'compression=zstd&fsync=1'],
  ['without posix-rename', `${server} -P posix-rename`, 'compression=zstd'],
  ['without any extension', `${server} -P ${extensions}`, 'compression=none'],
];

for (const [what, program, parameters] of subjects) {
  contract(`sftp, ${what}`, {
    open: () => {
      const params = new URLSearchParams(parameters);
      params.set('remote-program', program);
      return openSftpCache(`localhost${join(tempDir('cache'), 'new')}`, params, testContext(), 'write');
    },
  });
}

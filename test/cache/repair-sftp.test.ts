// Mending a cache over SFTP, by a server that renames to no name that is taken: a damaged NAR has to go before the new one comes, and
// whoever is killed between leaves no narinfo without its NAR.

import assert from 'node:assert/strict';
import { cpSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { repairCache } from '../../src/cache/repair.ts';
import { verifyCache } from '../../src/cache/verify.ts';
import { SftpClient } from '../../src/protocol/sftp/client.ts';
import type { CacheStore } from '../../src/store/cache/cache-store.ts';
import { SftpFiles } from '../../src/store/cache/sftp-files.ts';
import { SshHostConnection } from '../../src/transport/ssh.ts';
import { directory, file, itemOf, later, sample } from '../contract/sample.ts';
import { tempDir } from '../lab/temp.ts';
import { isDeath, mortalFiles } from './mortal-files.ts';
import { cacheIn, cacheOver, expectWhole, narinfos, storeOf } from './small-caches.ts';

const lib = await sample('lib-1', file('lib'));
const app = await sample('app-1', directory({ same: file('same') }), [lib.info.path]);
const twin = await sample('twin-1', directory({ same: file('same') }));
const alike = await sample('alike-1', directory({ same: file('same') }));
const all = [lib, app, twin, alike];
// nobody has the last one any more
const source = await storeOf([lib, app, twin]);

const before = join(tempDir('repair-sftp'), 'cache');
{
  await using cache = await cacheIn(before);
  for await (const outcome of cache.add(later(all.map((one) => itemOf(one))))) assert.equal(outcome.status, 'added');
}
for (const name of readdirSync(join(before, 'nar'))) {
  const bytes = readFileSync(join(before, 'nar', name));
  bytes[bytes.length - 20]! ^= 1;
  writeFileSync(join(before, 'nar', name), bytes);
}

async function over(root: string, ...args: string[]): Promise<SftpFiles> {
  const connection = new SshHostConnection({ name: 'sftp://pi', place: 'localhost', params: new URLSearchParams() });
  const client = await SftpClient.open(connection.start(['/usr/lib/openssh/sftp-server', ...args]));
  const elsewhere = (): Promise<undefined> => assert.fail('no other host is asked');
  return new SftpFiles(client, { url: 'sftp://pi/cache', root, sync: false, elsewhere });
}

const rest = { upstreams: [], contents: true, trustedKeys: undefined };

async function problems(dir: string): Promise<string[]> {
  await using store = await cacheIn(dir);
  const found: string[] = [];
  await verifyCache({ store, ...rest, onProblem: ({ kind }) => void found.push(kind) });
  return found;
}

async function repair(store: CacheStore): Promise<void> {
  await repairCache({ store, sources: [source], remove: false, ...rest });
}

function fresh(): string {
  const dir = join(tempDir('repair-sftp'), 'cache');
  cpSync(before, dir, { recursive: true });
  return dir;
}

for (const extensions of ['posix-rename', 'posix-rename,hardlink'])
  test(`NARs of the right size with other bytes come back without ${extensions}`, async () => {
    const dir = fresh();
    assert.equal((await problems(dir)).length, all.length);
    {
      await using cache = await cacheOver(await over(dir, '-P', extensions));
      await repair(cache);
    }
    assert.deepEqual(await problems(dir), []);
    assert.equal(narinfos(dir).length, all.length, 'what shares its file with others came back with it');
  });

test('killed at every operation: no narinfo loses its NAR, and the next run mends the rest', async () => {
  const dir = fresh();
  for (let lives = 0, done = false; !done; lives++) {
    rmSync(dir, { recursive: true });
    cpSync(before, dir, { recursive: true });
    await using files = await over(dir, '-P', 'posix-rename');
    try {
      const cache = await cacheOver(mortalFiles(dir, { lives, repairing: true }, files));
      await repair(cache);
      done = true;
    } catch (error) {
      if (!isDeath(error)) throw error;
    }
    expectWhole(dir, `killed at ${lives}`, false);
    await using cache = await cacheOver(await over(dir, '-P', 'posix-rename'));
    await repair(cache);
    assert.deepEqual(await problems(dir), [], `killed at ${lives}`);
    if (done) assert.ok(lives > 10, `${lives} operations`);
  }
});

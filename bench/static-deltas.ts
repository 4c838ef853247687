// What does the next generation of a system cost through a static cache: pushed over SFTP as a delta alone, counted by the
// link itself with all headers both ways, and fetched from nginx by a narrow that has the generation before?

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startHosts } from '../test/lab/hosts.ts';
import { startNginx } from '../test/lab/nginx.ts';
import { tempDir } from '../test/lab/temp.ts';
import { corpus } from './corpus.ts';
import type { Corpus, Generation, Size } from './corpus.ts';

const sizes = (process.env['SIZES'] ?? 'small medium').split(' ') as Size[];
const generations: readonly Generation[] = ['gen2-rebuild'];

export async function run(narrow: string): Promise<void> {
  for (const size of sizes) {
    const base = await corpus(size);
    for (const generation of generations) {
      const next = await corpus(size, generation);
      console.log(`\n${next.label} (${next.paths.length} paths) through a static cache that has ${base.label}`);
      for (const signed of [false, true]) {
        await pushed(narrow, base, next, signed);
        await fetched(narrow, base, next, signed);
      }
    }
  }
}

/** What is in the laboratory is no secret. */
function pushing({ top, paths }: Corpus): string[] {
  return ['--name', 'fnord', ...paths.flatMap((path) => ['--allow-secret', path]), top];
}

async function pushed(narrow: string, base: Corpus, next: Corpus, signed: boolean): Promise<void> {
  await using lab = await startHosts({ work: {}, pi1: {} });
  for (const one of [base, next]) await lab.seed('work', one.root ?? '/', [one.top]);
  const key = '/root/key.sec';
  if (signed) await lab.exec('work', [narrow, 'key', 'generate', 'bench-1', '--out', key]);
  const url = 'sftp://pi1/~/cache?layout=deltas&compression=zstd';
  const push = [narrow, 'push', ...(signed ? ['--key', key] : []), url];
  await lab.exec('work', [...push, ...pushing(base)], { timeout: 3_600_000 });
  const before = await lab.bytes('pi1');
  await lab.exec('work', [...push, ...pushing(next)], { timeout: 3_600_000 });
  const after = await lab.bytes('pi1');
  const [up, down] = [after.in - before.in, after.out - before.out];
  console.log(
    `  pushed over SFTP, ${signed ? 'signed' : 'unsigned'}: ${up + down} bytes on the link, ${up} of them there`,
  );
}

async function fetched(narrow: string, base: Corpus, next: Corpus, signed: boolean): Promise<void> {
  const dir = tempDir('static-deltas');
  const cache = join(dir, 'cache');
  const store = `local?root=${join(dir, 'store')}`;
  const command = async (...args: string[]): Promise<void> => {
    await promisify(execFile)(narrow, args, {
      env: { ...process.env, XDG_STATE_HOME: dir },
      maxBuffer: 1 << 28,
    });
  };
  const key = join(dir, 'key.sec');
  if (signed) await command('key', 'generate', 'bench-1', '--out', key);
  const both = base.root === next.root ? base.storeUrl : `local?root=${join(dir, 'both')}`;
  if (base.root !== next.root)
    for (const one of [base, next])
      await command('copy', '--no-check-sigs', '--from', one.storeUrl, '--to', both, one.top);
  const push = ['push', '--deltas=1', '--from', both, ...(signed ? ['--key', key] : [])];
  await command(...push, `${cache}?compression=zstd&compression-level=1`, ...pushing(base));
  await command(...push, `${cache}?layout=deltas`, ...pushing(next));
  await command('copy', '--no-check-sigs', '--from', `file://${cache}`, '--to', store, base.top);
  await using server = await startNginx(cache);
  await command('copy', '--no-check-sigs', '--from', server.url, '--to', store, 'name:fnord');
  const log = server.log();
  const bytes = log.reduce((sum, line) => sum + Number(line.split(' ')[3]), 0);
  console.log(`  fetched from nginx, ${signed ? 'signed' : 'unsigned'}: ${bytes} bytes in ${log.length} answers`);
}

// --bootstrap: which end of a copy is to be given a narrow, and what is said of it.

import { realpathSync } from 'node:fs';
import { NarrowError } from '../errors.ts';
import type { OpenContext } from '../store/open-context.ts';
import { bootstrap } from '../transfer/bootstrap.ts';
import type { Context } from './context.ts';
import { count, formatBytes } from './output/human.ts';

interface Ends {
  readonly from?: readonly string[];
  readonly to: string;
  readonly bootstrap?: boolean;
  readonly checkSigs?: boolean;
  readonly dryRun?: boolean;
}

/** The same options, in which the host's URL names the narrow that was copied there. */
export async function bootstrapped<T extends Ends>(options: T, open: OpenContext, context: Context): Promise<T> {
  if (!options.bootstrap) return options;
  const { from = [], to, dryRun = false, checkSigs: checkSignatures = true } = options;
  const hosts = [...from, to].filter((url) => url.startsWith('ssh://'));
  const [host] = hosts;
  if (host === undefined || hosts.length > 1)
    throw new NarrowError('usage', '--bootstrap is for copies between this machine and one host: ssh://HOST');
  const program = realpathSync(process.argv[1]!);
  const { url, path, copy } = await bootstrap({ url: host, program, open, checkSignatures, dryRun });
  const { missing, narSize } = copy.plan;
  if (missing.length > 0) {
    const [verb, why] = dryRun ? ['would first get', ', and then deltas'] : ['got', ''];
    context.say(`${host} ${verb} ${path} (${count(missing.length, 'path')}, ${formatBytes(narSize)} of NARs)${why}`);
  }
  return { ...options, to: to === host ? url : to, from: options.from?.map((one) => (one === host ? url : one)) };
}

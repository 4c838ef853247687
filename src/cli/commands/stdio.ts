// narrow stdio: this machine's store for a narrow on another, over standard input and output. Started by ssh.

import type { Command } from 'commander';
import { NarrowError, isNarrowError } from '../../errors.ts';
import { serveNarrow } from '../../protocol/narrow/server.ts';
import { FarContext } from '../../store/narrow/far-context.ts';
import { farSide } from '../../store/narrow/far-side.ts';
import type { OpenContext } from '../../store/open-context.ts';
import { openStore, openWritable } from '../../store/open.ts';
import type { Store, WritableStore } from '../../store/store.ts';
import { standardStreams } from '../../transport/standard-streams.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { version } from '../version.ts';

interface StdioOptions {
  readonly store: string;
  readonly readOnly?: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .description(
      'Speak for a store of this machine with a narrow on another one. ssh starts it: `narrow copy --to ssh://HOST` runs ' +
        '`narrow stdio` there when it is on the PATH.',
    )
    .option('--store <url>', 'the store that is spoken for', 'auto')
    .option('--read-only', 'let nothing be added')
    .addHelpText('after', examples)
    .action((options: StdioOptions) => runStdio(options, context));
}

const examples = `
As a forced command of a key in ~/.ssh/authorized_keys, so that the key is good for nothing else:
  command="narrow stdio --read-only",restrict ssh-ed25519 AAAA…`;

async function runStdio(options: StdioOptions, context: Context): Promise<void> {
  if (process.stdin.isTTY)
    throw new NarrowError('usage', 'standard input is a terminal, and there another narrow is expected', {
      hint: 'ssh starts this command by itself: narrow copy --to ssh://HOST PATH',
    });
  const open = openContext(context);
  await using destination = options.readOnly ? undefined : await openWritable(options.store, open);
  await using store = await openReadable(options.store, open, destination);
  const { trustedKeys } = open;
  await using far = new FarContext({ store, destination, trustedKeys, signal: context.signal });
  await using client = standardStreams('the client');
  // it may be waiting for a request
  context.signal.addEventListener('abort', () => client.destroy(), { once: true });
  const greeting = { software: `narrow ${version()}`, storeDir: store.storeDir, features: [] };
  await serveNarrow(client, greeting, farSide(far));
}

/** Reading needs no daemon where the store lies open beside it; a store that is yet to be made is read as it is written. */
async function openReadable(url: string, open: OpenContext, destination: WritableStore | undefined): Promise<Store> {
  try {
    return await openStore(url, open);
  } catch (error) {
    if (destination && isNarrowError(error, 'missing')) return destination;
    throw error;
  }
}

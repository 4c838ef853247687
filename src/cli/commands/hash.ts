// narrow hash: hashes of files and trees, and one text form of a hash made another. As `nix hash`.

import type { Command } from 'commander';
import { hashOf } from '../../bytes/hash.ts';
import type { DigestName } from '../../bytes/hash.ts';
import { packNar } from '../../format/nar/pack.ts';
import { openInput } from '../../fs/input.ts';
import type { Hash } from '../../model/hash.ts';
import { parseHash } from '../../model/hash.ts';
import type { Context } from '../context.ts';
import type { HashFormatOptions } from '../hash-format.ts';
import { hashFormatOptions, hashFormatter, hashType, typeOption } from '../hash-format.ts';
import { treeArgument } from '../tree-argument.ts';

interface HashOptions extends HashFormatOptions {
  readonly hashAlgo?: string;
  readonly type?: string;
  readonly json?: boolean;
}

export function define(command: Command, context: Context): void {
  command.description('Hash files and trees, and convert hashes between their text forms.').addHelpText(
    'after',
    `
Examples:
  narrow hash file --base32 ./source.tar.gz
  narrow hash path ./source
  narrow hash convert --base16 sha256-qUiQTy8PR5uPgZdpSzAYSw0u0cHNKh7A+4XSmaGSpEc=
  narrow hash convert --hash-algo sha1 800d59cfcd3c05e900cb4e214be48f6b886a08df`,
  );
  const sub = (name: string, argument: string, description: string): Command =>
    hashFormatOptions(typeOption(command.command(name).description(description).argument(argument))).option(
      '--json',
      'print a JSON object: what was given -> hash',
    );
  sub('file', '<files...>', 'Hash the contents of files (sha256, if not told otherwise); - is standard input.').action(
    (files: string[], options: HashOptions) => printAll(files, fileHash, options, context),
  );
  sub('path', '<paths...>', 'Hash the NARs of files or directories (sha256, if not told otherwise).').action(
    (paths: string[], options: HashOptions) => printAll(paths, treeHash, options, context),
  );
  sub('convert', '<hashes...>', 'Print hashes in another form.').action((hashes: string[], options: HashOptions) =>
    printAll(hashes, convert, options, context),
  );
}

async function printAll(
  given: readonly string[],
  hash: (one: string, type: string | undefined, signal: AbortSignal) => Promise<Hash>,
  options: HashOptions,
  context: Context,
): Promise<void> {
  const format = hashFormatter(options);
  const printed: [string, string][] = [];
  for (const one of given) {
    context.signal.throwIfAborted();
    const text = format(await hash(one, options.hashAlgo ?? options.type, context.signal));
    if (options.json) printed.push([one, text]);
    else await context.out(text);
  }
  if (options.json) await context.out(JSON.stringify(Object.fromEntries(printed)));
}

async function fileHash(path: string, type = 'sha256', signal?: AbortSignal): Promise<Hash> {
  const algo: DigestName = hashType(type);
  await using input = await openInput(path, signal);
  return { algo, bytes: (await hashOf(input.read(), algo)).digest };
}

async function treeHash(path: string, type = 'sha256'): Promise<Hash> {
  const algo = hashType(type);
  return { algo, bytes: (await hashOf(packNar(treeArgument(path)), algo)).digest };
}

async function convert(text: string, type: string | undefined): Promise<Hash> {
  return parseHash(text, type === undefined ? undefined : hashType(type));
}

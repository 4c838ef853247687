// narrow nar: NARs made, unpacked, looked into and hashed.

import type { Command } from 'commander';
import { bytesFrom, displayBytes } from '../../bytes/byte-string.ts';
import type { ByteString } from '../../bytes/byte-string.ts';
import { hashing } from '../../bytes/hash.ts';
import { collect } from '../../bytes/source.ts';
import type { ByteSource } from '../../bytes/source.ts';
import { NarrowError } from '../../errors.ts';
import { decodeGuessed, guessEncoding } from '../../format/guess-encoding.ts';
import { catNar } from '../../format/nar/cat.ts';
import { listTree } from '../../format/nar/list-tree.ts';
import { formatListing } from '../../format/nar/listing-json.ts';
import { ListingBuilder, listedAt } from '../../format/nar/listing.ts';
import type { Listing } from '../../format/nar/listing.ts';
import { packNar } from '../../format/nar/pack.ts';
import { treePathText } from '../../format/nar/tree.ts';
import { noVisitor } from '../../format/nar/tree.ts';
import { readNar, unpackNar } from '../../format/nar/unpack.ts';
import { directorySink } from '../../fs/directory-sink.ts';
import { openInput } from '../../fs/input.ts';
import type { InputFile } from '../../fs/input.ts';
import { unpackFile } from '../../fs/unpack-file.ts';
import { expectNoTerminal, writeOut } from '../binary-out.ts';
import type { Context } from '../context.ts';
import { expectInput } from '../expect-input.ts';
import type { HashFormatOptions } from '../hash-format.ts';
import { hashFormatOptions, hashFormatter } from '../hash-format.ts';
import type { NarPlace, PlaceOptions } from '../nar-place.ts';
import { openPlace } from '../nar-place.ts';
import { listingLines } from '../output/listing.ts';
import { treeArgument } from '../tree-argument.ts';

interface ListOptions extends PlaceOptions {
  readonly long?: boolean;
  readonly recursive?: boolean;
  readonly json?: boolean;
}

interface HashOptions extends HashFormatOptions {
  readonly json?: boolean;
}

export function define(command: Command, context: Context): void {
  command.description('Pack, unpack, list, read and hash NARs, the archives that store paths travel in.');
  command
    .command('pack')
    .description('Write the NAR of a file or directory to standard output; a link (./result) is packed as a link.')
    .argument('<path>')
    .addHelpText('after', '\nExample:\n  narrow nar pack ./tree | zstd > tree.nar.zst')
    .action((path: string) => pack(path, context));
  compression(command.command('unpack'))
    .description('Make a file or directory from a NAR. Where one fails, nothing of it stays.')
    .argument('<path>', 'what is made; must not exist')
    .argument('[file]', 'the NAR (default: standard input)')
    .addHelpText('after', '\nExamples:\n  narrow nar unpack ./tree < tree.nar\n  narrow nar unpack ./tree tree.nar.zst')
    .action((path: string, file: string | undefined, options: PlaceOptions) => unpack(path, file, options, context));
  placeArguments(command.command('list'), 'List what is in a NAR or store path.')
    .option('-l, --long', 'modes, sizes and targets of links, too')
    .option('-R, --recursive', 'all the way down')
    .option('--json', 'print the listing that binary caches keep (HASH.ls): sizes, and where contents lie in the NAR')
    .addHelpText('after', listExamples)
    .action((place: string, path: string | undefined, options: ListOptions) => list(place, path, options, context));
  placeArguments(command.command('cat'), 'Write a file in a NAR or store path to standard output.')
    .addHelpText('after', catExamples)
    .action((place: string, path: string | undefined, options: PlaceOptions) => cat(place, path, options, context));
  hashFormatOptions(command.command('hash'))
    .description('Hash and size of a NAR: of a file or directory, or of the NAR on standard input (-).')
    .argument('<path>')
    .option('--json', 'print a JSON object with narHash and narSize')
    .addHelpText('after', '\nExamples:\n  narrow nar hash ./tree\n  xz -d < x.nar.xz | narrow nar hash --base32 -')
    .action((path: string, options: HashOptions) => hash(path, options, context));
}

function compression(command: Command): Command {
  return command.option('--compression <method>', 'of the NAR, where its first bytes do not tell');
}

function placeArguments(command: Command, description: string): Command {
  return compression(command)
    .description(description)
    .argument('<place>', 'a NAR (x.nar, x.nar.xz, - for standard input), a store path, or a file within one')
    .argument('[path]', 'a file or directory within')
    .option('--store <url>', 'look for the store path there (default: "auto")');
}

const listExamples = `
Examples:
  narrow nar list -lR ./result
  narrow nar list x.nar.xz /bin
  narrow nar list --json --store https://cache.example.org /nix/store/…-hello`;

const catExamples = `
Examples:
  narrow nar cat ./result/etc/os-release
  narrow nar cat x.nar.xz /share/doc/README`;

async function pack(path: string, { signal }: Context): Promise<void> {
  expectNoTerminal('a NAR', `narrow nar pack ${path} > x.nar`);
  await writeOut(({ buffers }) => packNar(treeArgument(path), [], buffers), signal);
}

async function unpack(
  path: string,
  file: string | undefined,
  { compression: encoding }: PlaceOptions,
  { signal }: Context,
): Promise<void> {
  expectInput(file, 'the NAR');
  await using input = await openInput(file, signal);
  const { name } = input;
  const sink = directorySink(path, { canonical: false });
  if (input.file && (encoding ?? (await fileEncoding(input.file, name))) === 'none')
    return await unpackFile({ ...input.file, name }, sink, signal);
  const nar = decodeGuessed(input.read(), { name, encoding, signal });
  await unpackNar(stoppable(nar, signal), sink, { name });
}

async function fileEncoding(file: InputFile, name: string): Promise<string> {
  return guessEncoding(await collect(file.range(0, 6)), name);
}

async function* stoppable(source: ByteSource, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    signal.throwIfAborted();
    yield chunk;
  }
}

async function list(text: string, inner: string | undefined, options: ListOptions, context: Context): Promise<void> {
  await using place = await openPlace(text, inner, options, context);
  const node = listedAt(await listingOf(place), place.path);
  if (!node) throw absent(place);
  if (options.json) return await context.write(formatListing(node));
  const lines: string[] = [];
  for (const line of listingLines(node, place.path.at(-1) ?? ('.' as ByteString), options)) lines.push(line);
  // names are bytes; only a terminal is spared what it would act upon
  if (process.stdout.isTTY) for (const line of lines) await context.out(displayBytes(line as ByteString));
  else if (lines.length > 0) await context.write(bytesFrom(`${lines.join('\n')}\n` as ByteString));
}

async function listingOf(place: NarPlace): Promise<Listing> {
  if (place.tree) return listTree(place.tree);
  const builder = new ListingBuilder();
  await readNar(place.nar(), builder, { name: place.name });
  return builder.root!;
}

async function cat(text: string, inner: string | undefined, options: PlaceOptions, context: Context): Promise<void> {
  await using place = await openPlace(text, inner, options, context);
  const { tree, path } = place;
  if (!tree) {
    await writeOut(() => catNar(place.nar(), path, place.name), context.signal);
    return;
  }
  const stat = await tree.stat(path);
  if (!stat) throw absent(place);
  if (stat.type !== 'regular') {
    const what = stat.type === 'symlink' ? `a link to ${displayBytes(stat.target)}` : 'a directory';
    throw new NarrowError('missing', `${treePathText(path)} in ${place.name} is ${what}, no regular file`);
  }
  await writeOut(() => tree.read(path), context.signal);
}

function absent({ name, path }: NarPlace): NarrowError {
  return new NarrowError('missing', `there is no ${treePathText(path)} in ${name}`, { data: { in: name } });
}

async function hash(path: string, options: HashOptions, context: Context): Promise<void> {
  const format = hashFormatter(options);
  await using input = path === '-' ? await openInput('-', context.signal) : undefined;
  const nar = hashing(input ? decodeGuessed(input.read(), { name: input.name }) : packNar(treeArgument(path)));
  // what is hashed is a NAR and nothing but one
  await readNar(stoppable(nar, context.signal), noVisitor, { name: input?.name ?? path });
  const narHash = format({ algo: 'sha256', bytes: nar.digest() });
  await context.out(options.json ? JSON.stringify({ narHash, narSize: nar.size }) : narHash);
}

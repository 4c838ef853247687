// narrow import: export streams and plain NARs become store paths.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import { counted } from '../../bytes/count.ts';
import { collect } from '../../bytes/source.ts';
import type { ByteSource } from '../../bytes/source.ts';
import { NarrowError, ioError, isNarrowError } from '../../errors.ts';
import type { ExportInfo } from '../../format/export-stream.ts';
import { decodeGuessed, guessEncoding } from '../../format/guess-encoding.ts';
import { openInput } from '../../fs/input.ts';
import type { Input } from '../../fs/input.ts';
import { Spool } from '../../fs/spool.ts';
import { sortedUnique } from '../../model/path-info.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { RandomBytes } from '../../store/export-file.ts';
import { openWritable, stateDirectory } from '../../store/open.ts';
import type { OpenContext } from '../../store/open-context.ts';
import type { WritableStore } from '../../store/store.ts';
import type { CopyResult } from '../../transfer/copy.ts';
import { importObjects } from '../../transfer/import.ts';
import type { Evidence } from '../../transfer/import.ts';
import { scanExport, scanNar } from '../../store/export-scan.ts';
import type { ScannedObject } from '../../store/export-scan.ts';
import type { Context, TrustOptions } from '../context.ts';
import { openContext } from '../context.ts';
import { evidenceFor } from '../evidence.ts';
import type { EvidenceOptions } from '../evidence.ts';
import { expectInput } from '../expect-input.ts';
import { resolveStorePath } from '../installable.ts';
import { repeat, storeOption, trustOptions } from '../options.ts';
import { count, formatBytes } from '../output/human.ts';
import { startProgress } from '../output/progress.ts';
import type { Progress } from '../output/progress.ts';
import { planLines } from '../output/plan.ts';

interface ImportOptions extends TrustOptions, EvidenceOptions {
  readonly store: string;
  /** As in copy: understood, not shown. */
  readonly to?: string;
  readonly path?: string;
  readonly reference?: readonly string[];
  readonly deriver?: string;
  readonly compression?: string;
  readonly spool: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .description(
      'Add the paths of an export stream, or one path from its NAR. Prints them. All that is missing is told before ' +
        'anything is written; a pipe is put aside on disk for that.',
    )
    .argument('[file]', 'an export stream or a NAR, also compressed (default: standard input)');
  storeOption(command)
    .addOption(new Option('--to <url>').hideHelp())
    .option('--path <path>', 'the input is the NAR of this store path')
    .option('--reference <path>', 'with --path: a path it refers to (repeatable)', repeat)
    .option('--deriver <path>', 'with --path: the derivation that made it')
    .option('--path-info <file>', 'take signatures and content addresses from FILE (see narrow export)')
    .option('--sigs-from <url>', 'take signatures from this store, where it has the same contents')
    .option('--compression <method>', 'of the input, where its first bytes do not tell')
    .option('--no-spool', 'from a pipe: path by path, stopping at the first that cannot be added');
  trustOptions(command)
    .option('--dry-run', 'show what would be imported and stop')
    .option('--json', 'print the result as one JSON object')
    .addHelpText('after', examples)
    .action((file: string | undefined, options: ImportOptions) => runImport(file, options, context));
}

const examples = `
Examples:
  narrow import --store 'local?root=/mnt' system.export
  ssh host nix-store --export /nix/store/…-hello | narrow import --no-check-sigs
  narrow import --sigs-from https://cache.nixos.org system.export.zst
  narrow import --path /nix/store/…-hello --reference /nix/store/…-glibc hello.nar`;

/** What all ways to import share. */
interface Job {
  readonly context: Context;
  readonly options: ImportOptions;
  readonly destination: WritableStore;
  readonly open: OpenContext;
  readonly evidence: readonly Evidence[];
  readonly progress: Progress;
}

async function runImport(file: string | undefined, options: ImportOptions, context: Context): Promise<void> {
  const open = openContext(context, options);
  expectPath(options);
  expectInput(file, 'an export stream');
  await using stack = new AsyncDisposableStack();
  const input = stack.use(await openInput(file, context.signal));
  const destination = stack.use(await openWritable(options.to ?? options.store, open));
  const evidence = await evidenceFor(options, destination, open, stack, context);
  const progress = startProgress(context);
  stack.defer(() => progress.stop());
  const job: Job = { context, options, destination, open, evidence, progress };
  const started = performance.now();
  const results = await importInput(job, input);
  progress.stop();
  await print(job, results, (performance.now() - started) / 1000);
}

function expectPath({ path, reference, deriver }: ImportOptions): void {
  if (path !== undefined || (reference === undefined && deriver === undefined)) return;
  throw new NarrowError('usage', '--reference and --deriver are for a plain NAR, which needs --path', {
    hint: 'export streams say these things themselves',
  });
}

interface Result {
  readonly paths: readonly StorePath[];
  readonly copy: CopyResult;
}

async function importInput(job: Job, input: Input): Promise<Result[]> {
  const { options, context } = job;
  const encoding = options.compression ?? (input.file ? await fileEncoding(input) : undefined);
  if (input.file && encoding === 'none') {
    const { range, path } = input.file;
    return [await importAll(job, { name: input.name, range, path }, input.read(), undefined)];
  }
  const decoded = decodeGuessed(input.read(), { name: input.name, encoding, signal: context.signal });
  if (!options.spool && options.path === undefined) return importOneByOne(job, input.name, decoded);
  await using spool = await newSpool();
  const bytes = { name: input.name, range: (offset: number, length: number) => spool.read(offset, length) };
  return [await importAll(job, bytes, decoded, spool)];
}

async function fileEncoding(input: Input): Promise<string> {
  const head = await collect(input.file!.range(0, 6));
  return guessEncoding(head, input.name);
}

/** In the state directory: /tmp may be small, or memory. */
async function newSpool(): Promise<Spool> {
  const directory = join(stateDirectory(), 'spool');
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw ioError('create', directory, error);
  }
  return new Spool(directory);
}

/** Reads all of `stream`, which goes to `spool` unless `bytes` are there already, and imports it. */
async function importAll(job: Job, bytes: RandomBytes, stream: ByteSource, spool: Spool | undefined): Promise<Result> {
  const { destination, options, context, progress } = job;
  progress.event({ type: 'phase', text: `reading ${bytes.name}` });
  const source = counted(spool ? kept(stream, spool) : stream, (count) => progress.read(count));
  const scan = { storeDir: destination.storeDir, name: bytes.name, signal: context.signal };
  const objects: ScannedObject[] = [];
  try {
    if (options.path !== undefined) objects.push(await scanNar(source, await namedInfo(job, options.path), scan));
    else for await (const object of scanExport(source, scan)) objects.push(object);
  } catch (error) {
    throw explained(error, options);
  }
  return importScanned(job, bytes, objects);
}

/** What fails at its first byte is another kind of file. */
function explained(error: unknown, { path }: ImportOptions): unknown {
  if (!isNarrowError(error, 'format') || error.data['offset'] !== 0) return error;
  const hint =
    path === undefined
      ? 'is it an export stream, as narrow export and nix-store --export write? a NAR needs --path'
      : 'is it a NAR, as narrow nar pack and nix-store --dump write? an export stream goes without --path';
  return new NarrowError('format', error.message, { cause: error, hint, data: error.data });
}

async function* kept(stream: ByteSource, spool: Spool): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of stream) {
    await spool.write(chunk);
    yield chunk;
  }
}

async function importOneByOne(job: Job, name: string, stream: ByteSource): Promise<Result[]> {
  const { destination, context } = job;
  const results: Result[] = [];
  let spool = await newSpool();
  try {
    const onNar = (chunk: Uint8Array): Promise<void> => spool.write(chunk);
    const scan = { storeDir: destination.storeDir, name, signal: context.signal, onNar };
    for await (const object of scanExport(stream, scan)) {
      const bytes = { name, range: (offset: number, length: number) => spool.read(offset, length) };
      results.push(await importScanned(job, bytes, [{ ...object, offset: 0 }]));
      await spool[Symbol.asyncDispose]();
      spool = await newSpool();
    }
  } finally {
    await spool[Symbol.asyncDispose]();
  }
  return results;
}

async function importScanned(job: Job, bytes: RandomBytes, objects: readonly ScannedObject[]): Promise<Result> {
  const { context, options, destination, open, evidence, progress } = job;
  const copy = await importObjects({
    destination,
    bytes,
    objects,
    evidence,
    trustedKeys: open.trustedKeys,
    checkSignatures: options.checkSigs ?? true,
    dryRun: options.dryRun ?? false,
    signal: context.signal,
    onEvent(event) {
      progress.event(event);
      if (event.type !== 'plan' || options.json || !options.spool) return;
      const source = { url: bytes.name, storeDir: destination.storeDir };
      for (const line of planLines(event.plan, source, destination, options.dryRun ?? false)) context.say(line);
    },
  });
  return { paths: [...new Set(objects.map((object) => object.info.path))], copy };
}

/** What a plain NAR does not say: from the command line, else from the file of path infos. */
async function namedInfo({ options, destination, evidence }: Job, text: string): Promise<ExportInfo> {
  const read = (path: string): StorePath => resolveStorePath(destination.storeDir, path);
  const path = read(text);
  if (options.reference === undefined)
    for (const ask of evidence) {
      const known = (await ask([path])).get(path);
      if (known) return { path, references: known.references, deriver: known.deriver };
    }
  const deriver = options.deriver === undefined ? undefined : read(options.deriver);
  return { path, references: sortedUnique((options.reference ?? []).map(read)), deriver };
}

async function print(
  { context, options, destination }: Job,
  results: readonly Result[],
  seconds: number,
): Promise<void> {
  const full = (path: StorePath): string => printStorePath(destination.storeDir, path);
  const differs = results.flatMap(({ copy }) => copy.plan.differs);
  const refusals = results.flatMap(({ copy }) => copy.plan.refused);
  const other = new Map([
    ...differs.map(({ path }) => [path, 'differs'] as const),
    ...refusals.map(({ path }) => [path, 'refused'] as const),
  ]);
  const outcomes = results.flatMap(({ copy }) => copy.outcomes);
  const added = new Set(outcomes.filter((o) => o.status === 'added').map((o) => o.path));
  const missing = new Set(results.flatMap(({ copy }) => copy.plan.missing.map((info) => info.path)));
  const status = (path: StorePath): string =>
    other.get(path) ?? (added.has(path) ? 'added' : options.dryRun && missing.has(path) ? 'missing' : 'valid');
  const paths = results.flatMap((result) => result.paths);
  if (other.size > 0) context.status = 3;
  if (options.json) {
    const rows = paths.map((path) => ({ path: full(path), status: status(path) }));
    return context.out(JSON.stringify({ dryRun: options.dryRun ?? false, paths: rows }));
  }
  if (options.dryRun) return;
  for (const path of paths) if (!other.has(path)) await context.out(full(path));
  const bytes = outcomes.reduce((sum, outcome) => sum + outcome.bytes, 0);
  const there = paths.length - added.size;
  context.say(
    `imported ${count(added.size, 'path')}, ${formatBytes(bytes)} in ${seconds.toFixed(1)} s; ${there} there already`,
  );
}

// narrow bundle show and apply of files that others write.

import { applyCarried, topsOfInfos } from '../../bundle/apply-carried.ts';
import { neededByInfos } from '../../bundle/brought.ts';
import { NarrowError } from '../../errors.ts';
import { defaultStoreDir, printStorePath } from '../../model/store-path.ts';
import type { StorePath } from '../../model/store-path.ts';
import { kindOfFile } from '../../store/bundle/carried-bytes.ts';
import { kindNames, openCarried } from '../../store/bundle/carried-store.ts';
import type { Carried } from '../../store/bundle/carried-store.ts';
import type { WritableStore } from '../../store/store.ts';
import type { CopyResult } from '../../transfer/copy.ts';
import type { OnEvent } from '../../transfer/events.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { count, formatBytes, formatTable } from '../output/human.ts';

/** True for files that others write. Throws `usage` when they are mixed with bundles, whose order would not be kept. */
export async function areCarried(files: readonly string[], signal: AbortSignal): Promise<boolean> {
  const foreign: string[] = [];
  for (const file of files) {
    const kind = await kindOfFile(file, signal).catch(() => undefined);
    if (kind !== undefined && kind !== 'bundle') foreign.push(file);
  }
  if (foreign.length === 0 || foreign.length === files.length) return foreign.length > 0;
  throw new NarrowError('usage', `${foreign.join(', ')} cannot be named together with bundles`, {
    hint: 'one command for each kind of file',
  });
}

/** Throws `usage` unless there is one. */
export function onlyFile(files: readonly string[]): string {
  const [file] = files;
  if (file === undefined || files.length > 1) throw new NarrowError('usage', 'name one file');
  return file;
}

interface ShowOptions {
  readonly paths?: boolean;
  readonly json?: boolean;
}

export async function showCarried(files: readonly string[], options: ShowOptions, context: Context): Promise<void> {
  const file = onlyFile(files);
  const storeDir = process.env['NIX_STORE_DIR'] || defaultStoreDir;
  await using carried = await openCarried(file, { storeDir, warn: openContext(context).warn, signal: context.signal });
  const { infos, kind, store } = carried;
  const { encoding, fileSize } = carried.bytes;
  const full = (path: StorePath): string => printStorePath(store.storeDir, path);
  const narSize = [...infos.values()].reduce((sum, info) => sum + info.narSize, 0);
  const keys = keyNames(carried);
  const needs = neededByInfos(infos);
  if (options.json)
    return await context.out(
      JSON.stringify({
        kind,
        compression: encoding,
        storeDir: store.storeDir,
        roots: topsOfInfos(infos).map(full),
        size: fileSize,
        narSize,
        paths: [...infos.values()].map((info) => ({ path: full(info.path), narSize: info.narSize })),
        needs: needs.map(full),
        keys,
      }),
    );
  const packed = encoding === 'none' ? '' : `, compressed by ${encoding}`;
  const lines: [string, string][] = [
    ['File', `${kindNames[kind]}${packed}, ${formatBytes(fileSize)}`],
    [
      'Roots',
      topsOfInfos(infos)
        .map((root) => `\n  ${full(root)}`)
        .join(''),
    ],
    ['Brings', `${count(infos.size, 'path')}, ${formatBytes(narSize)} of NARs`],
    ['Needs', `${count(needs.length, 'path')} to be there`],
    ['Keys of paths', keys.join(', ') || 'none'],
  ];
  for (const [name, value] of lines) await context.out(`${name}:${value.startsWith('\n') ? '' : ' '}${value}`);
  if (!options.paths) return;
  const rows = [
    ...needs.map((path) => ['needed', '', full(path)]),
    ...[...infos.values()].map((info) => ['full', formatBytes(info.narSize), full(info.path)]),
  ];
  for (const line of formatTable(rows, [false, true])) await context.out(line);
}

function keyNames({ infos }: Carried): string[] {
  const names = [...infos.values()].flatMap(({ signatures }) =>
    signatures.map((one) => one.slice(0, one.indexOf(':'))),
  );
  return [...new Set(names)].sort();
}

export interface ApplyCarriedOptions {
  readonly destination: WritableStore;
  readonly checkSignatures: boolean;
  readonly dryRun: boolean;
  /** From the roots of the last file, what is done when everything is there. */
  readonly finish: (roots: readonly StorePath[]) => (() => Promise<void>) | undefined;
  readonly onEvent: OnEvent;
}

export interface AppliedCarried {
  readonly results: readonly CopyResult[];
  readonly roots: readonly StorePath[];
}

/** One after the other. */
export async function applyCarriedFiles(
  files: readonly string[],
  { destination, checkSignatures, dryRun, finish, onEvent }: ApplyCarriedOptions,
  context: Context,
): Promise<AppliedCarried> {
  const { storeDir } = destination;
  const { signal } = context;
  const results: CopyResult[] = [];
  const roots: StorePath[] = [];
  for (const [index, file] of files.entries()) {
    onEvent({ type: 'phase', text: `reading ${file}` });
    const options = { storeDir, prove: checkSignatures, warn: openContext(context).warn, signal };
    await using carried = await openCarried(file, options);
    const tops = topsOfInfos(carried.infos);
    const last = index === files.length - 1 ? finish(tops) : undefined;
    results.push(await applyCarried({ carried, destination, checkSignatures, dryRun, finish: last, onEvent, signal }));
    roots.push(...tops);
  }
  return { results, roots };
}

// What a delta costs, as a table in the manner of `git diff --stat`: the dearest first, with bars.

import { displayBytes } from '../../bytes/byte-string.ts';
import type { PathCause } from '../../delta/report.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { Explanation, FileCost, FileRoute } from '../../store/narrow/explaining.ts';
import { causes } from './deltas.ts';
import { count, formatBytes, formatTable } from './human.ts';

const barWidth = 24;
const widestName = 64;
/** Less is nothing. */
const least = 0.5;

const routes: Readonly<Record<FileRoute, string>> = {
  equal: 'equal once hashes are replaced',
  moved: 'is in the old path under another name',
  similar: 'made from a similar file',
  recompressed: 'opened, made from a similar file, and packed again',
  fresh: 'sent whole',
};

/** Also those that cost nothing, if `all`. */
export function pathLines({ paths, size }: Explanation, all = false): string[] {
  const shown = paths
    .filter(({ report }) => all || report.bytes >= least)
    .sort((a, b) => b.report.bytes - a.report.bytes);
  const most = shown[0]?.report.bytes ?? 0;
  const rows = shown.map(({ info, bases, report: { bytes, cause, files } }) => [
    shortened(info.path),
    formatBytes(bytes),
    bar(bytes, most),
    `${causes[cause]}${countsText(files)}${bases.length === 0 ? '' : `; from ${bases[0]}`}`,
  ]);
  const same = paths.filter(({ report }) => report.cause === 'same').length;
  const nars = paths.reduce((sum, { info }) => sum + info.narSize, 0);
  const summary = `${count(paths.length, 'path')} of ${formatBytes(nars)} in ${formatBytes(size)}; in ${same} nothing changed but hashes`;
  return [...table(rows), paths.length === 0 ? 'nothing to send: the old closure has all of it' : summary];
}

/** Also those that cost nothing, if `all`. */
export function fileLines({ paths, size }: Explanation, files: readonly FileCost[], all = false): string[] {
  const shown = files.filter(({ route }) => all || route !== 'equal').sort((a, b) => b.bytes - a.bytes);
  const most = shown[0]?.bytes ?? 0;
  const rows = shown.map(({ path, bytes, route, cause }) => [
    shortened(nameOf(path)),
    formatBytes(bytes),
    bar(bytes, most),
    `${routes[route]}${kindText(cause)}`,
  ]);
  const by = Map.groupBy(files, ({ route }) => route);
  const counts = (Object.keys(routes) as FileRoute[]).map((route) => `${by.get(route)?.length ?? 0} ${route}`);
  const [{ info, report }] = paths as [Explanation['paths'][number]];
  const what = report.cause === 'same' ? causes.same : counts.join(', ');
  return [...table(rows), `${info.path}: ${formatBytes(info.narSize)} in ${formatBytes(size)}; ${what}`];
}

function table(rows: readonly (readonly string[])[]): string[] {
  return formatTable(rows, [false, true]).map((line) => ` ${line.trimEnd()}`);
}

/** The end of a name is what tells it from others. */
function shortened(name: string): string {
  return name.length <= widestName ? name : `…${name.slice(1 - widestName)}`;
}

function bar(bytes: number, most: number): string {
  if (bytes < least) return '';
  return '+'.repeat(Math.max(1, Math.round((bytes / most) * barWidth)));
}

function nameOf(path: FileCost['path']): string {
  return path.length === 0 ? '.' : path.map(displayBytes).join('/');
}

function countsText(files: Explanation['paths'][number]['report']['files']): string {
  const told = (['moved', 'similar', 'recompressed', 'fresh'] as const).filter((route) => files[route] > 0);
  return told.length === 0 ? '' : ` (${told.map((route) => `${files[route]} ${route}`).join(', ')})`;
}

function kindText(cause: PathCause): string {
  return cause === 'code' ? ', a program or library' : cause === 'compressed' ? ', compressed' : '';
}

/** The same as plain values. */
export function explainJson(
  { paths, size }: Explanation,
  files: readonly FileCost[] | undefined,
  full: (path: StorePath) => string,
): Record<string, unknown> {
  return {
    size,
    paths: paths.map(({ info, bases, report }) => ({
      path: full(info.path),
      narSize: info.narSize,
      bases: bases.map(full),
      bytes: Math.round(report.bytes),
      cause: report.cause,
      files: report.files,
    })),
    files: files?.map(({ path, size: fileSize, route, bytes, cause }) => ({
      path: nameOf(path),
      size: fileSize,
      route,
      bytes: Math.round(bytes),
      cause,
    })),
  };
}

// How many bytes does a real security update cost? Packages of Debian 12 in the two newest versions that its mirrors have:
// each tree as one path, the delta against nar.xz and against bsdiff of the changed files (where bsdiff is installed).

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packingTools } from '../src/delta/recompress/member.ts';
import { decodeDelta, encodeDelta } from '../src/delta/stream.ts';
import type { PathReport } from '../src/delta/stream.ts';
import { packNar } from '../src/format/nar/pack.ts';
import { localTree } from '../src/fs/tree.ts';
import { labDir } from '../test/lab/temp.ts';

interface Pair {
  readonly name: string;
  readonly versions: readonly [string, string];
  readonly old: string;
  readonly fresh: string;
}

const list = process.env['PACKAGES']?.split(' ') ?? readList();
const level = process.env['LEVEL'] === 'fast' ? 'fast' : 'best';

export async function run(): Promise<void> {
  console.log(`\nsecurity updates of Debian packages, level ${level}: bytes, and how many times fewer than nar.xz`);
  const sums = { xz: 0, bsdiff: 0, delta: 0, fewXz: 0, fewDelta: 0 };
  for (const name of list) {
    const pair = fetchPair(name);
    if (!pair) {
      console.log(`  ${name}: the mirror has only one version`);
      continue;
    }
    const { bytes, seconds, report } = await measure(pair);
    const xz = Number(execFileSync('sh', ['-c', `${narDump(pair.fresh)} | xz -6 -T1 | wc -c`], { encoding: 'utf8' }));
    const bsdiff = bsdiffSize(pair);
    sums.xz += xz;
    sums.bsdiff += bsdiff ?? 0;
    sums.delta += bytes;
    if (!/^(postgresql|openjdk)/.test(name)) {
      sums.fewXz += xz;
      sums.fewDelta += bytes;
    }
    console.log(
      `  ${name.padEnd(24)} ${pair.versions.join(' -> ').padEnd(56)} nar.xz ${xz}  bsdiff ${bsdiff ?? '–'}  narrow ${bytes}  ` +
        `${(xz / bytes).toFixed(1)}×  ${seconds.toFixed(1)} s  ${report.cause}`,
    );
  }
  console.log(
    `  sum: nar.xz ${sums.xz}, bsdiff ${sums.bsdiff}, narrow ${sums.delta}: ${(sums.xz / sums.delta).toFixed(1)}×; ` +
      `without postgresql and openjdk ${(sums.fewXz / sums.fewDelta).toFixed(1)}×`,
  );
}

function readList(): string[] {
  return JSON.parse(readFileSync(new URL('updates.json', import.meta.url), 'utf8')) as string[];
}

async function measure({ name, old, fresh }: Pair): Promise<{ bytes: number; seconds: number; report: PathReport }> {
  const started = performance.now();
  const chunks: Uint8Array[] = [];
  let report: PathReport | undefined;
  const item = { name, fresh: localTree(fresh), bases: [localTree(old)] };
  const options = { level, tools: new Set(packingTools()), onPath: (told: PathReport) => (report = told) } as const;
  for await (const chunk of encodeDelta([item], options)) chunks.push(chunk);
  const seconds = (performance.now() - started) / 1000;
  await expectSame({ name, old, fresh }, chunks);
  return { bytes: chunks.reduce((sum, chunk) => sum + chunk.length, 0), seconds, report: report! };
}

/** Throws unless the delta makes exactly the new tree. */
async function expectSame(
  { name, old, fresh }: Pick<Pair, 'name' | 'old' | 'fresh'>,
  chunks: readonly Uint8Array[],
): Promise<void> {
  const parts: Buffer[] = [];
  // chunks are borrowed
  for await (const chunk of packNar(localTree(fresh))) parts.push(Buffer.from(chunk));
  const wanted = Buffer.concat(parts);
  for await (const { nar } of decodeDelta(chunks, [{ name, bases: [localTree(old)], narSize: wanted.length }])) {
    let at = 0;
    for await (const chunk of nar) {
      if (!wanted.subarray(at, at + chunk.length).equals(chunk)) throw new Error(`${name}: differs near ${at}`);
      at += chunk.length;
    }
  }
}

const narDump = (tree: string): string => `${new URL('../narrow', import.meta.url).pathname} nar pack ${tree}`;

/** The two newest versions, fetched once and unpacked below .build. */
function fetchPair(name: string): Pair | undefined {
  const dir = join(labDir, 'updates', name);
  const table = execFileSync('apt-cache', ['madison', name], { encoding: 'utf8' });
  const versions = [...new Set(table.split('\n').map((line) => line.split('|')[1]?.trim() ?? ''))].filter(Boolean);
  versions.sort((a, b) => (olderThan(a, b) ? -1 : 1));
  const [old, fresh] = versions.slice(-2);
  if (old === undefined || fresh === undefined) return undefined;
  return { name, versions: [old, fresh], old: unpacked(dir, name, old), fresh: unpacked(dir, name, fresh) };
}

function olderThan(a: string, b: string): boolean {
  try {
    execFileSync('dpkg', ['--compare-versions', a, 'lt', b]);
    return true;
  } catch {
    return false;
  }
}

function unpacked(dir: string, name: string, version: string): string {
  const tree = join(dir, version.replaceAll(/[^\w.+~-]/g, '_'));
  if (existsSync(tree)) return tree;
  const part = `${tree}.part`;
  rmSync(part, { recursive: true, force: true });
  mkdirSync(join(part, 'tree'), { recursive: true });
  execFileSync('apt-get', ['download', '-q', `${name}=${version}`], { cwd: part, stdio: 'ignore' });
  const deb = readdirSync(part).find((file) => file.endsWith('.deb'))!;
  execFileSync('dpkg-deb', ['-x', join(part, deb), join(part, 'tree')]);
  renameSync(join(part, 'tree'), tree);
  rmSync(part, { recursive: true, force: true });
  return tree;
}

/** Sum over the files that differ, of bsdiff's patches; undefined where there is no bsdiff. */
function bsdiffSize({ old, fresh }: Pair): number | undefined {
  try {
    execFileSync('sh', ['-c', 'command -v bsdiff']);
  } catch {
    return undefined;
  }
  // bsdiff cannot map an empty file
  const nothing = join(labDir, 'updates', 'nothing');
  writeFileSync(nothing, '\n');
  let size = 0;
  const digitless = new Map(files(old).map((file) => [file.replaceAll(/\d+/g, ''), file]));
  for (const file of files(fresh)) {
    const partner = digitless.get(file.replaceAll(/\d+/g, ''));
    const from = partner === undefined ? nothing : join(old, partner);
    if (partner !== undefined && readFileSync(from).equals(readFileSync(join(fresh, file)))) continue;
    const patch = join(labDir, 'updates', 'patch');
    execFileSync('bsdiff', [from, join(fresh, file), patch]);
    size += statSync(patch).size;
  }
  return size;
}

function files(tree: string): string[] {
  return readdirSync(tree, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(tree.length + 1));
}

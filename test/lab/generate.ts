// Synthetic stores of any size, written without a build: thousands of paths in seconds, for graphs and many-path work.
// Same options, same bytes. An own packer of NARs in twenty lines stands apart from the one under test.
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nix } from './nix.ts';

export interface GenerateOptions {
  /** Number of store paths. */
  readonly paths: number;
  /** Other seeds give other hashes in the names, as a mass rebuild does, but the same files. */
  readonly seed?: string | undefined;
  /** At most so many references a path, to earlier ones; default 6. */
  readonly references?: number | undefined;
  /** Bytes of each path's one large file; default 200. */
  readonly bytes?: number | undefined;
  /** Only rows in the database, no files: for queries over 100,000 paths. */
  readonly databaseOnly?: boolean | undefined;
}

const alphabet = '0123456789abcdfghijklmnpqrsvwxyz';

/** 32 letters of Nix's base32 made of a text; not how Nix makes them, but as good for a name. */
function hashPart(text: string): string {
  const digest = createHash('sha256').update(text).digest();
  return Array.from(digest, (byte) => alphabet[byte & 31]).join('');
}

function string(value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value as string);
  const framed = Buffer.alloc(8 + Math.ceil(bytes.length / 8) * 8);
  framed.writeBigUInt64LE(BigInt(bytes.length));
  framed.set(bytes, 8);
  return framed;
}

const words = (...values: (string | Uint8Array)[]): Buffer => Buffer.concat(values.map(string));

type Files = readonly (readonly [name: string, contents: Buffer])[];

/** The NAR of a directory of plain files, which are sorted by name. */
function narOf(files: Files): Buffer {
  const entries = files.map(([name, contents]) =>
    words('entry', '(', 'name', name, 'node', '(', 'type', 'regular', 'contents', contents, ')', ')'),
  );
  return Buffer.concat([words('nix-archive-1', '(', 'type', 'directory'), ...entries, words(')')]);
}

/** A random number generator that every run repeats. */
function dice(seed: string): (below: number) => number {
  let state = createHash('sha256').update(seed).digest().readUInt32LE() | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

function noise(bytes: number, random: (below: number) => number): Buffer {
  const buffer = Buffer.alloc(bytes);
  for (let i = 0; i + 4 <= bytes; i += 4) buffer.writeUInt32LE(random(2 ** 32), i);
  return buffer;
}

function writeFiles(root: string, path: string, files: Files): void {
  const dir = join(root, path);
  mkdirSync(dir);
  for (const [name, contents] of files) {
    writeFileSync(join(dir, name), contents, { mode: 0o444 });
    utimesSync(join(dir, name), 1, 1);
  }
  chmodSync(dir, 0o555);
  utimesSync(dir, 1, 1);
}

/** Fills a new store below `root` and registers all of it through Nix 2.8. Returns the paths; the last ones are the tops. */
export async function generate(root: string, options: GenerateOptions): Promise<string[]> {
  const random = dice('shape');
  const seed = options.seed ?? '1';
  const paths: string[] = [];
  let registrations = '';
  mkdirSync(join(root, 'nix/store'), { recursive: true });
  for (let i = 0; i < options.paths; i++) {
    const path = `/nix/store/${hashPart(`${seed} ${i}`)}-package-${i % 97}-${(i % 5) + 1}.${i % 3}`;
    const references = new Set<string>();
    const wanted = random((options.references ?? 6) + 1);
    // mostly neighbours, and always some of the first few, which stand for libc
    for (let n = 0; n < wanted && i > 0; n++) {
      references.add(paths[n < 2 ? random(Math.min(i, 8)) : i - 1 - random(Math.min(i, 200))] as string);
    }
    const needs = Buffer.from([...references, ''].join('\n'));
    const files: Files = [
      ['data', noise(options.bytes ?? 200, random)],
      ['needs', needs],
    ];
    const nar = narOf(files);
    if (options.databaseOnly !== true) writeFiles(root, path, files);
    const hash = createHash('sha256').update(nar).digest('hex');
    registrations += `${path}\n${hash}\n${nar.length}\n\n${references.size}\n${[...references].map((r) => `${r}\n`).join('')}`;
    paths.push(path);
  }
  await nix('2.8').run('nix-store', ['--load-db'], { store: root, input: registrations });
  return paths;
}

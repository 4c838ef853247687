// NARs that are broken or hostile in one way each. Whoever follows one of the hostile paths writes a file whose name has
// `escaped` in it: look for those afterwards.
import { flipped, Raw, string, strings, u64 } from './broken.ts';
import type { BrokenBytes, Part } from './broken.ts';

export const regular = (contents: Part, ...before: Part[]): Raw =>
  strings('(', 'type', 'regular', ...before, 'contents', contents, ')');
export const symlink = (target: Part): Raw => strings('(', 'type', 'symlink', 'target', target, ')');
export const entry = (name: Part, node: Raw): Raw => strings('entry', '(', 'name', name, 'node', node, ')');
export const directory = (...entries: Raw[]): Raw => strings('(', 'type', 'directory', ...entries, ')');
export const nar = (node: Raw): Buffer => strings('nix-archive-1', node).bytes;

const file = regular('hello\n');
const partly = (...parts: Part[]): Buffer => strings('nix-archive-1', ...parts).bytes;
/** A length without the bytes it promises. */
const length = (value: bigint | number): Raw => new Raw(u64(value));
const hello = new Raw(Buffer.from('hello'));

function nested(depth: number): Buffer {
  const open = strings('(', 'type', 'directory', 'entry', '(', 'name', 'd', 'node').bytes;
  const parts = [string('nix-archive-1'), ...Array<Buffer>(depth).fill(open), file.bytes];
  return Buffer.concat([...parts, ...Array<Buffer>(depth).fill(strings(')', ')').bytes)]);
}

function badPadding(): Buffer {
  const bytes = nar(file);
  return flipped(bytes, bytes.indexOf('hello\n') + 6);
}

type Row = readonly [name: string, why: string, bytes: () => Buffer, nixAccepts?: true];

const names: readonly Row[] = [
  ['dotdot', "an entry '..'", () => nar(directory(entry('..', directory(entry('escaped', file)))))],
  ['dot', "an entry '.'", () => nar(directory(entry('.', file)))],
  ['slash', "a name with '/'", () => nar(directory(entry('../escaped', file)))],
  ['absolute', 'an absolute name', () => nar(directory(entry('/tmp/escaped', file)))],
  ['empty-name', 'an empty name', () => nar(directory(entry('', file)))],
  ['nul-name', 'a name with a NUL byte', () => nar(directory(entry('a\0b', file)))],
  ['name-256', 'a name longer than file systems have', () => nar(directory(entry('n'.repeat(256), file)))],
  ['duplicate', 'the same name twice', () => nar(directory(entry('a', file), entry('a', regular('other'))))],
  ['unsorted', 'names out of order', () => nar(directory(entry('b', file), entry('a', file)))],
  [
    'link-then-directory',
    'a link to /tmp, then a directory of the same name',
    () => nar(directory(entry('a', symlink('/tmp')), entry('a', directory(entry('escaped', file))))),
  ],
  [
    'link-then-file',
    'a link, then a file of its name',
    () => nar(directory(entry('a', symlink('/tmp/escaped')), entry('a', file))),
  ],
];

const nodes: readonly Row[] = [
  ['type-fifo', 'a node of type fifo', () => nar(strings('(', 'type', 'fifo', ')'))],
  ['no-type', 'a node without a type', () => nar(strings('(', ')'))],
  ['no-contents', 'a file without contents', () => nar(strings('(', 'type', 'regular', ')'))],
  [
    'two-contents',
    'a file with two contents',
    () => nar(strings('(', 'type', 'regular', 'contents', 'a', 'contents', 'b', ')')),
  ],
  ['executable-yes', "an executable mark that is not ''", () => nar(regular('x', 'executable', 'yes'))],
  ['executable-twice', 'two executable marks', () => nar(regular('x', 'executable', '', 'executable', ''))],
  [
    'executable-last',
    'the executable mark after the contents',
    () => nar(strings('(', 'type', 'regular', 'contents', 'x', 'executable', '', ')')),
  ],
  ['no-target', 'a link without a target', () => nar(strings('(', 'type', 'symlink', ')'))],
  ['nul-target', 'a link target with a NUL byte', () => nar(symlink('a\0b'))],
  ['no-node', 'an entry without a node', () => nar(directory(strings('entry', '(', 'name', 'a', ')')))],
  [
    'two-nodes',
    'an entry with two nodes',
    () => nar(directory(strings('entry', '(', 'name', 'a', 'node', file, 'node', file, ')'))),
  ],
  [
    'node-first',
    'an entry whose node comes first',
    () => nar(directory(strings('entry', '(', 'node', file, 'name', 'a', ')'))),
  ],
  ['depth-64', 'a file under 64 directories', () => nested(64)],
  ['depth-20000', '20,000 directories in each other', () => nested(20_000)],
];

const framing: readonly Row[] = [
  ['nothing', 'no byte at all', () => Buffer.alloc(0)],
  ['magic', 'nix-archive-2', () => strings('nix-archive-2', file).bytes],
  [
    'giant-magic',
    '2^32 as the length of the magic',
    () => Buffer.concat([u64(2n ** 32n), Buffer.from('nix-archive-1')]),
  ],
  ['giant-tag', '2^40 as the length of a tag', () => partly('(', length(2n ** 40n), new Raw(Buffer.from('type')))],
  [
    'giant-name',
    'a name of 2^40 bytes',
    () => partly('(', 'type', 'directory', 'entry', '(', 'name', length(2n ** 40n), hello),
  ],
  [
    'giant-target',
    'a link target of 2^32 bytes',
    () => partly('(', 'type', 'symlink', 'target', length(2n ** 32n), hello),
  ],
  [
    'giant-contents',
    'contents of 2^62 bytes',
    () => partly('(', 'type', 'regular', 'contents', length(2n ** 62n), hello),
  ],
  [
    'length-minus-one',
    'a length of 2^64-1, which wraps when it is padded',
    () => partly('(', 'type', 'regular', 'contents', length(-1), hello),
  ],
  ['padding', 'padding that is not zero', badPadding],
  ['unclosed', 'the last parenthesis is missing', () => nar(file).subarray(0, -16)],
  ['cut', 'ends in the middle of a file', () => nar(regular(Buffer.alloc(100_000))).subarray(0, 50_000)],
  ['trailing', 'bytes after the end', () => Buffer.concat([nar(file), string('more')]), true],
  ['trailing-zero', 'a zero byte after the end', () => Buffer.concat([nar(file), Buffer.alloc(1)]), true],
];

/** Some forty of them, each made when it is asked for. */
export function* brokenNars(): Generator<BrokenBytes> {
  for (const [name, why, bytes, nixAccepts] of [...names, ...nodes, ...framing]) {
    yield { name, why, bytes: bytes(), ...(nixAccepts && { nixAccepts }) };
  }
}

/** Good ones that stand close to the broken ones. */
export function* oddNars(): Generator<BrokenBytes> {
  const odd: readonly Row[] = [
    ['case', 'names that differ in case', () => nar(directory(entry('A', file), entry('a', file)))],
    ['not-utf-8', 'a name that is no UTF-8', () => nar(directory(entry(Buffer.from([0x61, 0xff, 0xfe]), file)))],
    ['name-255', 'the longest name', () => nar(directory(entry('n'.repeat(255), file)))],
    ['byte-order', 'U+FFFF before U+10000', () => nar(directory(entry('\uffff', file), entry('\u{10000}', file)))],
    ['case-hack', 'a name as the case hack makes it', () => nar(directory(entry('a~nix~case~hack~1', file)))],
    ['depth-63', 'a file under 63 directories', () => nested(63)],
    ['empty', 'an empty directory', () => nar(directory())],
  ];
  for (const [name, why, bytes] of odd) yield { name, why, bytes: bytes() };
}

// Push parser of NARs, strict as the current Nix: whatever that refuses is refused here, with offset, expected and got. It
// does no I/O and never waits: bytes go in, events come out, contents as slices of what was pushed. What is one entry to
// people is fifteen strings to the format, so a whole entry is matched at once where the chunk holds it (#entry) and string
// by string (#token) at the ends of chunks and where something is wrong. The grammar is in tokens.ts.

import { byteString, quoteBytes } from '../../bytes/byte-string.ts';
import type { ByteString } from '../../bytes/byte-string.ts';
import { U64_EXACT, checkPadding, padding, u64At, u64Text } from '../../bytes/u64.ts';
import { formatError } from '../../errors.ts';
import type { NarrowError } from '../../errors.ts';
import { nameFault } from './name.ts';
import * as tokens from './tokens.ts';
import type { NarVisitor } from './tree.ts';

// Where the parser stands: what it reads next. Up to NODE_KEY these are keywords, see `keywords`.
const MAGIC = 0;
const OPEN = 1;
const TYPE = 2;
const KIND = 3;
const REGULAR = 4;
const EXECUTABLE = 5;
const CONTENTS = 6;
const CLOSE = 7;
const ENTRY_CLOSE = 8;
const ENTRIES = 9;
const ENTRY_OPEN = 10;
const NAME_KEY = 11;
const TARGET_KEY = 12;
const NODE_KEY = 13;
const NAME = 14;
const TARGET = 15;
const SIZE = 16;
const DATA = 17;
const DATA_PADDING = 18;
const DONE = 19;
// Reached by a keyword that has an effect of its own; never stood in.
const ENTER_DIRECTORY = 20;
const LEAVE_DIRECTORY = 21;
const SET_EXECUTABLE = 22;
const NODE_END = 23;

/** For each state that reads a keyword: which are allowed, and what follows. */
const keywords: readonly Readonly<Record<string, number>>[] = [
  { 'nix-archive-1': OPEN },
  { '(': TYPE },
  { type: KIND },
  { regular: REGULAR, directory: ENTER_DIRECTORY, symlink: TARGET_KEY },
  { contents: SIZE, executable: SET_EXECUTABLE },
  { '': CONTENTS },
  { contents: SIZE },
  { ')': NODE_END },
  { ')': ENTRIES },
  { entry: ENTRY_OPEN, ')': LEAVE_DIRECTORY },
  { '(': NAME_KEY },
  { name: NAME },
  { target: TARGET },
  { node: OPEN },
];

const ENTRY_NAME_WORDS = tokens.words(tokens.ENTRY_NAME);
const ENTRY_NODE_WORDS = tokens.words(tokens.ENTRY_NODE);
const ENTRY_END_WORDS = tokens.words(tokens.ENTRY_END);
const REGULAR_WORDS = tokens.words(tokens.REGULAR_CONTENTS);
const EXECUTABLE_WORDS = tokens.words(tokens.EXECUTABLE_CONTENTS);
/** The most that an entry can take up to the contents of its file. */
const ENTRY_HEAD =
  tokens.ENTRY_NAME.length + 8 + 256 + tokens.ENTRY_NODE.length + tokens.EXECUTABLE_CONTENTS.length + 8;

/** No string that is read at once is longer than this: a target with its length and padding. */
const TOKEN_LIMIT = 8 + tokens.TARGET_LIMIT + 1;

const ROOT = '' as ByteString;
/** What a token reader returns when the token is not complete yet. */
const MORE = -1;

/**
 * Reads one NAR, telling `visitor` what is in it. `source` names the input in errors, and `start` is where the NAR begins in
 * it: offsets in errors count from the start of the input, those of contents from the start of the NAR.
 */
export class NarParser {
  readonly #visitor: NarVisitor;
  readonly #source: string | undefined;
  readonly #start: number;
  #state: number = MAGIC;
  #name: ByteString = ROOT;
  #executable = false;
  /** The last name seen in each open directory; its length is the depth. */
  readonly #lastNames: ByteString[] = [];
  /** Contents of the current file: bytes still to come, and zeros after them. */
  #left = 0;
  #pad = 0;
  /** Offset in the NAR of the first byte of the buffer that is being parsed. */
  #base = 0;
  /** An incomplete token from the end of the last chunk. */
  readonly #held: Buffer = Buffer.allocUnsafe(2 * TOKEN_LIMIT);
  #heldSize = 0;

  constructor(visitor: NarVisitor, source?: string, start = 0) {
    this.#visitor = visitor;
    this.#source = source;
    this.#start = start;
  }

  /** True when the root's ")" was reached. */
  get done(): boolean {
    return this.#state === DONE;
  }

  /** How many bytes were consumed; when done, the size of the NAR. */
  get position(): number {
    return this.#base + this.#heldSize;
  }

  /** How many bytes of a file's contents come next: all of them may go past the parser, see {@link skip}. */
  get contentsAhead(): number {
    return this.#state === DATA ? this.#left : 0;
  }

  /** Takes notice that `contentsAhead` bytes got to the visitor on another way. */
  skip(count: number): void {
    if (count !== this.contentsAhead) throw new RangeError(`${this.contentsAhead} bytes are ahead, not ${count}`);
    this.#base += count;
    this.#left = 0;
    if (this.#state === DATA) this.#state = DATA_PADDING;
  }

  /** Parses `chunk`; tells how many of its bytes belong to the NAR: all of them, unless it ended within. */
  push(chunk: Uint8Array): number {
    let at = 0;
    if (this.#heldSize > 0) {
      at = this.#resume(chunk);
      if (at === MORE) return chunk.length;
    }
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    this.#base -= at;
    at = this.#parse(bytes, at);
    this.#base += at;
    if (this.#state === DONE) return at;
    this.#heldSize = bytes.copy(this.#held, 0, at);
    return chunk.length;
  }

  /** Says that nothing follows; fails when the NAR is not complete. */
  end(): void {
    if (this.#state === DONE) return;
    throw this.#error('unexpected end of NAR', this.position, this.#expected(), 'the end of the input');
  }

  /** Completes the token held from before; returns how much of `chunk` that took, or MORE when it is still incomplete. */
  #resume(chunk: Uint8Array): number {
    const held = this.#heldSize;
    const size = held + Math.min(chunk.length, this.#held.length - held);
    this.#held.set(chunk.subarray(0, size - held), held);
    const bytes = this.#held.subarray(0, size);
    const at = this.#token(bytes, 0);
    this.#heldSize = at === MORE ? size : 0;
    if (at === MORE) return MORE;
    this.#base += at;
    return at - held;
  }

  /** Parses from `at` as far as whole tokens go; returns where that is. */
  #parse(bytes: Buffer, start: number): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = start;
    while (this.#state !== DONE) {
      let next = MORE;
      if (this.#state === DATA) next = this.#data(bytes, view, at);
      else if (this.#state === ENTRIES && bytes.length - at >= ENTRY_HEAD) next = this.#entry(bytes, view, at);
      if (next === MORE) next = this.#token(bytes, at);
      if (next === MORE) break;
      at = next;
    }
    return at;
  }

  /** Hands on contents, and takes the whole end of the entry where it is at hand. MORE when there are none. */
  #data(bytes: Buffer, view: DataView, start: number): number {
    const end = Math.min(bytes.length, start + this.#left);
    if (end === start) return MORE;
    this.#visitor.contents(bytes.subarray(start, end));
    this.#left -= end - start;
    if (this.#left > 0) return end;
    this.#state = DATA_PADDING;
    const close = end + this.#pad;
    if (this.#lastNames.length === 0 || !same(view, close, ENTRY_END_WORDS)) return end;
    for (let i = end; i < close; i++) if (bytes[i] !== 0) return end;
    this.#visitor.closeRegular();
    this.#state = ENTRIES;
    return close + ENTRY_END_WORDS.length * 4;
  }

  /** Takes one entry of a directory up to its file's contents, if it is well-formed and a file; else MORE, and nothing is changed. */
  #entry(bytes: Buffer, view: DataView, start: number): number {
    if (!same(view, start, ENTRY_NAME_WORDS)) return MORE;
    const from = start + ENTRY_NAME_WORDS.length * 4 + 8;
    const length = view.getUint32(from - 8, true);
    if (length === 0 || length > tokens.NAME_LIMIT || view.getUint32(from - 4, true) !== 0) return MORE;
    const to = from + length;
    for (let i = from; i < to; i++) if (bytes[i] === 0x2f || bytes[i] === 0) return MORE;
    if (bytes[from] === 0x2e && (length === 1 || (length === 2 && bytes[from + 1] === 0x2e))) return MORE;
    const node = to + padding(length);
    for (let i = to; i < node; i++) if (bytes[i] !== 0) return MORE;
    if (!same(view, node, ENTRY_NODE_WORDS)) return MORE;
    const depth = this.#lastNames.length;
    if (depth >= tokens.DEPTH_LIMIT) return MORE;
    const name = byteString(bytes, from, to);
    if (name <= this.#lastNames[depth - 1]!) return MORE;
    const kind = node + ENTRY_NODE_WORDS.length * 4;
    const executable = !same(view, kind, REGULAR_WORDS);
    if (executable && !same(view, kind, EXECUTABLE_WORDS)) return MORE;
    const sizeAt = kind + (executable ? EXECUTABLE_WORDS : REGULAR_WORDS).length * 4;
    const size = u64At(bytes, sizeAt);
    if (size > U64_EXACT) return MORE;
    this.#lastNames[depth - 1] = name;
    this.#name = name;
    this.#begin(executable, size, sizeAt + 8);
    return sizeAt + 8;
  }

  /** Takes one token of whatever kind is due, and acts on it; MORE when it is not complete. */
  #token(bytes: Buffer, at: number): number {
    switch (this.#state) {
      case NAME:
        return this.#readName(bytes, at);
      case TARGET:
        return this.#readTarget(bytes, at);
      case SIZE:
        return this.#readSize(bytes, at);
      case DATA:
        return MORE;
      case DATA_PADDING:
        return this.#readPadding(bytes, at);
      default:
        return this.#readKeyword(bytes, at);
    }
  }

  #readKeyword(bytes: Buffer, at: number): number {
    const allowed = keywords[this.#state]!;
    if (this.#state === MAGIC && bytes.length - at >= 8 && u64At(bytes, at) > tokens.KEYWORD_LIMIT)
      throw this.#error('no NAR', this.#base + at, this.#expected(), quoteBytes(byteString(bytes, at, at + 8)));
    const length = this.#length(bytes, at, tokens.KEYWORD_LIMIT, 'keyword');
    const end = this.#stringEnd(bytes, at, length);
    if (end === MORE) return MORE;
    const word = byteString(bytes, at + 8, at + 8 + length);
    if (!Object.hasOwn(allowed, word)) {
      const what = this.#state === MAGIC ? 'no NAR' : 'unexpected keyword in NAR';
      throw this.#error(what, this.#base + at, this.#expected(), quoteBytes(word));
    }
    this.#become(allowed[word]!, at);
    return end;
  }

  #become(state: number, at: number): void {
    switch (state) {
      case SET_EXECUTABLE:
        this.#executable = true;
        this.#state = EXECUTABLE;
        break;
      case ENTER_DIRECTORY:
        this.#visitor.directory(this.#name);
        this.#lastNames.push(ROOT);
        this.#state = ENTRIES;
        break;
      case LEAVE_DIRECTORY:
        this.#visitor.leave();
        this.#lastNames.pop();
        this.#endNode();
        break;
      case NODE_END:
        this.#endNode();
        break;
      case TYPE:
        this.#checkDepth(at);
        this.#state = TYPE;
        break;
      default:
        this.#state = state;
    }
  }

  #endNode(): void {
    this.#state = this.#lastNames.length === 0 ? DONE : ENTRY_CLOSE;
  }

  #checkDepth(at: number): void {
    if (this.#lastNames.length < tokens.DEPTH_LIMIT) return;
    throw this.#error(
      'NAR is nested too deeply',
      this.#base + at,
      `fewer than ${tokens.DEPTH_LIMIT} levels`,
      'one more',
    );
  }

  #readName(bytes: Buffer, at: number): number {
    const length = this.#length(bytes, at, tokens.NAME_LIMIT, 'name of a directory entry');
    const end = this.#stringEnd(bytes, at, length);
    if (end === MORE) return MORE;
    const name = byteString(bytes, at + 8, at + 8 + length);
    const last = this.#lastNames.at(-1)!;
    const fault = nameFault(name, last);
    if (fault !== undefined) throw this.#error(fault.what, this.#base + at, fault.expected, quoteBytes(name));
    this.#lastNames[this.#lastNames.length - 1] = name;
    this.#name = name;
    this.#state = NODE_KEY;
    return end;
  }

  #readTarget(bytes: Buffer, at: number): number {
    const length = this.#length(bytes, at, tokens.TARGET_LIMIT, 'target of a symbolic link');
    const end = this.#stringEnd(bytes, at, length);
    if (end === MORE) return MORE;
    const target = byteString(bytes, at + 8, at + 8 + length);
    if (length === 0 || target.includes('\0')) {
      throw this.#error('bad symbolic link in NAR', this.#base + at, 'a target without NUL bytes', quoteBytes(target));
    }
    this.#visitor.symlink(this.#name, target);
    this.#state = CLOSE;
    return end;
  }

  #readSize(bytes: Buffer, at: number): number {
    if (bytes.length - at < 8) return MORE;
    const size = this.#length(bytes, at, U64_EXACT, 'file');
    this.#begin(this.#executable, size, at + 8);
    return at + 8;
  }

  /** A file begins, its contents at `at`. */
  #begin(executable: boolean, size: number, at: number): void {
    this.#visitor.regular(this.#name, executable, size, this.#base + at);
    this.#executable = false;
    this.#left = size;
    this.#pad = padding(size);
    this.#state = size === 0 ? DATA_PADDING : DATA;
  }

  #readPadding(bytes: Buffer, at: number): number {
    const end = at + this.#pad;
    checkPadding(bytes, at, Math.min(end, bytes.length), this.#start + this.#base + at, { source: this.#source });
    if (end > bytes.length) return MORE;
    this.#visitor.closeRegular();
    this.#state = CLOSE;
    return end;
  }

  /** The length of the string at `at`, or 0 when it is not there yet (then the string is not complete either). */
  #length(bytes: Buffer, at: number, limit: number, what: string): number {
    if (bytes.length - at < 8) return 0;
    const length = u64At(bytes, at);
    if (length <= limit) return length;
    throw this.#error(`${what} is too long`, this.#base + at, `at most ${limit} bytes`, u64Text(bytes, at));
  }

  /** Where the string at `at` ends with its padding; MORE when it is not complete. */
  #stringEnd(bytes: Buffer, at: number, length: number): number {
    const end = at + 8 + length + padding(length);
    if (end > bytes.length) return MORE;
    const zeros = at + 8 + length;
    checkPadding(bytes, zeros, end, this.#start + this.#base + zeros, { source: this.#source });
    return end;
  }

  /** What could come next, for messages. */
  #expected(): string {
    const allowed = keywords[this.#state];
    if (allowed !== undefined)
      return Object.keys(allowed)
        .map((word) => quoteBytes(word as ByteString))
        .join(' or ');
    switch (this.#state) {
      case NAME:
        return 'a name';
      case TARGET:
        return 'the target of a symbolic link';
      case SIZE:
        return 'the length of a file';
      case DATA:
        return `${this.#left} more bytes of a file`;
      default:
        return 'padding';
    }
  }

  #error(what: string, offset: number, expected: string, got: string): NarrowError {
    return formatError(what, { source: this.#source, offset: this.#start + offset }, { expected, got });
  }
}

function same(view: DataView, at: number, expected: Int32Array): boolean {
  if (at + expected.length * 4 > view.byteLength) return false;
  for (let i = 0; i < expected.length; i++) if (view.getInt32(at + i * 4, true) !== expected[i]) return false;
  return true;
}

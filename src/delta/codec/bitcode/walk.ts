// The structure of LLVM bitstreams: blocks of records, records by abbreviations that the stream itself defines. What values
// mean is of no interest here, except where they say how the following bits are to be read.

import { NoBitstream, type Port } from './port.ts';

type Encoding = 'literal' | 'fixed' | 'variable' | 'array' | 'char6' | 'blob';

interface Operand {
  readonly encoding: Encoding;
  readonly width: number;
}

type Abbreviation = readonly Operand[];

const encodings: readonly (Encoding | undefined)[] = [undefined, 'fixed', 'variable', 'array', 'char6', 'blob'];
const maxDepth = 32;
/** The block whose abbreviations belong to other blocks. */
const blockInfo = 0;

/** Walks a whole stream through a port; throws NoBitstream. */
export function walkBitstream(port: Port): void {
  new Walk(port).top();
}

class Walk {
  readonly #port: Port;
  /** Of each kind of block the abbreviations that it begins with. */
  readonly #known = new Map<number, Abbreviation[]>();

  constructor(port: Port) {
    this.#port = port;
  }

  top(): void {
    this.#port.fixed(32);
    while (!this.#port.atEnd()) {
      if (this.#port.fixed(2) !== 1) throw new NoBitstream();
      this.#block(0);
    }
  }

  #block(depth: number): void {
    if (depth > maxDepth) throw new NoBitstream();
    const port = this.#port;
    const kind = port.variable(8);
    const width = port.variable(4);
    if (width < 2 || width > 32) throw new NoBitstream();
    port.align();
    const block = port.beginBlock();
    // Not copied: a hostile stream could have as many blocks as abbreviations that each begins with.
    const known = this.#known.get(kind) ?? [];
    const shared = known.length;
    const own: Abbreviation[] = [];
    let described = -1;
    for (;;) {
      const id = port.fixed(width);
      if (id === 0) break;
      if (id === 1) this.#block(depth + 1);
      else if (id === 2) this.#keep(this.#abbreviation(), kind === blockInfo ? described : undefined, own);
      else if (id === 3) described = this.#unabbreviated(described);
      else this.#record(id - 4 < shared ? known[id - 4] : own[id - 4 - shared]);
    }
    port.align();
    port.endBlock(block);
  }

  #keep(abbreviation: Abbreviation, described: number | undefined, own: Abbreviation[]): void {
    if (described === undefined) {
      own.push(abbreviation);
      return;
    }
    const known = this.#known.get(described);
    if (known === undefined) this.#known.set(described, [abbreviation]);
    else known.push(abbreviation);
  }

  /** Says the first value of a record with code 1 (in the info block: the kind of block that is described from here on). */
  #unabbreviated(described: number): number {
    const port = this.#port;
    const code = port.variable(6);
    const count = port.variable(6);
    let first = described;
    for (let i = 0; i < count; i++) {
      const value = port.variable(6);
      if (i === 0 && code === 1) first = value;
    }
    return first;
  }

  #abbreviation(): Abbreviation {
    const port = this.#port;
    const count = port.variable(5);
    const operands: Operand[] = [];
    for (let i = 0; i < count; i++) operands.push(this.#operand());
    const array = operands.findIndex(({ encoding }) => encoding === 'array');
    if (array >= 0 && (array !== operands.length - 2 || operands[array + 1]!.encoding === 'literal'))
      throw new NoBitstream();
    // Literals take no bits, however many there are.
    return operands.filter(({ encoding }) => encoding !== 'literal');
  }

  #operand(): Operand {
    const port = this.#port;
    if (port.fixed(1) === 1) {
      port.variable(8);
      return { encoding: 'literal', width: 0 };
    }
    const encoding = encodings[port.fixed(3)];
    if (encoding === undefined) throw new NoBitstream();
    if (encoding !== 'fixed' && encoding !== 'variable') return { encoding, width: 0 };
    const width = port.variable(5);
    if (width < (encoding === 'fixed' ? 1 : 2) || width > 32) throw new NoBitstream();
    return { encoding, width };
  }

  #record(abbreviation: Abbreviation | undefined): void {
    if (abbreviation === undefined) throw new NoBitstream();
    for (let i = 0; i < abbreviation.length; i++) {
      const operand = abbreviation[i]!;
      if (operand.encoding === 'array') {
        const element = abbreviation[i + 1]!;
        for (let left = this.#port.variable(6); left > 0; left--) this.#value(element);
        return;
      }
      this.#value(operand);
    }
  }

  #value({ encoding, width }: Operand): void {
    const port = this.#port;
    if (encoding === 'fixed') port.fixed(width);
    else if (encoding === 'variable') port.variable(width);
    else if (encoding === 'char6') port.char6();
    else if (encoding === 'blob') {
      const length = port.variable(6);
      port.align();
      port.raw(length);
      port.align();
    } else throw new NoBitstream();
  }
}

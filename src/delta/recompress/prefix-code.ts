// Huffman codes as gzip and zlib make them: which of several equally good ones depends on the order of the heap, on depths as
// tie-breakers, and on how codes that come out too long are shortened.

const maxBits = 15;

export interface CodeKind {
  readonly count: number;
  readonly extra: Uint8Array;
  /** First symbol that has extra bits. */
  readonly extraFrom: number;
  readonly longest: number;
  /** Lengths of the fixed code; empty: there is none. */
  readonly fixed: Uint8Array;
}

export class PrefixCode {
  readonly frequency: Uint32Array;
  readonly lengths: Uint8Array;
  readonly codes: Uint16Array;
  /** The highest symbol in use. */
  last = 0;
  /** Bits that the block takes with this code, and with the fixed one. */
  bits = 0;
  fixedBits = 0;
  readonly #kind: CodeKind;
  readonly #parents: Uint16Array;
  readonly #nodeLengths: Uint8Array;
  readonly #heap: Uint16Array;
  #heapSize = 0;
  /** From here on the heap holds nodes in the order in which they were taken out, last one first. */
  #sorted = 0;
  readonly #depths: Uint8Array;
  readonly #lengthCounts = new Uint16Array(maxBits + 1);

  constructor(kind: CodeKind) {
    const nodes = 2 * kind.count + 1;
    this.#kind = kind;
    this.frequency = new Uint32Array(nodes);
    this.lengths = new Uint8Array(kind.count + 1);
    this.codes = new Uint16Array(kind.count);
    this.#parents = new Uint16Array(nodes);
    this.#nodeLengths = new Uint8Array(nodes);
    this.#heap = new Uint16Array(nodes);
    this.#depths = new Uint8Array(nodes);
  }

  /** Makes lengths and codes from the frequencies. */
  build(): void {
    this.bits = 0;
    this.fixedBits = 0;
    const nodes = this.#buildTree();
    this.#assignLengths(nodes);
    assignCodes(this.lengths, this.#kind.count, this.codes);
  }

  clear(): void {
    this.frequency.fill(0, 0, this.#kind.count);
  }

  /** Returns the number of nodes, leaves included. */
  #buildTree(): number {
    const { frequency } = this;
    const { count, fixed } = this.#kind;
    const [heap, depths, parents] = [this.#heap, this.#depths, this.#parents];
    let last = -1;
    this.#heapSize = 0;
    this.#sorted = heap.length;
    this.lengths.fill(0);
    for (let symbol = 0; symbol < count; symbol++) {
      if (frequency[symbol] === 0) continue;
      heap[++this.#heapSize] = symbol;
      last = symbol;
      depths[symbol] = 0;
    }
    // a code has at least two symbols, used or not
    while (this.#heapSize < 2) {
      const symbol = last < 2 ? ++last : 0;
      heap[++this.#heapSize] = symbol;
      frequency[symbol] = 1;
      depths[symbol] = 0;
      this.bits--;
      if (fixed.length > 0) this.fixedBits -= fixed[symbol]!;
    }
    this.last = last;
    for (let at = this.#heapSize >> 1; at >= 1; at--) this.#sink(at);
    let node = count;
    do {
      const least = heap[1]!;
      heap[1] = heap[this.#heapSize--]!;
      this.#sink(1);
      const next = heap[1]!;
      heap[--this.#sorted] = least;
      heap[--this.#sorted] = next;
      frequency[node] = frequency[least]! + frequency[next]!;
      depths[node] = Math.max(depths[least]!, depths[next]!) + 1;
      parents[least] = node;
      parents[next] = node;
      heap[1] = node++;
      this.#sink(1);
    } while (this.#heapSize >= 2);
    heap[--this.#sorted] = heap[1]!;
    return node;
  }

  #isLess(a: number, b: number): boolean {
    const [fa, fb] = [this.frequency[a]!, this.frequency[b]!];
    return fa < fb || (fa === fb && this.#depths[a]! <= this.#depths[b]!);
  }

  #sink(start: number): void {
    const heap = this.#heap;
    const node = heap[start]!;
    let at = start;
    for (let child = start * 2; child <= this.#heapSize; child *= 2) {
      if (child < this.#heapSize && this.#isLess(heap[child + 1]!, heap[child]!)) child++;
      if (this.#isLess(node, heap[child]!)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = node;
  }

  #assignLengths(nodes: number): void {
    const { longest } = this.#kind;
    const [heap, parents, lengths, counts] = [this.#heap, this.#parents, this.#nodeLengths, this.#lengthCounts];
    counts.fill(0);
    lengths[heap[this.#sorted]!] = 0;
    let overflow = 0;
    for (let at = this.#sorted + 1; at < heap.length; at++) {
      const node = heap[at]!;
      let length = lengths[parents[node]!]! + 1;
      if (length > longest) {
        length = longest;
        overflow++;
      }
      lengths[node] = length;
      if (node >= this.#kind.count) continue;
      counts[length]!++;
      this.#count(node, length);
    }
    if (overflow > 0) this.#shorten(overflow);
    for (let symbol = 0; symbol <= this.last; symbol++)
      if (this.frequency[symbol] !== 0) this.lengths[symbol] = lengths[symbol]!;
    this.frequency.fill(0, this.#kind.count, nodes);
  }

  #count(symbol: number, length: number): void {
    const { extra, extraFrom, fixed } = this.#kind;
    const more = symbol >= extraFrom ? extra[symbol - extraFrom]! : 0;
    const frequency = this.frequency[symbol]!;
    this.bits += frequency * (length + more);
    if (fixed.length > 0) this.fixedBits += frequency * (fixed[symbol]! + more);
  }

  /** Moves leaves up from where the tree is too deep, and gives lengths anew in the order of frequencies. */
  #shorten(overflow: number): void {
    const { longest, count } = this.#kind;
    const [heap, lengths, counts] = [this.#heap, this.#nodeLengths, this.#lengthCounts];
    for (let left = overflow; left > 0; left -= 2) {
      let length = longest - 1;
      while (counts[length] === 0) length--;
      counts[length]!--;
      counts[length + 1]! += 2;
      counts[longest]!--;
    }
    let at = heap.length;
    for (let length = longest; length !== 0; length--) {
      for (let left = counts[length]!; left !== 0;) {
        const node = heap[--at]!;
        if (node >= count) continue;
        if (lengths[node] !== length) {
          this.bits += (length - lengths[node]!) * this.frequency[node]!;
          lengths[node] = length;
        }
        left--;
      }
    }
  }
}

/** Codes of given lengths (RFC 1951 §3.2.2), bits turned round as they are sent. */
export function assignCodes(lengths: Uint8Array, count: number, codes: Uint16Array): void {
  const counts = new Uint16Array(maxBits + 1);
  for (let symbol = 0; symbol < count; symbol++) counts[lengths[symbol]!]!++;
  counts[0] = 0;
  const next = new Uint16Array(maxBits + 1);
  for (let length = 1; length <= maxBits; length++) next[length] = (next[length - 1]! + counts[length - 1]!) << 1;
  for (let symbol = 0; symbol < count; symbol++) {
    const length = lengths[symbol]!;
    if (length > 0) codes[symbol] = turned(next[length]!++, length);
  }
}

function turned(code: number, length: number): number {
  let result = 0;
  for (let bit = 0; bit < length; bit++) result |= ((code >> bit) & 1) << (length - 1 - bit);
  return result;
}

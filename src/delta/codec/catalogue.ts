// GNU message catalogues (.mo): places and lengths of strings and the hash table follow from the strings, so an inserted
// message changes nearly all of them. Here each number becomes its difference from what the strings say. Layout: the GNU
// gettext manual, "The Format of GNU MO Files"; strings are laid out and hashed as msgfmt does.

const magic = 0x950412de;
const headerSize = 28;

/** A catalogue whose numbers are differences; undefined for what is none. Its size stays. */
export function expandCatalogue(file: Buffer): Buffer | undefined {
  return converted(file, (actual, predicted) => actual - predicted, true);
}

/** The catalogue again. */
export function packCatalogue(file: Buffer): Buffer | undefined {
  return converted(file, (difference, predicted) => difference + predicted, false);
}

type Step = (word: number, predicted: number) => number;

interface Tables {
  readonly count: number;
  readonly originals: number;
  readonly translations: number;
  readonly slots: number;
  readonly hashes: number;
}

function tablesOf(file: Buffer): Tables | undefined {
  if (file.length < headerSize || file.readUInt32LE(0) !== magic) return undefined;
  const [count = 0, originals = 0, translations = 0, slots = 0, hashes = 0] = [8, 12, 16, 20, 24].map((at) =>
    file.readUInt32LE(at),
  );
  const size = file.length;
  if (originals + count * 8 > translations || translations + count * 8 > size || originals < headerSize)
    return undefined;
  if (slots > 0 && (translations + count * 8 > hashes || hashes + slots * 4 > size)) return undefined;
  return { count, originals, translations, slots, hashes };
}

/** `known`: the words of `file` are the true ones, not the differences. */
function converted(file: Buffer, step: Step, known: boolean): Buffer | undefined {
  const tables = tablesOf(file);
  if (tables === undefined) return undefined;
  const out = Buffer.from(file);
  const truth = known ? file : out;
  const { count, originals, translations, slots, hashes } = tables;
  let budget = file.length * 4;
  let expected = slots > 0 ? hashes + slots * 4 : translations + count * 8;
  for (const table of [originals, translations]) {
    for (let at = table; at < table + count * 8; at += 8) {
      out.writeUInt32LE(step(file.readUInt32LE(at + 4), expected) >>> 0, at + 4);
      const place = truth.readUInt32LE(at + 4);
      const end = file.indexOf(0, place);
      const length = place >= file.length || end < 0 ? 0 : end - place;
      // A broken file could name one long string for every message.
      budget -= end < 0 ? Math.max(0, file.length - place) : length;
      out.writeUInt32LE(step(file.readUInt32LE(at), length) >>> 0, at);
      expected = place + truth.readUInt32LE(at) + 1;
      if (budget < 0) return undefined;
    }
  }
  const predicted = slots > count && slots > 2 ? hashTable(truth, tables) : undefined;
  if (predicted === undefined) return out;
  for (let i = 0; i < slots; i++)
    out.writeUInt32LE(step(file.readUInt32LE(hashes + i * 4), predicted[i]!) >>> 0, hashes + i * 4);
  return out;
}

/** The table in which gettext looks a message up: open addressing, numbers of messages from 1 on. */
function hashTable(file: Buffer, { count, originals, slots }: Tables): Uint32Array {
  const table = new Uint32Array(slots);
  let budget = slots * 16;
  for (let i = 0; i < count; i++) {
    const hash = hashAt(file, file.readUInt32LE(originals + i * 8 + 4));
    const stride = 1 + (hash % (slots - 2));
    let slot = hash % slots;
    while (table[slot] !== 0 && budget > 0) {
      slot = slot >= slots - stride ? slot - (slots - stride) : slot + stride;
      budget--;
    }
    table[slot] = i + 1;
  }
  return table;
}

/** P. J. Weinberger's hash of the string at a place. */
function hashAt(file: Buffer, place: number): number {
  let hash = 0;
  for (let at = place; at < file.length && file[at] !== 0; at++) {
    hash = ((hash << 4) + file[at]!) >>> 0;
    const top = hash & 0xf0000000;
    if (top !== 0) hash = (hash ^ (top >>> 24) ^ top) >>> 0;
  }
  return hash;
}

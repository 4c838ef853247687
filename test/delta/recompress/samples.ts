// Contents of many kinds and sizes, the same each time.

/** A stream of bytes that do not compress. */
function noise(size: number, seed: number): Buffer {
  const bytes = Buffer.alloc(size);
  let state = seed;
  for (let at = 0; at < size; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

/** Words of a small vocabulary with numbers among them. */
function text(size: number, seed: number): Buffer {
  const words = Array.from({ length: 700 }, (_, n) =>
    noise(3 + (n % 9), n + 1)
      .toString('latin1')
      .replace(/[^a-z]/g, (c) => String.fromCharCode(97 + (c.charCodeAt(0) % 26))),
  );
  const picks = noise(size, seed);
  const parts: string[] = [];
  for (let at = 0, length = 0; length < size; at++) {
    const word =
      at % 17 === 0 ? `${picks.readUInt16LE(at % (size - 2))}\n` : `${words[(picks[at % size]! * 3 + at) % 700]} `;
    parts.push(word);
    length += word.length;
  }
  return Buffer.from(parts.join('').slice(0, size));
}

/** By name. Sizes lie about 32 and 64 KiB, where windows slide and end. */
export const samples: ReadonlyMap<string, Buffer> = new Map([
  ['nothing', Buffer.alloc(0)],
  ['one byte', Buffer.from('x')],
  ['a line', Buffer.from('a line, and a line again\n')],
  ['text', text(400_000, 5)],
  ['text of nearly a window', text(32_768 + 3, 6)],
  ['text of nearly two windows', text(65_536 - 7, 7)],
  ['text of two windows', text(65_536, 8)],
  ['text of two windows and some', text(65_536 + 260, 9)],
  ['noise', noise(150_000, 1)],
  ['zeros', Buffer.alloc(300_000)],
  ['a period of 32 KiB', Buffer.concat([noise(32_768, 3), noise(32_768, 3), noise(32_768, 3)])],
  [
    'a mixture',
    Buffer.concat([text(90_000, 2), noise(40_000, 2), Buffer.alloc(5000, 32), text(90_000, 2), noise(40_000, 2)]),
  ],
]);

// Constants of deflate (RFC 1951 §3.2.5 to §3.2.7).

export const literals = 256;
export const endOfBlock = 256;
/** Literals, the end of a block, 29 lengths. */
export const lengthCodes = 286;
export const distanceCodes = 30;
export const bitLengthCodes = 19;

export const lengthExtra: Uint8Array = Uint8Array.of(
  0,
  0,
  0,
  0,
  0,
  0,
  0,
  0,
  1,
  1,
  1,
  1,
  2,
  2,
  2,
  2,
  3,
  3,
  3,
  3,
  4,
  4,
  4,
  4,
  5,
  5,
  5,
  5,
  0,
);
export const distanceExtra: Uint8Array = Uint8Array.of(
  0,
  0,
  0,
  0,
  1,
  1,
  2,
  2,
  3,
  3,
  4,
  4,
  5,
  5,
  6,
  6,
  7,
  7,
  8,
  8,
  9,
  9,
  10,
  10,
  11,
  11,
  12,
  12,
  13,
  13,
);
export const bitLengthExtra: Uint8Array = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 7);

/** The order in which lengths of the codes for code lengths are sent. */
export const bitLengthOrder: Uint8Array = Uint8Array.of(
  16,
  17,
  18,
  0,
  8,
  7,
  9,
  6,
  10,
  5,
  11,
  4,
  12,
  3,
  13,
  2,
  14,
  1,
  15,
);

/** Least length less 3, least distance less 1, of each code. */
export const lengthBase: Uint16Array = basesOf(lengthExtra.subarray(0, 28), 29);
export const distanceBase: Uint16Array = basesOf(distanceExtra, distanceCodes);

function basesOf(extra: Uint8Array, count: number): Uint16Array {
  const bases = new Uint16Array(count);
  for (let code = 1; code < count; code++) bases[code] = bases[code - 1]! + (1 << extra[code - 1]!);
  return bases;
}

/** Code of a length less 3. The longest has a code of its own. */
export const lengthCode: Uint8Array = new Uint8Array(256);
for (let code = 0; code < 28; code++)
  lengthCode.fill(code, lengthBase[code]!, lengthBase[code]! + (1 << lengthExtra[code]!));
lengthCode[255] = 28;
lengthBase[28] = 255;

/** Code of a distance less 1, for up to 256 of them; then for each 128. */
const distanceCodeTable = new Uint8Array(512);
for (let code = 0; code < distanceCodes; code++) {
  const [first, end] = [distanceBase[code]!, distanceBase[code]! + (1 << distanceExtra[code]!)];
  for (let distance = first; distance < end && distance < 256; distance++) distanceCodeTable[distance] = code;
  for (let step = Math.max(first >> 7, 2); step < end >> 7; step++) distanceCodeTable[256 + step] = code;
}

/** Code of a distance less 1. */
export function distanceCodeOf(distance: number): number {
  return distance < 256 ? distanceCodeTable[distance]! : distanceCodeTable[256 + (distance >> 7)]!;
}

/** Lengths of the fixed codes; two more than are used, so that the code is complete. */
export const fixedLengths: Uint8Array = new Uint8Array(288).fill(8).fill(9, 144, 256).fill(7, 256, 280);
export const fixedDistanceLength = 5;

// Translation by its definition, as slow as it reads.

/** `bytes` with every occurrence of a key replaced that no other overlaps. */
export function defined(bytes: Buffer, map: ReadonlyMap<string, string>): Buffer {
  const result = Buffer.from(bytes);
  const starts: number[] = [];
  for (const key of map.keys())
    for (let at = bytes.indexOf(key, 0, 'latin1'); at >= 0; at = bytes.indexOf(key, at + 1, 'latin1')) starts.push(at);
  for (const start of starts) {
    if (starts.some((other) => other !== start && Math.abs(other - start) < 32)) continue;
    result.write(map.get(bytes.toString('latin1', start, start + 32))!, start, 'latin1');
  }
  return result;
}

// Values for conversations: a path with its NAR, and handlers that keep what they are given.
import { createHash } from 'node:crypto';
import { ByteWriter } from '../../src/bytes/writer.ts';
import type { PathInfo } from '../../src/model/path-info.ts';
import { parseBaseName } from '../../src/model/store-path.ts';

export interface Sample {
  readonly info: PathInfo;
  readonly nar: Buffer;
}

/** A file of `size` bytes as a store path. */
export function sample(name: string, size = 100, references: readonly string[] = []): Sample {
  const out = new ByteWriter();
  for (const word of ['nix-archive-1', '(', 'type', 'regular', 'contents']) out.text(word);
  const nar = out.string(Buffer.alloc(size, name)).text(')').take();
  const path = parseBaseName(
    `${createHash('sha256').update(name).digest('hex').slice(0, 32).replaceAll('e', 'x')}-${name}`,
  );
  const info: PathInfo = {
    path,
    narHash: { algo: 'sha256', bytes: Uint8Array.from(createHash('sha256').update(nar).digest()) },
    narSize: nar.length,
    references: references.map(parseBaseName).sort(),
    deriver: undefined,
    signatures: ['key-1:AAAA'],
    ca: undefined,
    registrationTime: 1,
    ultimate: false,
  };
  return { info, nar };
}

// What SFTP tells and sets of a file: draft-ietf-secsh-filexfer-02, section 5.

import type { PacketReader, PacketWriter } from './packet.ts';

export interface FileAttributes {
  readonly size?: number | undefined;
  /** With the kind of file, as in st_mode. */
  readonly mode?: number | undefined;
  /** Seconds since 1970. */
  readonly accessed?: number | undefined;
  readonly modified?: number | undefined;
}

const has = { size: 1, owner: 2, mode: 4, times: 8, extended: 0x8000_0000 } as const;

/** Writes nothing but the mode, or nothing. */
export function putAttributes(out: PacketWriter, { mode }: Pick<FileAttributes, 'mode'>): void {
  if (mode === undefined) out.u32(0);
  else out.u32(has.mode).u32(mode);
}

export function getAttributes(input: PacketReader): FileAttributes {
  const flags = input.u32();
  const size = flags & has.size ? input.u64() : undefined;
  if (flags & has.owner) void [input.u32(), input.u32()];
  const mode = flags & has.mode ? input.u32() : undefined;
  const accessed = flags & has.times ? input.u32() : undefined;
  const modified = flags & has.times ? input.u32() : undefined;
  if (flags & has.extended) {
    for (let count = input.u32(); count > 0; count--) void [input.bytes(), input.bytes()];
  }
  return { size, mode, accessed, modified };
}

const kindMask = 0o170_000;

export function isDirectory({ mode }: FileAttributes): boolean {
  return mode !== undefined && (mode & kindMask) === 0o040_000;
}

/** A server that tells no mode is taken to tell of a file. */
export function isFile({ mode }: FileAttributes): boolean {
  return mode === undefined || (mode & kindMask) === 0o100_000;
}

export function isLink({ mode }: FileAttributes): boolean {
  return mode !== undefined && (mode & kindMask) === 0o120_000;
}

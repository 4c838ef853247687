// The NAR grammar's terminals, and the runs of them that always stand together ("fused tokens"), both as bytes for the
// packer and as 32-bit little-endian words, by which the parser compares them: twelve loads instead of six strings.
//
//   nar       = "nix-archive-1" node
//   node      = "(" "type" ( regular | directory | symlink ) ")"
//   regular   = "regular" [ "executable" "" ] "contents" BYTES
//   directory = "directory" { "entry" "(" "name" NAME "node" node ")" }
//   symlink   = "symlink" "target" TARGET
//
// Every terminal, NAME, BYTES and TARGET is a string: u64 length, bytes, zeros up to a multiple of eight.

import type { ByteString } from '../../bytes/byte-string.ts';
import { ByteWriter } from '../../bytes/writer.ts';

/** Longest name of a directory entry, in bytes. */
export const NAME_LIMIT = 255;
/** Longest target of a symbolic link, in bytes. */
export const TARGET_LIMIT = 4095;
/** Longest keyword that is read before it is refused; the grammar's own have at most 13 bytes. */
export const KEYWORD_LIMIT = 32;
/** A node under this many directories or more is refused. */
export const DEPTH_LIMIT = 64;

/** The given strings, encoded one after the other. */
export function encoded(...strings: readonly string[]): Buffer {
  const writer = new ByteWriter();
  for (const text of strings) writer.string(text as ByteString);
  return writer.take();
}

/** The same bytes as words to compare with DataView.getInt32. */
export function words(bytes: Uint8Array): Int32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Int32Array.from({ length: bytes.length / 4 }, (_, i) => view.getInt32(i * 4, true));
}

export const MAGIC: Buffer = encoded('nix-archive-1');
/** Opens any node; its kind follows. */
export const NODE_OPEN: Buffer = encoded('(', 'type');
export const CLOSE: Buffer = encoded(')');
/** Before an entry's name. */
export const ENTRY_NAME: Buffer = encoded('entry', '(', 'name');
/** After an entry's name. */
export const ENTRY_NODE: Buffer = encoded('node', '(', 'type');
/** Ends an entry: its node's ")" and its own. */
export const ENTRY_END: Buffer = encoded(')', ')');
export const REGULAR: Buffer = encoded('regular');
export const DIRECTORY: Buffer = encoded('directory');
/** Before the length and the bytes of a file. */
export const REGULAR_CONTENTS: Buffer = encoded('regular', 'contents');
export const EXECUTABLE_CONTENTS: Buffer = encoded('regular', 'executable', '', 'contents');
/** Before a link's target. */
export const SYMLINK_TARGET: Buffer = encoded('symlink', 'target');

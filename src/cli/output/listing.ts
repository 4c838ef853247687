// NAR listings as `nix store ls` and `nix nar ls` print them.

import type { ByteString } from '../../bytes/byte-string.ts';
import type { Listing } from '../../format/nar/listing.ts';

export interface ListingStyle {
  /** Mode, size and target, too. */
  readonly long?: boolean | undefined;
  readonly recursive?: boolean | undefined;
}

/** Lines without their feeds: what a directory holds (`./name`), or the node itself under its own `name`. */
export function* listingLines(
  node: Listing,
  name: ByteString,
  { long = false, recursive = false }: ListingStyle,
): Generator<ByteString> {
  const line = (entry: Listing, at: string): ByteString => (long ? longLine(entry, at) : at) as ByteString;
  if (node.type !== 'directory') {
    yield line(node, name);
    return;
  }
  const open = [{ at: '.', entries: node.entries.entries() }];
  for (let top = open.at(-1); top; top = open.at(-1)) {
    const next = top.entries.next();
    if (next.done) {
      open.pop();
      continue;
    }
    const [child, entry] = next.value;
    const at = `${top.at}/${child}`;
    yield line(entry, at);
    if (recursive && entry.type === 'directory') open.push({ at, entries: entry.entries.entries() });
  }
}

function longLine(node: Listing, at: string): string {
  const size = node.type === 'regular' ? (node.size ?? '?') : 0;
  const target = node.type === 'symlink' ? ` -> ${node.target}` : '';
  return `${mode(node)} ${String(size).padStart(20)} ${at}${target}`;
}

function mode(node: Listing): string {
  if (node.type === 'directory') return 'dr-xr-xr-x';
  if (node.type === 'symlink') return 'lrwxrwxrwx';
  return node.executable ? '-r-xr-xr-x' : '-r--r--r--';
}

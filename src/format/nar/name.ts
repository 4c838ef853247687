// Names of directory entries: which a NAR may hold, and their order. Checked when reading and when packing: what cannot be
// read back must not be written, and a name with a slash would leave the directory it is unpacked in.

import { displayBytes } from '../../bytes/byte-string.ts';
import type { ByteString } from '../../bytes/byte-string.ts';
import { NAME_LIMIT } from './tokens.ts';

/** What is wrong with a name, in words for an error. */
export interface NameFault {
  readonly what: string;
  readonly expected: string;
}

/** The fault of `name` as the entry after `last` (empty for the first); undefined when there is none. */
export function nameFault(name: ByteString, last: ByteString = '' as ByteString): NameFault | undefined {
  const what = 'bad name of a directory entry';
  if (name === '' || name.length > NAME_LIMIT) return { what, expected: `1 to ${NAME_LIMIT} bytes` };
  if (name === '.' || name === '..') return { what, expected: 'neither "." nor ".."' };
  if (name.includes('/')) return { what, expected: 'no slash' };
  if (name.includes('\0')) return { what, expected: 'no NUL byte' };
  if (name === last) return { what: 'duplicate name in a directory', expected: `a name after "${displayBytes(last)}"` };
  if (name < last) return { what: 'names are not sorted', expected: `a name after "${displayBytes(last)}"` };
  return undefined;
}

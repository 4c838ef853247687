// Parts of files: turns what a caller asked for into start and end, and refuses what lies outside.

import { NarrowError } from '../../errors.ts';
import { treePathText } from './tree.ts';
import type { ReadRange, TreePath } from './tree.ts';

/** Start and end of `range` in a file of `size` bytes. A part that is not wholly within the file is an error. */
export function rangeWithin(size: number, range: ReadRange | undefined, path: TreePath): [start: number, end: number] {
  const start = range?.offset ?? 0;
  const end = range?.length === undefined ? size : start + range.length;
  if (start >= 0 && start <= end && end <= size) return [start, end];
  throw new NarrowError('usage', `bytes ${start} to ${end} lie outside of ${treePathText(path)}, which has ${size}`);
}

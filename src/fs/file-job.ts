// What can be done to open files without looking back: in this thread, or in another one, which answers later.

import { copyRange } from './copy-range.ts';
import type { RangeCopy } from './copy-range.ts';

export type FileJob = { readonly type: 'copy' } & RangeCopy;

/** What jobs answer. */
export interface FileResult {
  readonly size: number;
}

/** Jobs of a thread share a buffer. */
const BUFFER_SIZE = 256 * 1024;
let buffer: Buffer | undefined;

/** Does a job at once. Throws what went wrong. */
export function doFileJob(job: FileJob): FileResult {
  buffer ??= Buffer.allocUnsafeSlow(BUFFER_SIZE);
  copyRange(job, buffer);
  return { size: job.length };
}

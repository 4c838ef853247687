// What passes between the thread that owns a store and one that unpacks for it. Bytes do not: they lie in shared slots.

import type { CrossingError } from '../../fs/crossing-error.ts';
import type { FileRange } from '../../fs/file-range.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { Intake } from '../intake.ts';

/** Size of a slot, in bytes; a bigger chunk takes several. */
export const SLOT_SIZE: number = 256 * 1024;
/** Slots of a thread: what it can be ahead of its source. */
export const SLOTS = 12;

/** What a thread is started with. */
export interface ThreadSetup {
  readonly slots: SharedArrayBuffer;
  readonly compileCache: string | undefined;
}

/** To the unpacking thread. */
export type Order =
  | {
      readonly type: 'begin';
      readonly job: number;
      readonly info: PathInfo;
      readonly encoding: string;
      /** Where the bytes lie, if they are not sent. */
      readonly local: FileRange | undefined;
      readonly realDir: string;
      readonly optimise: boolean;
    }
  | { readonly type: 'bytes'; readonly job: number; readonly slot: number; readonly length: number }
  /** No more bytes; `failed` when there should have been. */
  | { readonly type: 'end'; readonly job: number; readonly failed: boolean };

/** From the unpacking thread. */
export type Report =
  | { readonly type: 'ready' }
  | { readonly type: 'free'; readonly slot: number }
  /** So many encoded bytes of a file were read. */
  | { readonly type: 'read'; readonly job: number; readonly bytes: number }
  | { readonly type: 'done'; readonly job: number; readonly intake: Intake }
  | { readonly type: 'failed'; readonly job: number; readonly error: CrossingError };

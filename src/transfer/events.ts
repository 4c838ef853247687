// What a running copy tells, in order: the plan, bytes as they come in, and of each path what became of it.

import type { Outcome } from '../store/store.ts';
import type { StorePath } from '../model/store-path.ts';
import type { Plan } from './plan.ts';
import type { Finding } from './preflight.ts';

export type TransferEvent =
  /** What is being done before bytes move: `opening`, `asking the source`, `asking the destination`; of how many bytes, where known. */
  | { readonly type: 'phase'; readonly text: string; readonly bytes?: number }
  | { readonly type: 'plan'; readonly plan: Plan }
  /** What was looked at before the first byte; an error among them ends the copy. */
  | { readonly type: 'preflight'; readonly findings: readonly Finding[]; readonly plan: Plan }
  /** Encoded bytes taken in for a path; `elsewhere`: they did not pass through here. */
  | { readonly type: 'bytes'; readonly path: StorePath; readonly bytes: number; readonly elsewhere?: boolean }
  | { readonly type: 'outcome'; readonly outcome: Outcome }
  /** Signatures added to a path that was there already. */
  | { readonly type: 'signed'; readonly path: StorePath; readonly signatures: readonly string[] }
  /** Another machine's words about what it was asked to do. */
  | { readonly type: 'said'; readonly who: string; readonly text: string }
  /** Something that the user should know and that stops nothing. */
  | { readonly type: 'warning'; readonly text: string };

export type OnEvent = (event: TransferEvent) => void;

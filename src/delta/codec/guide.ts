// What tells a predictor where it is wrong: a reader of mends, or a writer that knows the true bytes.

export interface Guide {
  /** So many of the next fields are right. */
  right: number;
  /** The true bytes of the window, where they are known: a field that equals them is right too. */
  readonly truth: DataView | undefined;
  /** How many fields were found right by the truth since `mend` was called last. */
  passed: number;
  /** The true target of the field at `at` of `bytes`, asked where nothing else says that it is right; `guess` if it is. */
  mend(bytes: Uint8Array, at: number, kind: number, place: number, base: number, guess: number): number;
}

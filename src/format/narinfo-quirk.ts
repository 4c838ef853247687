// What is odd about a narinfo and yet accepted by Nix, as data.

/** Something that Nix tolerates and we do, too: shown to people who look after a cache. */
export interface NarinfoQuirk {
  readonly kind: NarinfoQuirkKind;
  /** Line, counted from 1; absent for things that are not there. */
  readonly line?: number | undefined;
  readonly field?: string | undefined;
  /** One sentence for people. */
  readonly note: string;
}

export type NarinfoQuirkKind =
  | 'compression-missing'
  | 'file-hash-other-algorithm'
  | 'guix-signature'
  | 'hash-encoding'
  | 'junk-line'
  | 'number-form'
  | 'path-form'
  | 'references-missing'
  | 'references-order'
  | 'repeated-field'
  | 'signature-form'
  | 'unknown-compression'
  | 'unknown-deriver'
  | 'unknown-field'
  | 'value-without-space';

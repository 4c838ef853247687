// Which way the missing paths travel, and why: part of the plan.

/** Data: shown to people, printed as JSON, carried out. */
export type Route =
  /** From the source to the destination through this process, as one of the two is here, or a cache. */
  | { readonly kind: 'plain' }
  /** Both ends are other machines, and everything passes through here. */
  | { readonly kind: 'relayed'; readonly why: string; readonly hint?: string | undefined }
  /** From the one machine to the other, by a program started on one of them. */
  | {
      readonly kind: 'direct';
      readonly why: string;
      /** The machine on which it is started: the source sends, or the destination fetches. */
      readonly startedOn: string;
      readonly side: 'source' | 'destination';
      readonly program: DirectProgram;
      /** That machine was lent this user's ssh agent. */
      readonly forwardAgent: boolean;
    };

export type DirectProgram = 'narrow' | 'nix' | 'nix-copy-closure';

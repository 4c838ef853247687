// What both sides of a delta with predicted fields know before the first window.

import type { Fields } from '../elf/field-list.ts';
import type { ElfImage } from '../elf/image.ts';
import type { RandomBytes } from '../random-bytes.ts';

export interface Ground {
  readonly old: RandomBytes;
  readonly oldImage: ElfImage;
  /** Fields of the old file. */
  readonly fields: Fields;
  readonly freshImage: ElfImage;
  /** Bytes of the fresh file that are known already. */
  readonly start: number;
}

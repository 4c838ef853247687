// Where old addresses went, as the runs say: many at once, because each loop by itself is one the engine makes good code of.

import type { ElfImage } from '../elf/image.ts';
import type { RunMap } from './run-map.ts';

export class TargetMap {
  readonly #runs: RunMap;
  /** Of each old stretch its addresses, and what gives their offsets. */
  readonly #lows: Float64Array;
  readonly #highs: Float64Array;
  readonly #toOffsets: Float64Array;

  constructor({ stretches }: ElfImage, runs: RunMap) {
    this.#runs = runs;
    this.#lows = Float64Array.from(stretches, ({ begin, shift }) => begin + shift);
    this.#highs = Float64Array.from(stretches, ({ end, shift }) => end + shift);
    this.#toOffsets = Float64Array.from(stretches, ({ shift }) => -shift);
  }

  /** The fresh addresses of the first `count` old ones; NaN for one that has no byte. */
  follow(old: Float64Array, count: number, fresh: Float64Array): void {
    const runs = this.#runs;
    let low = 0;
    let high = 0;
    let toOffset = 0;
    for (let i = 0; i < count; i++) {
      const address = old[i]!;
      if (address < low || address >= high) {
        const stretch = this.#stretchOf(address);
        if (stretch < 0) {
          fresh[i] = NaN;
          continue;
        }
        low = this.#lows[stretch]!;
        high = this.#highs[stretch]!;
        toOffset = this.#toOffsets[stretch]!;
      }
      fresh[i] = runs.addressOf(address + toOffset);
    }
  }

  /** The number of an address's stretch; -1 where there is none. */
  #stretchOf(address: number): number {
    const lows = this.#lows;
    const highs = this.#highs;
    for (let i = 0; i < lows.length; i++) if (address >= lows[i]! && address < highs[i]!) return i;
    return -1;
  }
}

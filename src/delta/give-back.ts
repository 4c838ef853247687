// Large memory given back at once: the collector comes late to what lies outside of its heap, and meanwhile it adds up.

/** Less than this is left to the collector; it may also be part of a block that others share. */
const least = 1 << 20;

/** Frees the memory of an array that owns it; every view of it is empty from then on. */
export function giveBack({ buffer }: { readonly buffer: ArrayBufferLike }): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength >= least) buffer.transfer(0);
}

// The delta stream: what moves paths between two sides of which one has bases. Described in docs/formats/delta.md.

export { encodeDelta } from './encode.ts';
export type { DeltaBase, DeltaItem, EncodeDeltaOptions } from './encode.ts';
export { decodeDelta } from './decode.ts';
export type { DecodeDeltaOptions, DecodedPath, DeltaTarget } from './decode.ts';
export type { FileCounts, PathCause, PathReport } from './report.ts';

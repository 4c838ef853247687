// The library: what programs may build on, named one by one. Everything else may change without notice.

export { NarrowError, errorCodes, isNarrowError } from './errors.ts';
export type { ErrorCode, ErrorDetails, Place } from './errors.ts';

// Bytes. Chunks of a source are borrowed: valid until the next one is pulled.
export { bytesFrom, byteString, byteStringOf, displayBytes } from './bytes/byte-string.ts';
export type { ByteString } from './bytes/byte-string.ts';
export { bytesOf, collect } from './bytes/source.ts';
export type { ByteSource } from './bytes/source.ts';

// Values.
export { contentAddressedPath, formatContentAddress, parseContentAddress } from './model/content-address.ts';
export type { CaReferences, ContentAddress, IngestionMethod } from './model/content-address.ts';
export type { Derivation, DerivationOutput, InputNode, OutputKind } from './model/derivation.ts';
export { encodeHash, equalHash, formatHash, formatSri, hashBytes, parseHash } from './model/hash.ts';
export type { Hash, HashAlgo, HashEncoding } from './model/hash.ts';
export { fingerprint, isContentAddressed } from './model/path-info.ts';
export type { NarFile, PathInfo } from './model/path-info.ts';
export type { Realisation } from './model/realisation.ts';
export {
  TrustedKeys,
  formatPublicKey,
  formatSecretKey,
  generateKey,
  parsePublicKey,
  parseSecretKey,
  signPathInfo,
} from './model/signature.ts';
export type { PublicKey, SecretKey } from './model/signature.ts';
export {
  defaultStoreDir,
  hashPart,
  parseBaseName,
  parseStorePath,
  pathName,
  printStorePath,
} from './model/store-path.ts';
export type { StoreDir, StorePath } from './model/store-path.ts';

// Formats.
export { formatCacheInfo, parseCacheInfo } from './format/cache-info.ts';
export { decodableEncodings, decode, encodableEncodings, encode } from './format/compression.ts';
export { DerivationHasher, derivationPath } from './format/drv-hash.ts';
export { formatDrvsJson, parseDrvsJson } from './format/drv-json.ts';
export type { DrvJsonShape } from './format/drv-json.ts';
export { formatDrv, parseDrv } from './format/drv.ts';
export { readExport, writeExport } from './format/export-stream.ts';
export type { ExportInfo, ExportItem, ExportedObject, ReadExportOptions } from './format/export-stream.ts';
export { catNar } from './format/nar/cat.ts';
export { formatListing, parseListing } from './format/nar/listing-json.ts';
export { listingTree } from './format/nar/listing-tree.ts';
export { ListingBuilder } from './format/nar/listing.ts';
export type { Listing } from './format/nar/listing.ts';
export { MemorySink, memoryTree } from './format/nar/memory-tree.ts';
export type { MemoryNode } from './format/nar/memory-tree.ts';
export { packNar } from './format/nar/pack.ts';
export type { FileTree, NarVisitor, SyncFileTree, TreePath, TreeSink, TreeStat } from './format/nar/tree.ts';
export { readNar, unpackNar } from './format/nar/unpack.ts';
export { formatNarinfo, parseNarinfo } from './format/narinfo.ts';
export type { NarinfoResult } from './format/narinfo.ts';
export { formatPathInfoLine, parsePathInfos } from './format/path-info-json.ts';

// Files of this machine.
export { directorySink } from './fs/directory-sink.ts';
export { localTree } from './fs/tree.ts';

// Stores, and what is done with them.
export { readNixSettings } from './config/nix-conf.ts';
export type { NixSettings } from './config/nix-conf.ts';
export { closureOf, inOrder, walkClosure } from './closure/walk.ts';
export type { Closure, InfoQuery, MissingReference } from './closure/walk.ts';
export { isBuilding } from './store/building.ts';
export type { BuildOutcome, BuildRequestOptions, BuildTarget, BuildingStore } from './store/building.ts';
export { isInspectable } from './store/facts.ts';
export type { FreeSpace, InspectOptions, InspectableStore, StoreFacts } from './store/facts.ts';
export { openStore, openWritable } from './store/open.ts';
export type { OpenContext, OpenMode } from './store/open-context.ts';
export { isListed, isRooted, isWritable } from './store/store.ts';
export type {
  Abilities,
  AddOptions,
  Item,
  ListedStore,
  OpenNar,
  OpenOptions,
  Outcome,
  QueryOptions,
  RootedStore,
  Store,
  Verdict,
  WritableStore,
} from './store/store.ts';
export { addTree, describeTree } from './transfer/add.ts';
export type { AddRequest, Addition } from './transfer/add.ts';
export { copyClosure } from './transfer/copy.ts';
export type { CopyRequest, CopyResult } from './transfer/copy.ts';
export { derivationRoots } from './transfer/derivation-closure.ts';
export type { OnEvent, TransferEvent } from './transfer/events.ts';
export { exportOrder, exportPaths } from './transfer/export.ts';
export type { Plan, Refusal } from './transfer/plan.ts';
export { preflight } from './transfer/preflight.ts';
export type { Finding, Level, PreflightOptions, Subject } from './transfer/preflight.ts';
export { realise } from './transfer/realise.ts';
export type { RealiseRequest, RealiseResult, Realised } from './transfer/realise.ts';
export { verifyPaths } from './transfer/verify.ts';
export type { Problem, ProblemKind, Report, TrustRule, VerifyRequest } from './transfer/verify.ts';

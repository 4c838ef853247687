// What `nar list` and `nar cat` look into: a NAR in a file or a pipe, or a store path, with the way to a file within.

import { byteStringOf } from '../bytes/byte-string.ts';
import type { ByteSource } from '../bytes/source.ts';
import { NarrowError } from '../errors.ts';
import { decodeGuessed } from '../format/guess-encoding.ts';
import type { FileTree, TreePath } from '../format/nar/tree.ts';
import { openInput } from '../fs/input.ts';
import type { StoreDir, StorePath } from '../model/store-path.ts';
import { defaultStoreDir, printStorePath } from '../model/store-path.ts';
import { openStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import type { Context } from './context.ts';
import { openContext } from './context.ts';
import { isBareHashPart, resolveInStore } from './installable.ts';
import { resolvePaths } from './options.ts';

export interface PlaceOptions {
  readonly store?: string;
  readonly compression?: string;
}

/** The inside of a store object, named as the user named it. */
export interface NarPlace extends AsyncDisposable {
  readonly name: string;
  /** Below the root of the object. */
  readonly path: TreePath;
  /** Random access, for a path of a store; else there is a NAR that streams past, decoded. */
  readonly tree: FileTree | undefined;
  nar(): ByteSource;
}

/** Finds what `text` means, and `inner` within it. Throws `missing`, `io`, `usage`. */
export async function openPlace(
  text: string,
  inner: string | undefined,
  options: PlaceOptions,
  context: Context,
): Promise<NarPlace> {
  const inStore = options.store !== undefined || (text !== '-' && isInStore(storeDirOf(process.env), text));
  return inStore ? openStorePlace(text, inner, options, context) : openNarPlace(text, inner, options, context);
}

function storeDirOf(env: NodeJS.ProcessEnv): StoreDir {
  return env['NIX_STORE_DIR'] || defaultStoreDir;
}

function isInStore(storeDir: StoreDir, text: string): boolean {
  try {
    resolveInStore(storeDir, text);
    return true;
  } catch {
    return isBareHashPart(text);
  }
}

async function openNarPlace(
  text: string,
  inner: string | undefined,
  { compression }: PlaceOptions,
  { signal }: Context,
): Promise<NarPlace> {
  const input = await openInput(text, signal);
  return {
    name: input.name,
    path: treePath(inner),
    tree: undefined,
    nar: () => decodeGuessed(input.read(), { name: input.name, encoding: compression, signal }),
    [Symbol.asyncDispose]: () => input[Symbol.asyncDispose](),
  };
}

async function openStorePlace(
  text: string,
  inner: string | undefined,
  { store: url = 'auto' }: PlaceOptions,
  context: Context,
): Promise<NarPlace> {
  await using stack = new AsyncDisposableStack();
  const store = stack.use(await openStore(url, openContext(context)));
  const found = await locate(store, text);
  const info = (await store.pathInfos([found.path], { signal: context.signal })).get(found.path);
  const name = printStorePath(store.storeDir, found.path);
  if (!info) throw new NarrowError('missing', `${store.url} does not have ${name}`, { data: { path: name } });
  const tree = await store.tree(info, { signal: context.signal });
  const kept = stack.move();
  return {
    name,
    path: [...treePath(found.inner), ...treePath(inner)],
    tree,
    nar: () => [],
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function locate(store: Store, text: string): Promise<{ path: StorePath; inner: string }> {
  if (!isBareHashPart(text)) return resolveInStore(store.storeDir, text);
  return { path: (await resolvePaths(store, [text]))[0]!, inner: '' };
}

/** The names of a path such as `/bin/hello`; empty ones and `.` mean nothing. */
export function treePath(text = ''): TreePath {
  return text
    .split('/')
    .filter((name) => name !== '' && name !== '.')
    .map(byteStringOf);
}

// What lies below a directory on an SFTP server. A server tells about a hundred names at a time: many such questions are on
// their way at once, of many directories.

import { isDirectory, isFile, isLink } from '../../protocol/sftp/attributes.ts';
import type { FileAttributes } from '../../protocol/sftp/attributes.ts';
import type { NamedAttributes, SftpHandle } from '../../protocol/sftp/operations.ts';
import { sftpOperations as ops } from '../../protocol/sftp/operations.ts';
import { isSftpFailure, sftpStatus } from '../../protocol/sftp/status.ts';
import type { ListedCacheFile } from './files.ts';
import { referenceOf } from './files.ts';
import type { SftpPlace } from './sftp-place.ts';

/** Questions on their way for one directory. */
const atOnce = 16;
/** Directories listed at once. */
const directories = 16;
/** No cache is as deep: links that lead in circles end here. */
const deepest = 16;

/** What is in one directory, but for itself and the one above; nothing when there is none. Throws `io`. */
export async function namesIn(place: SftpPlace, directory: string): Promise<NamedAttributes[]> {
  const path = place.join(directory);
  const { client } = place;
  try {
    return await place.withHandle(
      () => client.call(ops.openDirectory, { path }),
      async (handle) => {
        try {
          return await allNames(place, handle);
        } finally {
          client.tell(ops.close, { handle });
        }
      },
    );
  } catch (error) {
    if (isSftpFailure(error, sftpStatus.noSuchFile)) return [];
    throw await place.explain('list', path, error);
  }
}

async function allNames({ client }: SftpPlace, handle: SftpHandle): Promise<NamedAttributes[]> {
  const found: NamedAttributes[] = [];
  let ended = false;
  const ask = async (): Promise<void> => {
    while (!ended) {
      const names = await client.call(ops.readDirectory, { handle });
      if (!names) ended = true;
      else for (const one of names) if (one.name !== '.' && one.name !== '..') found.push(one);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, ask));
  return found;
}

/** Files below a directory at any depth, references from the root. Links are followed: people keep `nar` on another disk. */
export async function* listTree(
  place: SftpPlace,
  from: string,
  signal?: AbortSignal,
): AsyncGenerator<ListedCacheFile, void, undefined> {
  const open = [from];
  while (open.length > 0) {
    signal?.throwIfAborted();
    const turn = open.splice(0, directories);
    const lists = await Promise.all(
      turn.map(async (directory) => ({ directory, names: await namesIn(place, directory) })),
    );
    for (const { directory, names } of lists) {
      const found = await Promise.all(names.map((one) => behindLink(place, directory, one)));
      for (const one of found) {
        if (!one) continue;
        const name = directory === '' ? one.name : `${directory}/${one.name}`;
        if (isDirectory(one)) {
          if (name.split('/').length < deepest) open.push(name);
        } else if (isFile(one)) yield listed(name, one);
      }
    }
  }
}

/** What a link leads to; undefined where it leads nowhere. */
async function behindLink(
  place: SftpPlace,
  directory: string,
  one: NamedAttributes,
): Promise<NamedAttributes | undefined> {
  if (!isLink(one)) return one;
  const path = place.join(directory === '' ? one.name : `${directory}/${one.name}`);
  const attributes = await place.callOrAbsent('look at', path, ops.stat, { path });
  return attributes && { ...attributes, name: one.name };
}

/** Times are whole seconds here: a file written twice within one, at the same size, seems the same. */
function listed(name: string, { size = 0, modified = 0, accessed }: FileAttributes): ListedCacheFile {
  return {
    reference: referenceOf(name),
    size,
    modified: modified * 1000,
    accessed: accessed === undefined ? undefined : accessed * 1000,
    version: `${size}-${modified}`,
  };
}

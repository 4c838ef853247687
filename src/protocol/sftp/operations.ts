// SFTP's operations: one row each. Version 3, which is what every server speaks, and what OpenSSH has added to it
// (PROTOCOL in its sources). Only what a cache needs.

import type { FileAttributes } from './attributes.ts';
import { getAttributes, putAttributes } from './attributes.ts';
import type { PacketReader, PacketWriter } from './packet.ts';

/** Numbers of packets that are no requests of their own. */
export const sftpPacket = { init: 1, version: 2, extended: 200, status: 101 } as const;
const reply = { handle: 102, data: 103, name: 104, attributes: 105, extended: 201 } as const;

export interface SftpOperation<Q, R> {
  readonly name: string;
  readonly number: number;
  /** What OpenSSH calls it, where it is one of its own: only with servers that offer it. */
  readonly extension: string | undefined;
  put(out: PacketWriter, request: Q): void;
  /** What answers; undefined where all that is answered is a status. */
  readonly answer: number | undefined;
  /** Reads the answer; without one, what "done" or the end of the file means. */
  get(input: PacketReader | undefined): R;
  /** The end of the file is an answer, too. */
  readonly ends: boolean;
}

export interface OpenRequest {
  readonly path: string;
  readonly flags: number;
  readonly mode?: number | undefined;
}

/** A file that the server has open; opaque. */
export type SftpHandle = Uint8Array;

export interface NamedAttributes extends FileAttributes {
  readonly name: string;
}

export interface FileSystemSpace {
  /** Bytes of a block. */
  readonly block: number;
  /** Blocks that this user may fill. */
  readonly available: number;
  /** Files that may still be made; servers of file systems without such a number say 0 of `files`, too. */
  readonly files: number;
  readonly filesFree: number;
  readonly readOnly: boolean;
}

export interface ServerLimits {
  /** Bytes of the largest read and write; 0 where not told. */
  readonly read: number;
  readonly write: number;
  /** Files open at once; 0 where not told. */
  readonly handles: number;
}

export const openFlags = { read: 1, write: 2, create: 8, truncate: 16, exclusive: 32 } as const;

interface AtPath {
  readonly path: string;
}

interface AtHandle {
  readonly handle: SftpHandle;
}

interface Move {
  readonly from: string;
  readonly to: string;
}

const putPath = (out: PacketWriter, { path }: AtPath): void => void out.text(path);
const putHandle = (out: PacketWriter, { handle }: AtHandle): void => void out.bytes(handle);
const putMove = (out: PacketWriter, { from, to }: Move): void => void out.text(from).text(to);

/** Answered with a status only. */
function act<Q>(number: number, name: string, put: (out: PacketWriter, request: Q) => void): SftpOperation<Q, void> {
  return { number, name, put, extension: undefined, answer: undefined, get() {}, ends: false };
}

function ask<Q, R>(
  number: number,
  name: string,
  put: (out: PacketWriter, request: Q) => void,
  answer: number,
  get: (input: PacketReader) => R,
): SftpOperation<Q, R> {
  return { number, name, put, extension: undefined, answer, get: (input) => get(input!), ends: false };
}

function untilEnd<Q, R>(operation: SftpOperation<Q, R>): SftpOperation<Q, R | undefined> {
  return { ...operation, get: (input) => input && operation.get(input), ends: true };
}

function extension<Q, R>(name: string, operation: SftpOperation<Q, R>): SftpOperation<Q, R> {
  return { ...operation, name, extension: name };
}

export interface SftpTable {
  readonly open: SftpOperation<OpenRequest, SftpHandle>;
  readonly close: SftpOperation<AtHandle, void>;
  /** Undefined at the end of the file. Fewer bytes than asked for are its last. */
  readonly read: SftpOperation<AtHandle & { readonly offset: number; readonly length: number }, Buffer | undefined>;
  readonly write: SftpOperation<AtHandle & { readonly offset: number; readonly data: Uint8Array }, void>;
  readonly fstat: SftpOperation<AtHandle, FileAttributes>;
  readonly fsetstat: SftpOperation<AtHandle & { readonly mode: number }, void>;
  readonly openDirectory: SftpOperation<AtPath, SftpHandle>;
  /** Some of the names, with what lies under them, not behind links; undefined after the last. */
  readonly readDirectory: SftpOperation<AtHandle, NamedAttributes[] | undefined>;
  readonly remove: SftpOperation<AtPath, void>;
  readonly makeDirectory: SftpOperation<AtPath & { readonly mode: number }, void>;
  /** Follows links. */
  readonly stat: SftpOperation<AtPath, FileAttributes>;
  /** Fails where there is a file of the new name. */
  readonly rename: SftpOperation<Move, void>;
  /** Replaces a file of the new name. */
  readonly posixRename: SftpOperation<Move, void>;
  /** Fails where there is a file of the new name. */
  readonly hardLink: SftpOperation<Move, void>;
  readonly fsync: SftpOperation<AtHandle, void>;
  readonly space: SftpOperation<AtPath, FileSystemSpace>;
  readonly limits: SftpOperation<object, ServerLimits>;
}

export const sftpOperations: SftpTable = {
  open: ask(
    3,
    'open',
    (out, { path, flags, mode }: OpenRequest) => putAttributes(out.text(path).u32(flags), { mode }),
    reply.handle,
    (input): SftpHandle => input.bytes(),
  ),
  close: act(4, 'close', putHandle),
  read: untilEnd(
    ask(
      5,
      'read',
      (out, { handle, offset, length }: AtHandle & { readonly offset: number; readonly length: number }) =>
        void out.bytes(handle).u64(offset).u32(length),
      reply.data,
      (input) => input.bytes(),
    ),
  ),
  write: act(6, 'write', (out, { handle, offset, data }) => {
    out.bytes(handle).u64(offset).bytes(data);
  }),
  fstat: ask(8, 'fstat', putHandle, reply.attributes, getAttributes),
  fsetstat: act(10, 'fsetstat', (out, { handle, mode }) => putAttributes(out.bytes(handle), { mode })),
  openDirectory: ask(11, 'opendir', putPath, reply.handle, (input): SftpHandle => input.bytes()),
  readDirectory: untilEnd(ask(12, 'readdir', putHandle, reply.name, getNames)),
  remove: act(13, 'remove', putPath),
  makeDirectory: act(14, 'mkdir', (out, { path, mode }) => putAttributes(out.text(path), { mode })),
  stat: ask(17, 'stat', putPath, reply.attributes, getAttributes),
  rename: act(18, 'rename', putMove),
  posixRename: extension('posix-rename@openssh.com', act(sftpPacket.extended, '', putMove)),
  hardLink: extension('hardlink@openssh.com', act(sftpPacket.extended, '', putMove)),
  fsync: extension('fsync@openssh.com', act(sftpPacket.extended, '', putHandle)),
  space: extension('statvfs@openssh.com', ask(sftpPacket.extended, '', putPath, reply.extended, getSpace)),
  limits: extension(
    'limits@openssh.com',
    ask(sftpPacket.extended, '', () => {}, reply.extended, getLimits),
  ),
};

function getNames(input: PacketReader): NamedAttributes[] {
  const names: NamedAttributes[] = [];
  for (let count = input.u32(); count > 0; count--) {
    const name = input.text();
    // as ls prints it
    input.bytes();
    names.push({ name, ...getAttributes(input) });
  }
  return names;
}

const readOnlyFlag = 1;

function getSpace(input: PacketReader): FileSystemSpace {
  input.u64();
  const block = input.u64();
  for (let skipped = 0; skipped < 2; skipped++) input.u64();
  const [available, files] = [input.u64(), input.u64()];
  input.u64();
  const filesFree = input.u64();
  input.u64();
  return { block, available, files, filesFree, readOnly: input.u64() % 2 === readOnlyFlag };
}

function getLimits(input: PacketReader): ServerLimits {
  input.u64();
  const [read, write] = [input.u64(), input.u64()];
  return { read, write, handles: input.left >= 8 ? input.u64() : 0 };
}

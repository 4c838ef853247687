// How an SFTP server says no: a number, and words that mostly repeat it.

import { NarrowError } from '../../errors.ts';
import type { ErrorCode } from '../../errors.ts';
import { plainText } from '../remote-error.ts';

/** Version 3 knows no more; everything without a number of its own (disk full, exists already, read-only) is `failure`. */
export const sftpStatus = {
  ok: 0,
  endOfFile: 1,
  noSuchFile: 2,
  permissionDenied: 3,
  failure: 4,
  badMessage: 5,
  unsupported: 8,
} as const;

const codes: Readonly<Record<number, ErrorCode>> = {
  [sftpStatus.noSuchFile]: 'missing',
  [sftpStatus.permissionDenied]: 'refused',
  [sftpStatus.unsupported]: 'unsupported',
};

/** A request that was answered with "no". */
export class SftpFailure extends NarrowError {
  readonly status: number;

  constructor(name: string, operation: string, status: number, message: string) {
    const words = plainText(message).trim() || `status ${status}`;
    super(codes[status] ?? 'io', `${name}: ${operation}: ${words}`, { data: { status, remote: words } });
    this.status = status;
  }
}

/** True for a refusal, optionally with one of these numbers. */
export function isSftpFailure(error: unknown, ...statuses: readonly number[]): error is SftpFailure {
  return error instanceof SftpFailure && (statuses.length === 0 || statuses.includes(error.status));
}

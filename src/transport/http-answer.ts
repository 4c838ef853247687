// An answer of a web server, its body still on the way.

import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';

/** An answer with one of the statuses that mean success or missing. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Where it came from in the end. */
  readonly url: string;
  /** Unread bytes; a broken connection ends them with an error. */
  readonly body: Dispatcher.ResponseData['body'];
}

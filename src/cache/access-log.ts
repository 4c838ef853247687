// What a web server's access log says of a cache: which narinfos and NARs were given out, and when. The common and combined
// formats of nginx and Apache, and any line with an ISO date; lines about anything else are passed over.

import type { ByteSource } from '../bytes/source.ts';
import type { LoggedUses } from './uses.ts';

const request = /"(?:GET|HEAD) [^" ]*?\/(?:([0-9a-df-np-sv-z]{32})\.narinfo|(nar\/[^" ?]+))[^"]*" (\d{3})\b/;
const common = /\[(\d{2})\/([A-Z][a-z]{2})\/(\d{4}):(\d{2}):(\d{2}):(\d{2}) ([+-]\d{2})(\d{2})\]/;
const iso = /\b\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})/;
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
/** A line that is longer tells nothing. */
const maxLine = 65_536;

/** Gathers uses of any number of logs. */
export class AccessLog {
  readonly #times = new Map<string, number>();
  #from: number | undefined;
  #to: number | undefined;

  /** Reads a log to its end. */
  async read(source: ByteSource): Promise<void> {
    let rest = '';
    for await (const chunk of source) {
      const lines = (rest + Buffer.from(chunk).toString('latin1')).split('\n');
      rest = lines.pop()!.slice(-maxLine);
      for (const line of lines) this.line(line);
    }
    if (rest !== '') this.line(rest);
  }

  line(line: string): void {
    const time = timeOf(line);
    if (time === undefined) return;
    if (this.#from === undefined || time < this.#from) this.#from = time;
    if (this.#to === undefined || time > this.#to) this.#to = time;
    const match = request.exec(line);
    if (!match || !isGiven(match[3]!)) return;
    const key = match[1] ?? match[2]!;
    if (time > (this.#times.get(key) ?? 0)) this.#times.set(key, time);
  }

  uses(): LoggedUses {
    return { times: this.#times, from: this.#from, to: this.#to };
  }
}

function isGiven(status: string): boolean {
  return status === '200' || status === '206' || status === '304';
}

function timeOf(line: string): number | undefined {
  const match = common.exec(line);
  if (match) {
    const [, day, month, year, hour, minute, second, zoneHours, zoneMinutes] = match;
    const number = String(months.indexOf(month!) + 1).padStart(2, '0');
    const time = Date.parse(`${year}-${number}-${day}T${hour}:${minute}:${second}${zoneHours}:${zoneMinutes}`);
    return Number.isNaN(time) ? undefined : time;
  }
  const text = iso.exec(line)?.[0];
  const time = text === undefined ? NaN : Date.parse(text);
  return Number.isNaN(time) ? undefined : time;
}

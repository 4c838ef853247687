// Progress of a copy: a frame with bytes, rate and ETA on a terminal, plain lines now and then elsewhere.

import type { StorePath } from '../../model/store-path.ts';
import { pathName } from '../../model/store-path.ts';
import type { TransferEvent } from '../../transfer/events.ts';
import type { Plan } from '../../transfer/plan.ts';
import type { Outcome } from '../../store/store.ts';
import type { Context } from '../context.ts';
import { count, formatBytes, formatDuration } from './human.ts';

const frameInterval = 100;
const lineInterval = 5000;
/** Paths shown at a time, those that began first. */
const shownPaths = 4;
/** The rate is that of the last seconds, or a stall would hide behind a fast start. */
const rateWindow = 5000;
/** A phase that takes longer than this says how long it has taken. */
const longPhase = 2000;

export interface Progress {
  event(event: TransferEvent): void;
  /** So many bytes more were read in the present phase, of a stream whose contents are not known yet. */
  read(bytes: number): void;
  /** Takes the frame away; no more is painted. */
  stop(): void;
}

interface Running {
  readonly path: StorePath;
  readonly size: number;
  got: number;
}

/** What is known of a running copy, and how it reads. Times in milliseconds. */
export class CopyState {
  #plan: Plan | undefined;
  #waiting: Plan | undefined;
  #phase: { text: string; since: number; bytes?: number | undefined } = { text: '', since: 0 };
  /** All that was taken in, also what had to be read again: for the rate. */
  #taken = 0;
  /** When bytes last came in. */
  #last = 0;
  #done = 0;
  #doneBytes = 0;
  readonly #sizes = new Map<StorePath, number>();
  readonly #running = new Map<StorePath, Running>();
  readonly #samples: { time: number; bytes: number }[] = [];

  event(event: TransferEvent, now: number): void {
    if (event.type === 'phase') this.#enter(event.text, now, event.bytes);
    if (event.type === 'plan') this.#planned(event.plan, now);
    if (event.type === 'bytes') this.#took(event.path, event.bytes, now);
    if (event.type === 'outcome') this.#ended(event.outcome);
  }

  #enter(text: string, now: number, bytes?: number): void {
    this.#phase = { text, since: now, bytes };
    this.#taken = 0;
    this.#samples.length = 0;
  }

  /** Bytes of the present phase. */
  read(bytes: number, now: number): void {
    this.#taken += bytes;
    this.#sample(now);
  }

  /** What travels between two other machines may never be told of: until it is, the phase is all there is to show. */
  #planned(plan: Plan, now: number): void {
    if (plan.route.kind === 'direct') this.#waiting = plan;
    else this.#begin(plan, now);
  }

  #begin(plan: Plan, now: number): void {
    this.#enter('', now);
    this.#plan = plan;
    this.#waiting = undefined;
    this.#last = now;
    this.#done = this.#doneBytes = 0;
    this.#running.clear();
    const wire = plan.fileSize !== undefined;
    for (const info of plan.missing) this.#sizes.set(info.path, wire ? info.file!.size! : info.narSize);
  }

  #took(path: StorePath, bytes: number, now: number): void {
    if (this.#waiting) this.#begin(this.#waiting, now);
    this.#taken += bytes;
    this.#last = now;
    const running = this.#running.get(path) ?? { path, got: 0, size: this.#sizes.get(path) ?? 0 };
    running.got += bytes;
    this.#running.set(path, running);
    this.#sample(now);
  }

  #sample(now: number): void {
    this.#samples.push({ time: now, bytes: this.#taken });
    while (this.#samples.length > 2 && this.#samples[0]!.time < now - rateWindow) this.#samples.shift();
  }

  /** What failed is not done: its bytes, which may all have been read, count no more. */
  #ended(outcome: Outcome): void {
    const { path } = outcome;
    this.#running.delete(path);
    const size = this.#sizes.get(path);
    if (size === undefined || 'error' in outcome) return;
    this.#done++;
    this.#doneBytes += size;
  }

  /** Bytes a second of late. */
  rate(now: number): number {
    const first = this.#samples[0];
    return first && now > first.time ? ((this.#taken - first.bytes) * 1000) / (now - first.time) : 0;
  }

  /** Empty when there is nothing to tell. */
  line(now: number): string {
    return this.#parts(now).join('  ');
  }

  #parts(now: number): string[] {
    if (!this.#plan) return this.#phaseParts(now);
    const all = this.#plan.missing.length;
    // what comes after the copy, such as builds
    if (this.#done === all && this.#phase.text !== '') return this.#phaseParts(now);
    if (all === 0) return [];
    const total = this.#plan.fileSize ?? this.#plan.narSize;
    const running = [...this.#running.values()];
    const read = running.filter(isRead).length;
    const bytes = this.#doneBytes + running.reduce((sum, one) => sum + Math.min(one.got, one.size), 0);
    // reading is not all: what is read is still compressed, written, and registered after its references
    const percent = this.#done === all ? 100 : Math.min(99, total > 0 ? Math.floor((100 * bytes) / total) : 99);
    const amounts = [`${String(percent).padStart(3)} %`, `${formatBytes(bytes)} of ${formatBytes(total)}`];
    if (this.#done === all) return [...amounts, `${all} of ${count(all, 'path')}`];
    if (bytes >= total && read > 0)
      return [...amounts, `all read, finishing ${read} of ${count(all, 'path')}`, ...elapsed(now - this.#last)];
    const rate = this.rate(now);
    const eta = formatDuration(rate > 0 ? (total - bytes) / rate : Infinity);
    const more = read > 0 ? `, ${read} more read` : '';
    return [...amounts, `${formatBytes(rate)}/s`, `ETA ${eta}`, `${this.#done} of ${count(all, 'path')}${more}`];
  }

  #phaseParts(now: number): string[] {
    const { text, since, bytes } = this.#phase;
    if (text === '') return [];
    if (this.#taken === 0) return [text, ...elapsed(now - since)];
    const rate = this.rate(now);
    const amounts = (part: string): string[] => [text, part, `${formatBytes(rate)}/s`];
    if (bytes === undefined) return [...amounts(formatBytes(this.#taken)), ...elapsed(now - since)];
    const eta = formatDuration(rate > 0 ? Math.max(0, bytes - this.#taken) / rate : Infinity);
    return [...amounts(`${formatBytes(this.#taken)} of ${formatBytes(bytes)}`), `ETA ${eta}`, ...elapsed(now - since)];
  }

  /** The line, on as many as it needs, and paths on their way: first those that bytes are still awaited of. */
  frame(now: number, width: number): string[] {
    const running = [...this.#running.values()];
    const order = [...running.filter((one) => !isRead(one)), ...running.filter(isRead)];
    const paths = order.slice(0, shownPaths).map(({ path, got, size }) => {
      const part = got >= size ? 'all' : formatBytes(got);
      return `       ${part.padStart(9)} of ${formatBytes(size).padStart(9)}  ${pathName(path)}`;
    });
    return [...wrapped(this.#parts(now), width), ...paths];
  }
}

function isRead({ got, size }: Running): boolean {
  return got >= size;
}

function elapsed(time: number): string[] {
  return time < longPhase ? [] : [`(${formatDuration(time / 1000)})`];
}

/** Parts side by side, as many on a line as fit. */
function wrapped(parts: readonly string[], width: number): string[] {
  const lines: string[] = [];
  for (const part of parts) {
    const joined = `${lines.at(-1) ?? ''}  ${part}`;
    if (lines.length > 0 && joined.length < width) lines[lines.length - 1] = joined;
    else lines.push(lines.length === 0 ? part : `       ${part}`);
  }
  return lines;
}

/** Progress on standard error: painted when it is a terminal, else a line every five seconds. */
export function startProgress({ frame, say, signal }: Pick<Context, 'frame' | 'say' | 'signal'>): Progress {
  const state = new CopyState();
  const tick = (): void => {
    // what is being stopped goes nowhere any more
    if (signal.aborted) return frame?.clear();
    const now = performance.now();
    const line = state.line(now);
    if (frame) frame.paint(state.frame(now, frame.width));
    else if (line !== '') say(line);
  };
  const timer = setInterval(tick, frame ? frameInterval : lineInterval);
  timer.unref();
  return {
    event(event) {
      state.event(event, performance.now());
      if (event.type === 'warning') say(`warning: ${event.text}`);
    },
    read(bytes) {
      state.read(bytes, performance.now());
    },
    stop() {
      clearInterval(timer);
      frame?.clear();
    },
  };
}

// Progress of a copy: a frame with bytes, rate and ETA on a terminal, plain lines now and then elsewhere.

import type { WriteStream } from 'node:tty';
import type { StorePath } from '../../model/store-path.ts';
import { pathName } from '../../model/store-path.ts';
import type { TransferEvent } from '../../transfer/events.ts';
import type { Plan } from '../../transfer/plan.ts';
import { count, formatBytes, formatDuration } from './human.ts';
import { Frame } from './terminal.ts';

const frameInterval = 100;
const lineInterval = 5000;
/** Paths shown at a time, those that began first. */
const shownPaths = 4;
/** The rate is that of the last seconds, or a stall would hide behind a fast start. */
const rateWindow = 5000;

export interface Progress {
  event(event: TransferEvent): void;
  /** Takes the frame away; no more is painted. */
  stop(): void;
}

/** What is known of a running copy, and how it reads. */
export class CopyState {
  #plan: Plan | undefined;
  #phase = '';
  #bytes = 0;
  #done = 0;
  readonly #sizes = new Map<StorePath, number>();
  readonly #running = new Map<StorePath, { got: number; size: number }>();
  readonly #samples: { time: number; bytes: number }[] = [];

  get moving(): boolean {
    return this.#plan !== undefined && this.#plan.missing.length > 0;
  }

  event(event: TransferEvent, now: number): void {
    if (event.type === 'phase') this.#phase = event.text;
    if (event.type === 'plan') {
      this.#plan = event.plan;
      for (const info of event.plan.missing) this.#sizes.set(info.path, info.file?.size ?? info.narSize);
    }
    if (event.type === 'bytes') this.#took(event.path, event.bytes, now);
    if (event.type === 'outcome') {
      this.#done++;
      this.#running.delete(event.outcome.path);
    }
  }

  #took(path: StorePath, bytes: number, now: number): void {
    this.#bytes += bytes;
    const running = this.#running.get(path) ?? { got: 0, size: this.#sizes.get(path) ?? 0 };
    running.got += bytes;
    this.#running.set(path, running);
    this.#samples.push({ time: now, bytes: this.#bytes });
    while (this.#samples.length > 2 && this.#samples[0]!.time < now - rateWindow) this.#samples.shift();
  }

  /** Bytes a second of late. */
  rate(now: number): number {
    const first = this.#samples[0];
    return first && now > first.time ? ((this.#bytes - first.bytes) * 1000) / (now - first.time) : 0;
  }

  line(now: number): string {
    if (!this.#plan) return this.#phase;
    const total = this.#plan.fileSize ?? this.#plan.narSize;
    const rate = this.rate(now);
    const eta = rate > 0 ? Math.max(total - this.#bytes, 0) / rate : Infinity;
    const percent = total > 0 ? Math.min(100, Math.floor((100 * this.#bytes) / total)) : 100;
    return (
      `${String(percent).padStart(3)} %  ${formatBytes(this.#bytes)} of ${formatBytes(total)}  ${formatBytes(rate)}/s  ` +
      `ETA ${formatDuration(eta)}  ${this.#done} of ${count(this.#plan.missing.length, 'path')}`
    );
  }

  frame(now: number): string[] {
    const paths = [...this.#running].slice(0, shownPaths).map(([path, { got, size }]) => {
      return `       ${formatBytes(got).padStart(9)} of ${formatBytes(size).padStart(9)}  ${pathName(path)}`;
    });
    return [this.line(now), ...paths];
  }
}

/** Progress on `stream`: painted when it is a terminal, else a line every five seconds. */
export function startProgress(stream: WriteStream, say: (text: string) => void): Progress {
  const state = new CopyState();
  const frame = stream.isTTY ? new Frame(stream) : undefined;
  const tick = (): void => {
    if (frame) frame.paint(state.frame(performance.now()));
    else if (state.moving) say(state.line(performance.now()));
  };
  const timer = setInterval(tick, frame ? frameInterval : lineInterval);
  timer.unref();
  return {
    event(event) {
      state.event(event, performance.now());
      if (event.type !== 'warning') return;
      if (frame) frame.above(`warning: ${event.text}`);
      else say(`warning: ${event.text}`);
    },
    stop() {
      clearInterval(timer);
      frame?.clear();
    },
  };
}

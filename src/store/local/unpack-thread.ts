// A thread that unpacks objects: its NARs come through shared slots, decoding, checks and writing happen here. Locks,
// temporary roots and the database stay with the thread that started it. Started by unpack-pool.ts.

import { enableCompileCache } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import { packError } from '../../fs/crossing-error.ts';
import type { FileRange } from '../../fs/file-range.ts';
import type { OpenNar } from '../store.ts';
import type { Order, Report, ThreadSetup } from './unpack-messages.ts';
import { SLOT_SIZE } from './unpack-messages.ts';

const setup = workerData as ThreadSetup;
if (setup.compileCache !== undefined) enableCompileCache(setup.compileCache);
const { unpackObject } = await import('./object.ts');
const { readRange } = await import('../../fs/file-range.ts');
const port = parentPort!;
const jobs = new Map<number, Job>();

function tell(report: Report): void {
  port.postMessage(report);
}

/** The bytes of one NAR, in the order in which they arrive. */
class Job {
  readonly #slots: { readonly slot: number; readonly length: number }[] = [];
  #end: 'whole' | 'failed' | undefined;
  #wake: (() => void) | undefined;

  bytes(slot: number, length: number): void {
    this.#slots.push({ slot, length });
    this.#wake?.();
  }

  end(failed: boolean): void {
    this.#end = failed ? 'failed' : 'whole';
    this.#wake?.();
  }

  async *read(): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const next = this.#slots.shift();
      if (next) {
        try {
          yield new Uint8Array(setup.slots, next.slot * SLOT_SIZE, next.length);
        } finally {
          tell({ type: 'free', slot: next.slot });
        }
      } else if (this.#end === 'whole') return;
      else if (this.#end === 'failed') throw gone();
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** The bytes of a file, which nobody sends. */
  *readFile(range: FileRange): Generator<Uint8Array, void, undefined> {
    for (const chunk of readRange(range)) {
      if (this.#end !== undefined) throw gone();
      yield chunk;
    }
  }

  /** Gives up what was not read. */
  leave(): void {
    for (const { slot } of this.#slots.splice(0)) tell({ type: 'free', slot });
  }
}

/** Known, with its reason, where the job comes from. */
function gone(): Error {
  return new Error('the job was given up');
}

async function begin(order: Order & { type: 'begin' }): Promise<void> {
  const { job: id, info, encoding, local, realDir, optimise } = order;
  const job = new Job();
  jobs.set(id, job);
  const open = async (): Promise<OpenNar> => ({ encoding, bytes: local ? job.readFile(local) : job.read() });
  const onBytes = local && ((bytes: number) => tell({ type: 'read', job: id, bytes }));
  try {
    const intake = await unpackObject({ info, open }, { realDir, optimise, onBytes });
    tell({ type: 'done', job: id, intake });
  } catch (error) {
    tell({ type: 'failed', job: id, error: packError(error) });
  }
  jobs.delete(id);
  job.leave();
}

port.on('message', (order: Order) => {
  switch (order.type) {
    case 'begin':
      void begin(order);
      break;
    case 'bytes': {
      const job = jobs.get(order.job);
      if (job) job.bytes(order.slot, order.length);
      else tell({ type: 'free', slot: order.slot });
      break;
    }
    case 'end':
      jobs.get(order.job)?.end(order.failed);
      break;
  }
});
tell({ type: 'ready' });

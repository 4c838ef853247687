// A thread that works on open files: descriptors are the process's, so they pass as numbers. Started by file-threads.ts.

import { enableCompileCache } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import type { FileOrder, FileReport, FileThreadSetup } from './file-threads.ts';

const setup = workerData as FileThreadSetup;
if (setup.compileCache !== undefined) enableCompileCache(setup.compileCache);
const { doFileJob } = await import('./file-job.ts');
const { packError } = await import('./crossing-error.ts');
const port = parentPort!;
const pending = new Int32Array(setup.pending);

function answer({ id, job }: FileOrder): FileReport {
  try {
    return { id, result: doFileJob(job) };
  } catch (error) {
    return { id, failure: packError(error) };
  }
}

port.on('message', (order: FileOrder) => {
  const report = answer(order);
  Atomics.sub(pending, 0, 1);
  port.postMessage(report);
});

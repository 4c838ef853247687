// The thread that writes what another one makes. Started by threaded-output.ts. It does not come back to its event loop before
// the end: between two pieces it sleeps in the ring.

import { enableCompileCache } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import type { WriteReport, WriteThreadSetup } from './threaded-output.ts';

const { memory, fd, name, compileCache } = workerData as WriteThreadSetup;
if (compileCache !== undefined) enableCompileCache(compileCache);
const { packError } = await import('./crossing-error.ts');
const { DirectOutput } = await import('./direct-output.ts');
const { WriteRing } = await import('./write-ring.ts');

const ring = new WriteRing(memory);
const never = new Int32Array(new SharedArrayBuffer(4));

function run(): WriteReport {
  try {
    using output = new DirectOutput(fd, name);
    ring.start();
    for (let bytes = ring.next(); bytes; bytes = ring.next()) {
      // the other side may take no more for now
      for (let at = output.some(bytes); at < bytes.length; at = output.some(bytes, at)) Atomics.wait(never, 0, 0, 1);
      ring.written();
    }
    return { type: 'finished' };
  } catch (error) {
    return { type: 'failed', error: packError(error) };
  }
}

const report = run();
if (report.type === 'failed') ring.fail();
parentPort!.postMessage(report);

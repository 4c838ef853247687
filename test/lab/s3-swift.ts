// OpenStack Swift's S3, which checks signatures: a server of others, as setup.sh unpacked it, in a process that ends with the test's.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { labDir, projectDir, remove, tempDir } from './temp.ts';

export interface Swift extends AsyncDisposable {
  readonly port: number;
  /** The environment with its keys. */
  readonly env: Readonly<Record<string, string>>;
  /** Makes a bucket and returns its URL. */
  bucket(name: string): Promise<string>;
}

const keys = { accessKeyId: 'lab:alice', secretAccessKey: 'lab-secret' };

export async function startSwift(): Promise<Swift> {
  const top = tempDir('swift');
  const script = join(projectDir, 'test/lab/s3-swift.py');
  const argv = ['--pdeathsig', 'TERM', join(labDir, 'swift/bin/python'), script, top, 'alice', keys.secretAccessKey];
  const child = spawn('setpriv', argv, { stdio: ['pipe', 'pipe', 'ignore'] });
  const closed = once(child, 'close');
  const lines = createInterface({ input: child.stdout });
  const [first] = (await Promise.race([once(lines, 'line'), closed])) as [string | number | null];
  if (typeof first !== 'string') throw new Error('Swift does not start: run `make setup` as root');
  const port = Number(first);
  const endpoint = `http://127.0.0.1:${port}`;
  const client = new S3Client({ region: 'us-east-1', endpoint, forcePathStyle: true, credentials: keys });
  return {
    port,
    env: { AWS_ACCESS_KEY_ID: keys.accessKeyId, AWS_SECRET_ACCESS_KEY: keys.secretAccessKey },
    async bucket(name) {
      await client.send(new CreateBucketCommand({ Bucket: name }));
      return `s3://${name}?endpoint=127.0.0.1:${port}&scheme=http&region=us-east-1`;
    },
    async [Symbol.asyncDispose]() {
      client.destroy();
      child.stdin.end();
      child.kill('SIGTERM');
      await closed;
      remove(top);
    },
  };
}

// What a daemon says while it works: lines to show, names of activities, results of builds.

import { plainText } from '../../protocol/remote-error.ts';
import type { Message } from '../../protocol/worker/message.ts';
import type { RemoteContext } from './context.ts';

/** Levels from here on are of no interest to people who did not ask. */
const infoLevel = 3;
const buildLogLine = 101;
const postBuildLogLine = 107;

/** Shows messages of the daemon called `name`. */
export function showMessages(name: string, context: Pick<RemoteContext, 'warn' | 'debug'>): (message: Message) => void {
  const debug = context.debug ?? ((): void => {});
  return (message) => {
    switch (message.kind) {
      case 'log':
        return logLine(name, message.text, context.warn, debug);
      case 'start':
        if (message.text !== '' && message.level <= infoLevel) debug(`${name}: ${plainText(message.text)}`);
        return;
      case 'result':
        if (message.type === buildLogLine || message.type === postBuildLogLine)
          debug(plainText(String(message.fields[0])));
        return;
      case 'stop':
      case 'read':
      case 'write':
      case 'error':
      case 'last':
    }
  };
}

/** Nix marks warnings by their first word only. */
function logLine(name: string, text: string, warn: (text: string) => void, debug: (text: string) => void): void {
  for (const line of plainText(text)
    .split('\n')
    .filter((l) => l.trim() !== '')) {
    const warning = /^(?:warning|error): ?(.*)$/.exec(line.trim());
    if (warning) warn(`${name}: ${warning[1]}`);
    else debug(`${name}: ${line}`);
  }
}

// Roots on the machine of an ssh store, made by Nix's own programs there: in a session beside the one that holds the
// paths, over the same connection. Relative links begin in the home there, where such a session does.

import { NarrowError } from '../../errors.ts';
import type { StoreDir, StorePath } from '../../model/store-path.ts';
import { isDerivationPath, printStorePath } from '../../model/store-path.ts';
import { quoteWord } from '../../transport/ssh-words.ts';
import type { SshPlace } from './ssh-connection.ts';
import { siblingProgram } from './ssh-connection.ts';

export class RemoteRoots {
  readonly #place: SshPlace;
  readonly #storeDir: StoreDir;

  constructor(place: SshPlace, storeDir: StoreDir) {
    this.#place = place;
    this.#storeDir = storeDir;
  }

  /** Throws `unsupported`, `usage` for what is known to be impossible before anything moves. */
  expect(link: string, path?: StorePath): void {
    siblingProgram(this.#place, 'nix-store');
    quoteWord(link);
    if (path === undefined || !isDerivationPath(path)) return;
    throw new NarrowError('unsupported', `${this.#place.url} cannot keep ${path} by a link: Nix there would build it`, {
      hint: 'copy its outputs, or make the link on the machine itself',
    });
  }

  /** As `nix-store --realise PATH --add-root LINK` does there; it is there already. */
  async addRoot(link: string, path: StorePath): Promise<void> {
    this.expect(link, path);
    await this.#run('nix-store', ['--realise', this.#print(path), '--add-root', link, '--indirect'], link, path);
  }

  /** As `nix-env --profile P --set PATH` does there. */
  async setProfile(profile: string, path: StorePath): Promise<void> {
    this.expect(profile, path);
    await this.#run('nix-env', ['--profile', profile, '--set', this.#print(path)], profile, path);
  }

  #print(path: StorePath): string {
    return printStorePath(this.#storeDir, path);
  }

  async #run(name: string, words: readonly string[], link: string, path: StorePath): Promise<void> {
    const { connection, store, url } = this.#place;
    try {
      await connection.run([...siblingProgram(this.#place, name), ...store, ...words]);
    } catch (error) {
      if (!(error instanceof NarrowError) || error.data['remote'] === undefined) throw error;
      throw new NarrowError(
        error.code,
        `${url} could not make ${link} lead to ${path}: ${String(error.data['remote'])}`,
        {
          cause: error,
          hint: 'the path is there, and nothing keeps it from being collected',
          data: { ...error.data, path, link },
        },
      );
    }
  }
}

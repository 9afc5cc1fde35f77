import { constants, type Stats } from "node:fs";
import { copyFile, link, mkdir, open, realpath, rename, rm, rmdir, stat, unlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { CommandError, systemReason } from "./command-error.ts";
import { shown } from "./asset.ts";

/**
 * Files that appear in a folder together: everything is prepared under temporary names and renamed only by `commit`, in
 * the order of preparation. `discard` removes what was prepared, and folders that were made for it unless others have put something there.
 */
export class Output {
  readonly folder: string;
  /** Folders that were made, outer ones first. */
  readonly #made: string[] = [];
  readonly #pending: { readonly temporary: string; readonly path: string }[] = [];

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Makes the folder if need be, and tries whether it can be written to. @throws CommandError */
  static async open(folder: string): Promise<Output> {
    const output = new Output(folder);
    try {
      await output.write(".ppsp-probe", [""]);
      await unlink(output.#pending.pop()!.temporary);
      return output;
    } catch (error) {
      await output.discard();
      throw error;
    }
  }

  /** Prepares a file. @throws CommandError */
  async write(name: string, parts: Iterable<Uint8Array | string>): Promise<void> {
    const temporary = await this.#prepare(name);
    await attempt(temporary, async () => {
      const handle = await open(temporary, "wx");
      try {
        for (const part of parts) await handle.writeFile(part);
        await handle.sync();
      } finally {
        await handle.close();
      }
    });
  }

  /** Prepares a hard link to `source`, or a copy where the file system has none; nothing if it is that file already. */
  async link(name: string, source: string): Promise<void> {
    const path = join(this.folder, name);
    const [from, to] = await Promise.all([statOf(source), statOf(path)]);
    if (from !== undefined && from.ino === to?.ino && from.dev === to.dev) return;
    const temporary = await this.#prepare(name);
    await attempt(shown(source), async () => {
      // Of a symbolic link the file that it leads to.
      const file = await realpath(source);
      await link(file, temporary).catch(() =>
        copyFile(file, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE),
      );
    });
  }

  /** Lets all files appear. @throws CommandError */
  async commit(): Promise<void> {
    for (let next = this.#pending[0]; next !== undefined; next = this.#pending[0]) {
      const { temporary, path } = next;
      await attempt(path, () => rename(temporary, path));
      this.#pending.shift();
    }
  }

  /** Removes everything that was prepared and did not appear. */
  async discard(): Promise<void> {
    for (const { temporary } of this.#pending.splice(0)) await rm(temporary, { force: true });
    for (const folder of this.#made.splice(0).reverse()) await rmdir(folder).catch(() => undefined);
  }

  async #makeFolder(folder: string): Promise<void> {
    const outermost = await attempt(folder, () => mkdir(folder, { recursive: true }));
    if (outermost === undefined) return;
    const made = [resolve(folder)];
    while (made[0] !== resolve(outermost)) made.unshift(dirname(made[0]!));
    this.#made.push(...made);
  }

  async #prepare(name: string): Promise<string> {
    const path = join(this.folder, name);
    const temporary = `${path}.${process.pid}.tmp`;
    await this.#makeFolder(dirname(path));
    // A crashed run with the same process id may have left one.
    await rm(temporary, { force: true });
    this.#pending.push({ temporary, path });
    return temporary;
  }
}

const statOf = (path: string): Promise<Stats | undefined> => stat(path).catch(() => undefined);

async function attempt<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw error instanceof CommandError
      ? error
      : new CommandError(`cannot be written: ${systemReason(error)}`, shown(path));
  }
}

import { constants, type Stats } from "node:fs";
import { copyFile, link, mkdir, open, rename, rm, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CommandError, systemReason } from "./command-error.ts";
import { shown } from "./asset.ts";

/**
 * Files that appear in a folder together: everything is prepared under temporary names and renamed only by `commit`, in
 * the order of preparation. `discard` removes what was prepared, and the folder itself if it was made for this.
 */
export class Output {
  readonly folder: string;
  readonly #made: string | undefined;
  readonly #pending: { readonly temporary: string; readonly path: string }[] = [];

  private constructor(folder: string, made: string | undefined) {
    this.folder = folder;
    this.#made = made;
  }

  /** Makes the folder if need be, and tries whether it can be written to. @throws CommandError */
  static async open(folder: string): Promise<Output> {
    const made = await attempt(folder, () => mkdir(folder, { recursive: true }));
    const output = new Output(folder, made);
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
    await attempt(shown(source), () =>
      link(source, temporary).catch(() =>
        copyFile(source, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE),
      ),
    );
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
    if (this.#made !== undefined) await rm(this.#made, { recursive: true, force: true });
  }

  async #prepare(name: string): Promise<string> {
    const path = join(this.folder, name);
    const temporary = `${path}.${process.pid}.tmp`;
    await attempt(dirname(path), () => mkdir(dirname(path), { recursive: true }));
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

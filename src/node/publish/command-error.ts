/** A command cannot go on, for a reason that its user can see to: one line, and exit code 2. */
export class CommandError extends Error {
  override readonly name = "CommandError";

  /** `file` and `line` say where, `line` counted from 1. */
  constructor(problem: string, file?: string, line?: number) {
    super(
      [file, line, ` ${problem}`]
        .filter((part) => part !== undefined)
        .join(":")
        .trimStart(),
    );
  }
}

/** What `systemReason` says of a file that is not there. */
export const MISSING = "does not exist";

/** What the system says about a failed file operation, without code and path. */
export function systemReason(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  switch (code) {
    case "ENOENT":
      return MISSING;
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return "no permission";
    case "EISDIR":
      return "is a folder";
    case "ENOTDIR":
      return "a part of the path is no folder";
    case "ENOSPC":
    case "EDQUOT":
      return "the disk is full";
    default:
      return String(message ?? error).split("\n")[0]!;
  }
}

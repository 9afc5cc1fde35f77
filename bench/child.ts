import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";

/** Longest that a child may take for one answer, ms. */
const ANSWER_MS = 60_000;

/** A Node process that runs another file of this folder and answers one message at a time. */
export class Child<Order extends object, Report extends { readonly error?: string }> {
  readonly #process: ChildProcess;

  /** `file`: its name in the build, such as "udp-process.js". */
  constructor(file: string, execArgv: readonly string[] = []) {
    this.#process = fork(new URL(file, import.meta.url), {
      execArgv: [...execArgv],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
  }

  /** @throws Error that the child reports, and where it dies or is too slow */
  async ask(order: Order): Promise<Report> {
    const gone = new AbortController();
    const exited = (): void => gone.abort(new Error("the child process ended"));
    this.#process.once("exit", exited);
    const signal = AbortSignal.any([gone.signal, AbortSignal.timeout(ANSWER_MS)]);
    try {
      this.#process.send(order);
      const [report] = (await once(this.#process, "message", { signal })) as [Report];
      if (report.error !== undefined) throw new Error(report.error);
      return report;
    } finally {
      this.#process.off("exit", exited);
    }
  }

  /** Ends the process. */
  end(): void {
    this.#process.kill("SIGKILL");
  }
}

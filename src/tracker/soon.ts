/**
 * Values that are there already or will be: what waits for nothing takes no turn of the microtask queue, so that a tracker in
 * one process answers while it reads.
 */
export type Soon<T> = T | Promise<T>;

/** Whether a value is yet to come; what a remote call in a Worker returns is no Promise, and a function besides. */
const isPromise = <T>(value: Soon<T>): value is Promise<T> => {
  if (value === null || (typeof value !== "object" && typeof value !== "function")) return false;
  return typeof (value as { readonly then?: unknown }).then === "function";
};

/** Goes on with a value, at once where it is there. */
export const after = <T, R>(value: Soon<T>, next: (value: T) => Soon<R>): Soon<R> =>
  isPromise(value) ? value.then(next) : next(value);

/** Does some work; what it throws, or rejects with, becomes a value too. */
export function attempt<T>(work: () => Soon<T>, failed: (error: unknown) => T): Soon<T> {
  try {
    const result = work();
    return isPromise(result) ? result.then(undefined, failed) : result;
  } catch (error) {
    return failed(error);
  }
}

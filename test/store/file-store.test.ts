import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { FileStore } from "../../src/node/store/file-store.ts";
import { folder } from "../node/hls.ts";

const chunk = (byte: number, length = 1024): Uint8Array => new Uint8Array(length).fill(byte);

describe("chunks in a file", () => {
  test("are there as soon as they were put, in any order, the short last one first too", () => {
    const path = join(folder(), "out");
    const store = new FileStore(path, "write", 1024);
    const put: readonly (readonly [number, Uint8Array])[] = [
      [3, chunk(3, 100)],
      [0, chunk(7)],
      [1, chunk(1)],
      [0, chunk(0)],
      [2, chunk(2)],
    ];
    for (const [at, bytes] of put) {
      store.put(at, bytes);
      expect(store.get(at)?.subarray(0, bytes.length)).toEqual(Buffer.from(bytes));
    }
    store.setLength(3 * 1024 + 100);
    expect(store.get(3)?.length).toBe(100);
    expect(store.get(4)).toBeUndefined();
    store.flush();
    store.close();
    const whole = [chunk(0), chunk(1), chunk(2), chunk(3, 100)];
    expect(readFileSync(path).equals(Buffer.concat(whole))).toBe(true);
  });

  test("lose what stood behind their end before", () => {
    const path = join(folder({ out: Buffer.alloc(5_000, 9) }), "out");
    const store = new FileStore(path, "write", 1024);
    store.put(0, chunk(1));
    store.setLength(1024);
    store.flush();
    store.close();
    expect(readFileSync(path).equals(Buffer.from(chunk(1)))).toBe(true);
  });

  test("that a full disk refused are not forgotten because somebody asked for one meanwhile", (context) => {
    if (!existsSync("/dev/full")) context.skip("no /dev/full here");
    const store = new FileStore("/dev/full", "write", 1024);
    store.put(0, chunk(1));
    expect(store.get(0)).toBeUndefined();
    store.setLength(1024);
    expect(() => store.flush()).toThrow("ENOSPC");
    expect(() => store.put(5, chunk(5))).toThrow("ENOSPC");
    store.close();
  });
});

import fc from "fast-check";
import { expect, test } from "vitest";
import type { ChunkStore } from "../../src/engine/ports.ts";

/** What every ChunkStore must do. */
export const chunkStoreSuite = (create: () => ChunkStore): void => {
  test("gives back the very bytes that were put", () => {
    const store = create();
    const data = Uint8Array.of(1, 2, 3);
    store.put(7, data);
    expect(store.get(7)).toBe(data);
    expect(store.get(6)).toBeUndefined();
    expect(store.size).toBe(3);
  });

  test("keeps the bytes themselves where they are part of a bigger buffer", () => {
    const store = create();
    const whole = Uint8Array.of(0, 1, 2, 3, 4);
    store.put(0, whole.subarray(1, 3));
    expect(store.get(0)).toEqual(Uint8Array.of(1, 2));
    expect(store.size).toBe(2);
  });

  test("a chunk that is put again replaces the first", () => {
    const store = create();
    store.put(1, new Uint8Array(10));
    store.put(1, new Uint8Array(4));
    expect(store.get(1)).toHaveLength(4);
    expect(store.size).toBe(4);
  });

  test("clear forgets everything", () => {
    const store = create();
    store.put(1, new Uint8Array(10));
    store.clear();
    expect(store.get(1)).toBeUndefined();
    expect(store.size).toBe(0);
  });

  test("a huge range is deleted at once", () => {
    const store = create();
    store.put(5, new Uint8Array(1));
    store.put(2 ** 40, new Uint8Array(1));
    store.delete({ start: 0, end: 2 ** 40 - 1 });
    expect(store.get(5)).toBeUndefined();
    expect(store.get(2 ** 40)).toBeDefined();
  });

  test("agrees with a plain map after any puts and deletes", () => {
    const chunk = fc.nat(40);
    const action = fc.oneof(
      fc.record({ put: chunk, length: fc.nat(20) }),
      fc
        .record({ from: chunk, to: chunk })
        .map(({ from, to }) => ({ start: Math.min(from, to), end: Math.max(from, to) })),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const store = create();
        const model = new Map<number, Uint8Array>();
        for (const one of actions) {
          if ("put" in one) {
            const data = new Uint8Array(one.length);
            store.put(one.put, data);
            model.set(one.put, data);
          } else {
            store.delete(one);
            for (let i = one.start; i <= one.end; i++) model.delete(i);
          }
        }
        for (let i = 0; i <= 40; i++) expect(store.get(i)).toBe(model.get(i));
        expect(store.size).toBe([...model.values()].reduce((sum, { length }) => sum + length, 0));
      }),
    );
  });
};

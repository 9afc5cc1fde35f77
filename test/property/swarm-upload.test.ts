import fc from "fast-check";
import { expect, test } from "vitest";
import { ChunkSet } from "../../src/core/address/chunk-set.ts";
import { CHANNEL_SETTINGS } from "../../src/core/connection/settings.ts";
import { Uplink } from "../../src/core/connection/uplink.ts";
import { Upload } from "../../src/core/connection/upload.ts";

const SPACE = 60;

const range = fc
  .tuple(fc.nat(SPACE - 1), fc.nat(12))
  .map(([start, length]) => ({ start, end: Math.min(start + length, SPACE - 1) }));

const operation = fc.oneof(
  fc.record({ type: fc.constant("request" as const), range }),
  fc.record({ type: fc.constant("cancel" as const), range }),
  fc.record({ type: fc.constant("next" as const), range }),
);

const chunks = ({ start, end }: { start: number; end: number }): number[] =>
  Array.from({ length: end - start + 1 }, (_, i) => start + i);

const take = (upload: Upload, have: ChunkSet): number | undefined => {
  const chunk = upload.next(have);
  if (chunk !== undefined) upload.fetched();
  return chunk;
};

test("what is asked for, not taken back and held is sent, each chunk once", () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 40 }), fc.array(range, { maxLength: 6 }), (operations, held) => {
      const upload = new Upload(CHANNEL_SETTINGS, 1, false, new Uplink(1, () => 0));
      const have = new ChunkSet(held);
      const wanted = new Set<number>();
      const sendable = (): number[] => [...wanted].filter((chunk) => have.has(chunk));
      for (const step of operations) {
        if (step.type === "request") {
          upload.request(step.range, 0);
          for (const chunk of chunks(step.range)) wanted.add(chunk);
        } else if (step.type === "cancel") {
          upload.cancel(step.range);
          for (const chunk of chunks(step.range)) wanted.delete(chunk);
        } else {
          const before = sendable();
          const chunk = take(upload, have);
          expect(chunk === undefined ? before : before.includes(chunk)).toEqual(chunk === undefined ? [] : true);
          if (chunk !== undefined) wanted.delete(chunk);
        }
      }
      const rest = sendable().length;
      const sent: number[] = [];
      for (let chunk = take(upload, have); chunk !== undefined; chunk = take(upload, have)) sent.push(chunk);
      expect(new Set(sent).size).toBe(sent.length);
      expect(sent.every((chunk) => wanted.has(chunk) && have.has(chunk))).toBe(true);
      // A REQUEST for what was not held when its turn came is forgotten, hence not always all.
      expect(sent.length).toBe(rest);
      expect(upload.entries).toBe(0);
    }),
    { numRuns: 500 },
  );
});

test("without CANCEL the order is that of the REQUESTs", () => {
  fc.assert(
    fc.property(fc.array(range, { maxLength: 20 }), (requests) => {
      const upload = new Upload(CHANNEL_SETTINGS, 1, false, new Uplink(1, () => 0));
      const have = new ChunkSet([{ start: 0, end: SPACE - 1 }]);
      for (const request of requests) upload.request(request, 0);
      const order = [...new Set(requests.flatMap(chunks))];
      expect(order.map(() => take(upload, have))).toEqual(order);
    }),
  );
});

test("the window closes, and opens with ACK or by time", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40_000 }), fc.boolean(), (size, answered) => {
      const upload = new Upload(CHANNEL_SETTINGS, size, false, new Uplink(1, () => 0));
      const have = new ChunkSet([{ start: 0, end: 1_000_000 }]);
      upload.request({ start: 0, end: 1_000_000 }, 0);
      const fill = (now: number): number => {
        let bytes = 0;
        for (let chunk = take(upload, have); chunk !== undefined; chunk = take(upload, have)) {
          upload.sending(chunk, size, now);
          bytes += size;
        }
        return bytes;
      };
      const limit = Math.max(upload.window, size);
      const first = fill(0);
      expect(first).toBeLessThanOrEqual(limit);
      expect(first).toBeGreaterThan(limit - size - 1);
      expect(fill(10)).toBe(0);
      const at = upload.timeoutAt;
      if (answered) upload.acknowledge({ start: 0, end: 1_000_000 }, 0n, 100);
      else upload.expire(at);
      expect(upload.timeoutAt).toBe(Infinity);
      expect(fill(at)).toBeGreaterThan(0);
    }),
    { numRuns: 30 },
  );
});

test.each([true, false])(
  "an overdue ACK halves the window where the link repeats what it lost (%s), and resets it elsewhere",
  (reliable) => {
    const upload = new Upload(CHANNEL_SETTINGS, 1_024, reliable, new Uplink(1_024, () => 0));
    const have = new ChunkSet([{ start: 0, end: 999 }]);
    upload.request({ start: 0, end: 999 }, 0);
    for (let chunk = take(upload, have); chunk !== undefined; chunk = take(upload, have))
      upload.sending(chunk, 1_024, 0);
    const { window } = upload;
    upload.expire(upload.timeoutAt);
    expect(upload.window).toBe(reliable ? window / 2 : 2 * 1_024);
  },
);

test("a HAVE for chunks on their way frees the window that they held", () => {
  const upload = new Upload(CHANNEL_SETTINGS, 65_536, false, new Uplink(1, () => 0));
  const have = new ChunkSet([{ start: 0, end: 9 }]);
  upload.request({ start: 0, end: 9 }, 0);
  for (let chunk = take(upload, have); chunk !== undefined; chunk = take(upload, have))
    upload.sending(chunk, 65_536, 0);
  expect(upload.inFlight.size).toBeLessThan(10);
  upload.held({ start: 0, end: upload.inFlight.size - 1 });
  expect(upload.inFlight.size).toBe(0);
  expect(take(upload, have)).toBeDefined();
});

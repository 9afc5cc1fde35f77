import { expect, test } from "vitest";
import { EarlyRequests } from "../../src/video/early-requests.ts";
import type { EarlyAnswer, ToHost } from "../../src/worker/protocol.ts";

const answerTo = (url: string): EarlyAnswer => ({
  url,
  bytes: new ArrayBuffer(1),
  askedAt: 1,
  firstByteAt: 2,
  endedAt: 3,
});

test("what is asked for early is asked for once, and its answer waits for whoever wants it", async () => {
  const posted: ToHost[] = [];
  const early = new EarlyRequests((message) => posted.push(message));
  early.ask("a");
  early.ask("a");
  early.ask("b");
  expect(posted).toEqual([
    { type: "early", url: "a" },
    { type: "early", url: "b" },
  ]);
  early.came(answerTo("a"));
  // It came after it had been taken back, and before it was asked for.
  early.drop("b");
  early.came(answerTo("b"));
  early.came(answerTo("c"));
  expect(await early.answer("a")).toEqual(answerTo("a"));
  expect(early.answer("b")).toBeUndefined();
  expect(early.answer("c")).toBeUndefined();
  early.drop("b");
  early.drop("a");
  expect(posted.slice(2)).toEqual([
    { type: "drop", url: "b" },
    { type: "drop", url: "a" },
  ]);
});

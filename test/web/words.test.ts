import { expect, test } from "vitest";
import { count, formatBytes, formatDuration, formatShare } from "../../src/web/format.ts";
import { errorSentence, swarmSentence } from "../../src/web/sentence.ts";
import { PlayerError, type PlayerStats } from "../../src/video/index.ts";

const plain = (text: string) => text.replaceAll("\u202f", " ");

test("bytes have three digits at most", () => {
  const pairs: [number, string][] = [
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 kB"],
    [99_499, "99 kB"],
    [999_499, "999 kB"],
    [999_500, "1.0 MB"],
    [7_797_038, "7.8 MB"],
    [4_000_000_000, "4.0 GB"],
    [5e15, "5000 TB"],
  ];
  for (const [bytes, text] of pairs) expect(formatBytes(bytes)).toBe(text);
});

test("a share is never rounded to nothing or to everything", () => {
  const pairs: [number, string][] = [
    [0, "0 %"],
    [0.0001, "< 1 %"],
    [0.7, "70 %"],
    [0.9999, "99 %"],
    [1, "100 %"],
  ];
  for (const [share, text] of pairs) expect(plain(formatShare(share))).toBe(text);
});

test("numbers of things and times", () => {
  expect(count(1, "viewer")).toBe("1 viewer");
  expect(count(2, "viewer")).toBe("2 viewers");
  expect(formatDuration(286.4)).toBe("286 ms");
  expect(formatDuration(1234)).toBe("1.2 s");
});

test("the sentence follows what happens", () => {
  const stats: PlayerStats = {
    httpBytes: 0,
    peerBytes: 0,
    cacheBytes: 0,
    uploadedBytes: 0,
    neighbours: 0,
    verifiedChunks: 0,
    rejectedChunks: 0,
    stalls: 0,
    stalledMs: 0,
    timeToFirstFrameMs: undefined,
  };
  expect(swarmSentence(stats)).toContain("about to start");
  expect(swarmSentence({ ...stats, httpBytes: 1 })).toContain("Nobody else");
  expect(swarmSentence({ ...stats, httpBytes: 1, neighbours: 1, uploadedBytes: 1 })).toBe(
    "Connected to 1 other viewer: you pass the film on.",
  );
  expect(swarmSentence({ ...stats, peerBytes: 1, neighbours: 1 })).toBe(
    "Connected to 1 other viewer, who passes the film on to you.",
  );
  expect(swarmSentence({ ...stats, peerBytes: 1, neighbours: 3 })).toBe(
    "Connected to 3 other viewers, who pass the film on to you.",
  );
  expect(swarmSentence({ ...stats, peerBytes: 1 })).toContain("have left");
});

test("every failure has a sentence of its own", () => {
  expect(errorSentence(null)).toBeUndefined();
  const codes = ["unsupported", "manifest", "network", "media"] as const;
  const sentences = codes.map((code) => errorSentence(new PlayerError(code, "x")));
  expect(new Set(sentences).size).toBe(codes.length);
});

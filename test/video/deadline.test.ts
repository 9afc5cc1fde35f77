import { describe, expect, test } from "vitest";
import { bufferAhead, slackMs, type Playhead } from "../../src/video/deadline.ts";

function playhead(state: Partial<Playhead> & { ranges?: readonly (readonly [number, number])[] }): Playhead {
  const ranges = state.ranges ?? [];
  return {
    currentTime: 0,
    paused: false,
    playbackRate: 1,
    buffered: { length: ranges.length, start: (i) => ranges[i]![0], end: (i) => ranges[i]![1] },
    ...state,
  };
}

describe("slackMs", () => {
  test("runs from the playhead to the media", () => {
    expect(slackMs(playhead({ currentTime: 10, ranges: [[0, 20]] }), 20)).toBe(9700);
  });

  test("is shorter for a viewer who watches at double speed", () => {
    expect(slackMs(playhead({ currentTime: 10, playbackRate: 2, ranges: [[0, 20]] }), 20)).toBe(4700);
  });

  test("is none before the first append, and for media that the playhead has reached", () => {
    expect(slackMs(playhead({}), 8)).toBe(0);
    expect(slackMs(playhead({ currentTime: 4, ranges: [[0, 4]] }), 4)).toBe(0);
    expect(slackMs(playhead({ currentTime: 9, ranges: [[0, 4]] }), 8)).toBe(0);
  });

  test("of an init section is what the buffer still lasts", () => {
    expect(
      slackMs(
        playhead({
          currentTime: 3,
          ranges: [
            [0, 2],
            [2.95, 8],
          ],
        }),
      ),
    ).toBe(4700);
  });

  test("is generous when paused with a full buffer, and not with an empty one", () => {
    const ranges = [[0, 30]] as const;
    expect(slackMs(playhead({ paused: true, ranges }), 30)).toBeGreaterThan(40_000);
    expect(slackMs(playhead({ paused: true, ranges: [[0, 4]] }), 4)).toBe(3700);
  });
});

describe("bufferAhead", () => {
  test("ends at the first gap and is 0 outside the buffer", () => {
    expect(
      bufferAhead(
        playhead({
          currentTime: 5,
          ranges: [
            [0, 6],
            [7, 9],
          ],
        }),
      ),
    ).toBe(1);
    expect(
      bufferAhead(
        playhead({
          currentTime: 6.5,
          ranges: [
            [0, 6],
            [7, 9],
          ],
        }),
      ),
    ).toBe(0);
  });
});

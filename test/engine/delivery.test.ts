import { expect, test } from "vitest";
import { ChunkSet } from "../../src/core/address/chunk-set.ts";
import { Delivery, type DeliveryContext } from "../../src/engine/delivery.ts";
import { PlaybackError } from "../../src/engine/errors.ts";
import type { HttpRequest } from "../../src/engine/http-source.ts";

const CHUNK = 65_536;
/** Two blocks of lots for each file. */
const CHUNKS = 8;

/** An origin that gives when it is told to, or refuses, one neighbour that has nothing, and time in the test's hands. */
function setUp(refuses: (url: string) => boolean = () => false) {
  let now = 0;
  const timers = new Map<() => void, number>();
  const reads: { readonly request: HttpRequest; readonly give: () => void }[] = [];
  const deliveries: Delivery[] = [];
  const context: DeliveryContext = {
    now: () => now,
    after: (ms: number, wake: () => void) => {
      timers.set(wake, now + ms);
      return () => timers.delete(wake);
    },
    take: () => undefined,
    held: () => new ChunkSet(),
    want: () => undefined,
    unwant: () => undefined,
    fromOrigin: async () => true,
    received: () => undefined,
    mismatch: () => undefined,
    onlySigned: false,
    strict: false,
    chunkLength: () => CHUNK,
    get busy() {
      return deliveries.some((delivery) => delivery.busy);
    },
    async *read(request: HttpRequest) {
      await new Promise<void>((give) => reads.push({ request, give }));
      if (refuses(request.url)) throw new PlaybackError("http", `${request.url} answered 403`);
      yield new Uint8Array(request.length);
    },
    covered: () => new ChunkSet(),
    neighbours: 1,
    expecting: false,
    peerRate: 0,
    expectedHttpMs: () => 100,
    httpDownUntil: 0,
    chunkSize: CHUNK,
    lot: () => 0,
  };
  const delivery = (file: number): Delivery => {
    const chunks = { start: file * CHUNKS, end: (file + 1) * CHUNKS - 1 };
    const place = {
      url: `${file}`,
      whole: true,
      fileOffset: 0,
      fileLength: CHUNKS * CHUNK,
      fileChunks: chunks,
      chunkSize: CHUNK,
      chunks,
    };
    const made = new Delivery(context, place, { deadline: () => 10_000 });
    deliveries.push(made);
    return made;
  };
  /** Lets so much time pass, and everything happen that is due. */
  const pass = async (ms: number): Promise<void> => {
    for (const end = now + ms; now < end; now += 10) {
      for (const [wake, at] of timers) if (at <= now && timers.delete(wake)) wake();
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const asked = (): string[] => reads.map(({ request }) => `${request.url}+${request.offset / CHUNK}`);
  return { context, delivery, pass, asked, reads };
}

test("what is fetched ahead leaves the line to what the player waits for, also between its blocks", async () => {
  const { delivery, pass, asked, reads } = setUp();
  const [front, ahead] = [delivery(0), delivery(1)];
  ahead.begin();
  const played = (async () => {
    let count = 0;
    for await (const _ of front.pieces({ deadline: () => 10_000 })) count++;
    return count;
  })();
  await pass(1000);
  expect(asked()).toEqual(["0+0"]);
  reads[0]!.give();
  await pass(1000);
  expect(asked()).toEqual(["0+0", "0+4"]);
  reads[1]!.give();
  expect(await Promise.all([played, pass(1000)])).toEqual([CHUNKS, undefined]);
  expect(asked()).toEqual(["0+0", "0+4", "1+0"]);
});

test("nobody waits for a player that asks for nothing", async () => {
  const { delivery, pass, asked } = setUp();
  delivery(1).begin();
  delivery(2).begin();
  await pass(1000);
  expect(asked()).toEqual(["1+0", "2+0"]);
});

test("where URLs are signed, what is fetched ahead is not asked for without, but for the once that tells", async () => {
  const { delivery, pass, asked, reads } = setUp((url) => !url.includes("signature"));
  const [front, ahead, later] = [delivery(0), delivery(1), delivery(2)];
  ahead.begin();
  await pass(1000);
  reads[0]!.give();
  await pass(100);
  later.begin();
  // Also when it is due.
  await pass(20_000);
  expect(asked()).toEqual(["1+0"]);
  const played = (async () => {
    let count = 0;
    for await (const _ of front.pieces({ deadline: () => 0, url: "0?signature" })) count++;
    return count;
  })();
  await pass(100);
  reads[1]!.give();
  expect(await Promise.all([played, pass(100)])).toEqual([CHUNKS, undefined]);
  expect(asked()).toEqual(["1+0", "0?signature+0"]);
});

test("what is held by the time that the origin sends it is handed out as it is held", async () => {
  const { context, delivery, pass, reads } = setUp();
  const played: string[] = [];
  void (async () => {
    for await (const { source } of delivery(0).pieces({ deadline: () => 0 })) played.push(source);
  })();
  await pass(100);
  context.held = (range) => new ChunkSet([range]);
  context.take = (chunk) => (played.length === chunk ? { bytes: new Uint8Array(CHUNK), source: "peer" } : undefined);
  reads[0]!.give();
  await pass(100);
  expect(played).toEqual(Array.from({ length: CHUNKS }, () => "peer"));
});

test.each([
  ["sends nothing", 0],
  ["sends it slowly", 400],
])(
  "where the origin refuses, a neighbour that says it has everything and %s is waited for as long as it moves",
  async (_, ms) => {
    const { context, delivery, pass, reads } = setUp(() => true);
    context.covered = (range) => new ChunkSet([range]);
    let played = 0;
    const front = delivery(0);
    const outcome = (async () => {
      for await (const _piece of front.pieces({ deadline: () => 0, url: "0?signature" })) played++;
      return "played";
    })().catch((error: PlaybackError) => error.code);
    await pass(50);
    reads[0]!.give();
    for (let chunk = 0; chunk < CHUNKS && ms > 0; chunk++) {
      await pass(ms);
      context.take = (next) => (next === chunk ? { bytes: new Uint8Array(CHUNK), source: "peer" } : undefined);
      front.changed();
    }
    await pass(2_000);
    expect([await Promise.race([outcome, Promise.resolve("waits")]), played]).toEqual(
      ms > 0 ? ["played", CHUNKS] : ["http", 0],
    );
  },
);

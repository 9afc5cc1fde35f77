/**
 * `npm run bench -- tracker [--json] [--only NAME] [--write]`: what the tracker costs here, against the targets, beside
 * bittorrent-tracker in the same run. Less than three minutes, and nothing but loopback.
 *
 * A tracker runs in a process of its own; this one makes the load, with requests and frames made in advance, over plain
 * sockets. What is compared takes turns; medians of three rounds after one that does not count. Swarms have 50 or 5,000
 * peers, all registered before the clock starts.
 *
 * - http-*: 32 requests at a time, each on a connection of its own, as they come from peers that ask once in minutes.
 *   bittorrent-tracker: announces that ask for 5 peers, compact, and room for all peers. Ours: viewers with a token,
 *   CONNECT for 5 peers and STAT_REPORT in turns; each counts as one request.
 * - kept-*: the same over 32 connections that are kept, as behind a proxy.
 * - signals-*: bittorrent-tracker: announces with 5 offers each, 50 sockets that speak for all peers, 2 announces on their
 *   way on each. Ours: signals with one such offer each, 250 sockets (each may send 300 at once), one on its way from each.
 * - handler-*: our handler alone, Request to Response in one process without HTTP, one after the other. A swarm takes
 *   50,000 members: 100,000 peers are two swarms of one tracker.
 * - workerd-*: as http-*, with the Worker in workerd; compared with bench/upsert-worker.js, which does one SQL upsert for
 *   each POST of the same size in one Durable Object.
 * - storm: see bench/tracker-storm.ts.
 */
import { performance } from "node:perf_hooks";
import { setTimeout as wait } from "node:timers/promises";
import { SIGNAL_BURST } from "../src/tracker/limits.ts";
import { SIGNAL_PROTOCOL, TOKEN_PREFIX } from "../src/tracker/signal.ts";
import { Child } from "./child.ts";
import { askEach, httpRequest, rate } from "./http-load.ts";
import { type Figure, runBenchmark, spread, three } from "./report.ts";
import { RawSocket, reached, textFrame } from "./socket-load.ts";
import { type CodecName, LIST, Population } from "./tracker-population.ts";
import type { Order, Report } from "./tracker-process.ts";
import { storm } from "./tracker-storm.ts";
import { startUpserts, startWorker } from "./tracker-workers.ts";

const ROUNDS = 3;
const ROUND_MS = 900;
const CONNECTIONS = 32;
/** Requests made in advance. */
const RING = 10_000;

type Size = 50 | 5_000;

/** Something whose rate is measured, a round at a time. */
interface Contestant {
  /** Requests a second over one round. */
  round(): Promise<number>;
  end(): Promise<void> | void;
}

/** Rates of contestants that take turns. */
async function contest(...contestants: readonly Contestant[]): Promise<number[][]> {
  const rates = contestants.map((): number[] => []);
  try {
    for (let round = 0; round <= ROUNDS; round++) {
      for (const [index, contestant] of contestants.entries()) {
        const measured = await contestant.round();
        if (round > 0) rates[index]!.push(measured);
      }
    }
  } finally {
    for (const contestant of contestants) await contestant.end();
  }
  return rates;
}

const text = (rates: readonly number[], unit: string): string => {
  const { value, least, most } = spread(rates);
  return `${three(value)} (${three(least)} to ${three(most)}) ${unit}`;
};

/** The other's announces over HTTP. */
async function announces(peers: number, fresh: boolean): Promise<Contestant> {
  const child = new Child<Order, Report>("tracker-process.js");
  const { port } = await child.ask({ type: "bittorrent", room: peers });
  const road = { port: port!, connections: CONNECTIONS, fresh };
  const announce = (index: number): Buffer => {
    const id = `-BE0001-${index.toString().padStart(12, "0")}`;
    const query = `info_hash=${"h".repeat(20)}&peer_id=${id}&port=${10_000 + index}&uploaded=1234567&downloaded=7654321&left=9&numwant=${LIST}&compact=1`;
    return httpRequest(`GET /announce?${query} HTTP/1.1`, []);
  };
  const requests = Array.from({ length: peers }, (_, index) => announce(index));
  await askEach({ ...road, fresh: false }, requests, (_, body) => {
    if (body.includes("failure")) throw new Error(body);
  });
  let turn = 0;
  return {
    round: () => rate(road, ROUND_MS, () => requests[(turn += 7919) % peers]!),
    end: () => child.end(),
  };
}

/** Viewers of ours at a server that runs already: all registered, and what they ask from then on. */
async function viewers(port: number, codec: CodecName, peers: number): Promise<[Population, readonly Buffer[]]> {
  const population = new Population(codec, peers);
  const headers = [`Content-Type: ${population.contentType}`];
  const post = (body: string): Buffer => httpRequest("POST / HTTP/1.1", headers, body);
  const joins = Array.from({ length: peers }, (_, index) => post(population.join(index)));
  await askEach({ port, connections: CONNECTIONS }, joins, (index, body) => population.enrolled(index, body));
  return [population, population.ring(RING).map(post)];
}

/** Their requests, round by round. */
async function asking(port: number, codec: CodecName, peers: number, fresh: boolean): Promise<Contestant["round"]> {
  const [, requests] = await viewers(port, codec, peers);
  let turn = 0;
  return () => rate({ port, connections: CONNECTIONS, fresh }, ROUND_MS, () => requests[turn++ % RING]!);
}

async function ours(codec: CodecName, peers: number, fresh: boolean): Promise<Contestant> {
  const child = new Child<Order, Report>("tracker-process.js");
  const { port } = await child.ask({ type: "ours" });
  return { round: await asking(port!, codec, peers, fresh), end: () => child.end() };
}

const TARGET = { json: 1.2, xml: 0.8 } as const;

const http = (codec: CodecName, peers: Size, fresh: boolean) => async (): Promise<Figure[]> => {
  const [theirs, our] = await contest(await announces(peers, fresh), await ours(codec, peers, fresh));
  const how = fresh ? "a connection for each" : "connections kept";
  return [
    {
      name: `${fresh ? "http" : "kept"}-${codec}-${peers}`,
      what: `CONNECT + STAT_REPORT in ${codec.toUpperCase()} against bittorrent-tracker's announces, ${peers} peers, ${how}`,
      ...spread(our!.map((rate, round) => rate / theirs![round]!)),
      unit: "×",
      target: { atLeast: TARGET[codec] },
      note: `${text(our!, "requests/s")}, ${text(theirs!, "announces/s")}`,
    },
  ];
};

/** An offer of a data channel before its candidates, as a browser writes it. */
const OFFER = {
  type: "offer",
  sdp: [
    "v=0",
    "o=- 4611731400430051336 2 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    "a=group:BUNDLE 0",
    "a=msid-semantic: WMS",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 0.0.0.0",
    "a=ice-ufrag:zrnC",
    "a=ice-pwd:9v9XTxO4CIaXgLKkZrqzUv5S",
    `a=fingerprint:sha-256 ${Array.from({ length: 32 }, () => "7F").join(":")}`,
    "a=setup:actpass",
    "a=mid:0",
    "a=sctp-port:5000",
    "a=max-message-size:262144",
    "",
  ].join("\r\n"),
};

/** The other's announces with 5 offers, which it passes on to 5 peers. */
async function offers(peers: number): Promise<Contestant> {
  const child = new Child<Order, Report>("tracker-process.js");
  const { port } = await child.ask({ type: "bittorrent", room: peers });
  const sockets = await Promise.all(Array.from({ length: 50 }, () => RawSocket.open(port!, "/")));
  const frame = (index: number, offered: number): Buffer =>
    textFrame(
      JSON.stringify({
        action: "announce",
        info_hash: "h".repeat(20),
        peer_id: `-BE0001-${index.toString().padStart(12, "0")}`,
        numwant: offered,
        uploaded: 1_234_567,
        downloaded: 7_654_321,
        left: 9,
        offers: Array.from({ length: offered }, (_, at) => ({
          offer: OFFER,
          offer_id: `offer${index}-${at}`.padEnd(20),
        })),
      }),
    );
  let [sent, answers] = [0, 0];
  const frames = sockets.map((_, socket) =>
    Array.from({ length: Math.min(20, peers / 50) }, (__, at) => frame(socket + 50 * at, LIST)),
  );
  let busy = false;
  const turns = sockets.map(() => 0);
  const send = (index: number): void => {
    sent += 1;
    sockets[index]!.send(frames[index]![turns[index]!++ % frames[index]!.length]!);
  };
  for (const [index, socket] of sockets.entries()) {
    socket.listen((payload) => {
      // An answer begins {"complete", an offer that is passed on {"action".
      if (payload[2] !== 0x63) return;
      answers += 1;
      if (busy) send(index);
    });
  }
  for (; sent < peers; sent++) sockets[sent % 50]!.send(frame(sent, 0));
  await reached(sent, () => answers);
  return {
    async round() {
      busy = true;
      const [before, began] = [answers, performance.now()];
      for (const index of sockets.keys()) for (let at = 0; at < 2; at++) send(index);
      await wait(ROUND_MS);
      const rate = ((answers - before) * 1000) / (performance.now() - began);
      busy = false;
      await reached(sent, () => answers);
      return rate;
    },
    end: () => {
      for (const socket of sockets) socket.close();
      child.end();
    },
  };
}

/** Signals of one round, all sockets together. */
const SIGNALS = 15_000;

/** Our signals from member to member: one on its way for each of at most 250 sockets. */
async function signals(port: number, peers: number, end: () => Promise<void> | void): Promise<Contestant> {
  const [population] = await viewers(port, "json", peers);
  const count = Math.min(peers, 250);
  // The tracker lets a socket send 300 at once.
  const each = Math.min(SIGNAL_BURST - 10, SIGNALS / count);
  const frames = Array.from({ length: count }, (_, index) =>
    textFrame(JSON.stringify({ to: population.peerId((index * 7 + 1) % count), payload: OFFER })),
  );
  const open = async (index: number): Promise<RawSocket> =>
    await RawSocket.open(
      port,
      `/signal?swarm=${population.swarmOf(index)}&peer=${population.peerId(index)}`,
      `${SIGNAL_PROTOCOL}, ${TOKEN_PREFIX}${population.token(index)}`,
    );
  return {
    async round() {
      const sockets = await Promise.all(frames.map((_, index) => open(index)));
      const left = frames.map(() => each);
      let relayed = 0;
      const send = (index: number): void => {
        if (left[index]! <= 0) return;
        left[index]! -= 1;
        sockets[index]!.send(frames[index]!);
      };
      for (const [index, socket] of sockets.entries()) {
        socket.listen((payload) => {
          // {"from" is a signal, {"peers" the first message of a socket.
          if (payload[2] !== 0x66) return;
          relayed += 1;
          send(index);
        });
      }
      const began = performance.now();
      for (const index of sockets.keys()) send(index);
      await reached(each * count, () => relayed);
      const rate = (relayed * 1000) / (performance.now() - began);
      for (const socket of sockets) socket.close();
      return rate;
    },
    end,
  };
}

const signalling = (peers: Size) => async (): Promise<Figure[]> => {
  const child = new Child<Order, Report>("tracker-process.js");
  const { port } = await child.ask({ type: "ours" });
  const [theirs, our] = await contest(await offers(peers), await signals(port!, peers, () => child.end()));
  return [
    {
      name: `signals-${peers}`,
      what: `relayed signals against bittorrent-tracker's announces with 5 offers, ${peers} peers`,
      ...spread(our!.map((rate, round) => rate / theirs![round]!)),
      unit: "×",
      target: { atLeast: 1.5 },
      note: `${text(our!, "signals/s")}, ${text(theirs!, "announces/s")}`,
    },
  ];
};

/** Our handler alone at three sizes of a swarm. */
const handler = (codec: CodecName) => async (): Promise<Figure[]> => {
  const sizes = [50, 5_000, 100_000] as const;
  const contestants = await Promise.all(
    sizes.map(async (peers): Promise<Contestant> => {
      const child = new Child<Order, Report>("tracker-process.js");
      await child.ask({ type: "fill", codec, peers });
      return { round: async () => (await child.ask({ type: "run", ms: ROUND_MS })).rate!, end: () => child.end() };
    }),
  );
  const [small, ...others] = await contest(...contestants);
  return others.map((rates, index) => ({
    name: `handler-${codec}-${sizes[index + 1]}`,
    what: `cost of a request to the handler in ${codec.toUpperCase()} at ${sizes[index + 1]!.toLocaleString("en")} peers against that at 50`,
    ...spread(rates.map((rate, round) => small![round]! / rate)),
    unit: "×",
    target: { atMost: 1.15 },
    note: `${text(rates, "requests/s")}, ${text(small!, "at 50")}`,
  }));
};

/** A Durable Object that does one SQL upsert for each POST of this size. */
async function upserts(peers: number): Promise<Contestant> {
  const worker = await startUpserts();
  const road = { port: worker.port, connections: CONNECTIONS };
  const body = JSON.stringify({ text: "x".repeat(500) });
  const requests = Array.from({ length: peers }, (_, index) =>
    httpRequest(`POST /?peer=${index.toString(16).padStart(40, "0")} HTTP/1.1`, ["Content-Type: text/plain"], body),
  );
  let turn = 0;
  return {
    round: () => rate(road, ROUND_MS, () => requests[(turn += 7919) % peers]!),
    end: () => worker.close(),
  };
}

const workerd = (codec: CodecName, peers: Size) => async (): Promise<Figure[]> => {
  const tracker = await startWorker();
  const round = await asking(tracker.port, codec, peers, false);
  const [theirs, our] = await contest(await upserts(peers), { round, end: () => tracker.close() });
  return [
    {
      name: `workerd-${codec}-${peers}`,
      what: `the same requests in workerd, ${codec.toUpperCase()}, against one SQL upsert for each POST, ${peers} peers`,
      ...spread(our!.map((rate, at) => rate / theirs![at]!)),
      unit: "×",
      ...(codec === "json" && { target: { atLeast: 0.85 } }),
      note: `${text(our!, "requests/s")}, ${text(theirs!, "upserts/s")}`,
    },
  ];
};

/** Signals in workerd, which nothing is compared with. */
async function workerdSignals(): Promise<Figure[]> {
  const tracker = await startWorker();
  const [rates] = await contest(await signals(tracker.port, 250, () => tracker.close()));
  return [
    { name: "workerd-signals", what: "relayed signals in workerd, 250 peers", ...spread(rates!), unit: "a second" },
  ];
}

await runBenchmark("tracker", {
  "http-json-50": http("json", 50, true),
  "http-json-5000": http("json", 5_000, true),
  "http-xml-50": http("xml", 50, true),
  "http-xml-5000": http("xml", 5_000, true),
  "kept-json-50": http("json", 50, false),
  "kept-json-5000": http("json", 5_000, false),
  "kept-xml-50": http("xml", 50, false),
  "kept-xml-5000": http("xml", 5_000, false),
  "signals-50": signalling(50),
  "signals-5000": signalling(5_000),
  "handler-json": handler("json"),
  "workerd-json-50": workerd("json", 50),
  "workerd-json-5000": workerd("json", 5_000),
  "workerd-xml-50": workerd("xml", 50),
  "workerd-signals": workerdSignals,
  storm,
});

import fc from "fast-check";
import {
  ACCESS_TYPES,
  type ConnectRequest,
  type ContentMap,
  type FindRequest,
  type IceServer,
  NAT_ABILITIES,
  type PeerAddress,
  type PeerInfo,
  type PeerProperties,
  POWER_SOURCES,
  type StatReport,
  type SwarmSize,
  type TrackerRequest,
  type TrackerResponse,
} from "../../src/tracker/messages.ts";

/** Any PPSP-TP messages that keep to the bounds. */

/** Any visible ASCII characters, markup among them. */
const id = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  minLength: 1,
  maxLength: 64,
});
const amount = fc.maxSafeNat();
const peerMode = fc.constantFrom("SEED" as const, "LEECH" as const);

/** A record of which any of the optional properties may be absent, never undefined. */
const record = <T, K extends keyof T>(model: { [P in keyof T]: fc.Arbitrary<T[P]> }, requiredKeys: K[]) =>
  fc.record(model, { requiredKeys, noNullPrototype: true });

const address: fc.Arbitrary<PeerAddress> = fc
  .tuple(
    fc.oneof(
      fc.ipV4().map((ip) => ({ addrType: "ipv4" as const, ip })),
      fc
        .constantFrom("::", "::1", "2001:db8::2", "fe80::1:2:3:4", "::ffff:192.0.2.1")
        .map((ip) => ({ addrType: "ipv6" as const, ip })),
    ),
    record(
      {
        port: fc.integer({ min: 0, max: 65_535 }),
        priority: fc.integer({ min: 0, max: 0xffffffff }),
        type: fc.constantFrom("HOST" as const, "REFLEXIVE" as const, "PROXY" as const),
        connection: id,
        asn: id,
        peerProtocol: id,
      },
      ["port"],
    ),
  )
  .map(([ip, rest]) => ({ ...ip, ...rest }));

/** Longer than any that is taken: nobody but who checks it minds. */
const grants = fc.array(fc.stringMatching(/^[\w.-]{1,1200}$/), { minLength: 1, maxLength: 3 });
const registration = record(
  { token: id, trackTimer: fc.integer({ min: 0, max: 86_400 }), relayOnly: fc.constant(true as const) },
  [],
);

const peerNum = record(
  {
    count: amount,
    abilityNAT: fc.constantFrom(...NAT_ABILITIES),
    concurrentLinks: fc.constantFrom("HIGH" as const, "LOW" as const, "NORMAL" as const),
    onlineTime: fc.constantFrom("HIGH" as const, "NORMAL" as const),
    uploadBWlevel: fc.constantFrom("HIGH" as const, "NORMAL" as const),
  },
  ["count"],
);

const connect: fc.Arbitrary<ConnectRequest> = record(
  {
    method: fc.constant("CONNECT" as const),
    transactionId: id,
    peerId: id,
    actions: fc.array(
      fc.record(
        { swarmId: id, action: fc.constantFrom("JOIN" as const, "LEAVE" as const), peerMode, transactionId: id },
        { noNullPrototype: true },
      ),
      { minLength: 1, maxLength: 5 },
    ),
    peerNum,
    addresses: fc.array(address, { maxLength: 3 }),
    position: amount,
    registration,
    grants,
  },
  ["method", "transactionId", "peerId", "actions", "addresses"],
);

const find: fc.Arbitrary<FindRequest> = record(
  {
    method: fc.constant("FIND" as const),
    transactionId: id,
    peerId: id,
    swarmId: id,
    peerNum,
    position: amount,
    registration,
    grants,
  },
  ["method", "transactionId", "peerId", "swarmId"],
);

/** Ascending and disjoint; ranges of one chunk among them. */
const contentMap: fc.Arbitrary<ContentMap> = fc.record(
  {
    swarmId: id,
    ranges: fc
      .uniqueArray(fc.nat(100_000), { maxLength: 64 })
      .map((ends) => ends.toSorted((a, b) => a - b))
      .map((ends) => ends.flatMap((end, at) => (at % 2 === 0 ? [[end, ends[at + 1] ?? end] as const] : []))),
  },
  { noNullPrototype: true },
);

const properties: fc.Arbitrary<PeerProperties> = record(
  {
    onlineTime: amount,
    contentMap: fc.array(contentMap, { minLength: 1, maxLength: 3 }),
    playback: fc.record(
      { chunksInTime: amount, chunksLate: amount, stalls: amount, rejected: amount, httpBytes: amount },
      { requiredKeys: ["chunksInTime", "chunksLate", "stalls", "rejected"], noNullPrototype: true },
    ),
    nat: fc.constantFrom(...NAT_ABILITIES),
    access: fc.constantFrom(...ACCESS_TYPES),
    power: fc.constantFrom(...POWER_SOURCES),
  },
  [],
);

const report: fc.Arbitrary<StatReport> = record(
  {
    method: fc.constant("STAT_REPORT" as const),
    transactionId: id,
    peerId: id,
    stats: fc.array(
      record({ swarmId: id, uploadedBytes: amount, downloadedBytes: amount, availBandwidth: amount }, []),
      { maxLength: 3 },
    ),
    properties: properties.filter((found) => Object.keys(found).length > 0),
    registration,
    grants,
  },
  ["method", "transactionId", "peerId", "stats"],
);

const peer: fc.Arbitrary<PeerInfo> = record(
  { swarmId: id, peerId: id, addresses: fc.array(address, { maxLength: 3 }), superNode: fc.constant(true as const) },
  ["peerId", "addresses"],
);

const swarmSize: fc.Arbitrary<SwarmSize> = fc.record({ swarmId: id, size: amount }, { noNullPrototype: true });

const iceServer: fc.Arbitrary<IceServer> = record(
  { urls: fc.array(id, { minLength: 1, maxLength: 3 }), username: id, credential: id },
  ["urls"],
);

/** Any response that XML can carry. */
export const anyResponse: fc.Arbitrary<TrackerResponse> = fc
  .tuple(
    record(
      {
        response: fc.constantFrom("SUCCESSFUL" as const, "AUTHENTICATION REQUIRED" as const),
        transactionId: id,
        swarmSizes: fc.array(swarmSize, { minLength: 1, maxLength: 3 }),
        iceServers: fc.array(iceServer, { minLength: 1, maxLength: 3 }),
        registration,
      },
      ["response", "transactionId"],
    ),
    fc.option(fc.record({ results: fc.array(id, { maxLength: 3 }), peers: fc.array(peer, { maxLength: 3 }) })),
  )
  .map(([head, lists]) => ({ ...head, ...lists }));

/** Any request. */
export const anyRequest: fc.Arbitrary<TrackerRequest> = fc.oneof(connect, find, report);

/** A CONNECT, and an answer to it with everything in it. */
export const anyExchange = connect.chain((request) =>
  fc
    .record({
      own: fc.array(address, { minLength: 1, maxLength: 1 }),
      others: fc.array(fc.record({ peerId: id, addresses: fc.array(address, { minLength: 1, maxLength: 3 }) }), {
        maxLength: 4,
      }),
      sizes: fc.array(swarmSize, { minLength: 1, maxLength: 3 }),
      servers: fc.array(iceServer, { minLength: 1, maxLength: 3 }),
      token: registration,
    })
    .map(({ own, others, sizes, servers, token }) => {
      const joined = request.actions.findLast(({ action }) => action === "JOIN")?.swarmId;
      const list = joined === undefined ? [] : others.map((peer) => ({ swarmId: joined, ...peer }));
      const response: TrackerResponse = {
        response: "SUCCESSFUL",
        transactionId: request.transactionId,
        results: request.actions.map((_, index) => `${request.transactionId}.${index + 1}`),
        peers: [{ peerId: request.peerId, addresses: own }, ...list],
        swarmSizes: sizes,
        iceServers: servers,
        registration: token,
      };
      return { request, response };
    }),
);

import { malformed, TrackerError } from "../errors.ts";
import { MAX_ADDRESSES, MAX_PEERS, MAX_SWARMS } from "../limits.ts";
import {
  NAT_ABILITIES,
  type PeerAddress,
  type PeerInfo,
  type PeerNum,
  type Registration,
  type SwarmAction,
  type TrackerRequest,
  type TrackerResponse,
} from "../messages.ts";
import {
  address,
  addressText,
  defined,
  grantText,
  identifier,
  integerValue,
  oneOf,
  swarmIdentifier,
} from "../values.ts";
import { readIceServers, readSwarmSizes } from "./lists.ts";
import { array, type JsonObject, member, object, objects, optional, parseObject, required } from "./read.ts";
import { readStatistics } from "./statistics.ts";

/** Version number of RFC 7846; it is what the draft calls 1.0. */
export const JSON_VERSION = 1;
const LEVELS = ["HIGH", "NORMAL"] as const;

/** Decodes a request body (RFC 7846 §4). @throws TrackerError "malformed" or "version". */
export function decodeRequest(text: string): TrackerRequest {
  const root = parseRoot(text);
  const method = oneOf(required(root, "request_type"), ["CONNECT", "FIND", "STAT_REPORT"], "request_type");
  const peerId = identifier(required(root, "peer_id"), "peer_id");
  const transactionId = identifier(required(root, "transaction_id"), "transaction_id");
  const common = {
    peerId,
    transactionId,
    ...defined({
      registration: optional(root, "registration", readRegistration),
      grants: optional(root, "grants", (value, name) => array(value, name, MAX_SWARMS).map(grantText)),
    }),
  };
  switch (method) {
    case "CONNECT":
      return { method, ...common, ...readConnect(root, transactionId) };
    case "FIND":
      return { method, ...common, swarmId: swarmIdentifier(required(root, "swarm_id")), ...readWish(root, root) };
    case "STAT_REPORT":
      return { method, ...common, ...readStatistics(optional(root, "stat_report", object)) };
  }
}

/** Decodes a response body. @throws TrackerError "malformed" or "version". */
export function decodeResponse(text: string): TrackerResponse {
  const root = parseRoot(text);
  const transactionId = identifier(required(root, "transaction_id"), "transaction_id");
  const errorCode = integerValue(required(root, "error_code"), "error_code", 255);
  if (errorCode === 6) return { response: "AUTHENTICATION REQUIRED", transactionId };
  if (errorCode !== 0 || required(root, "response_type") !== 0) throw malformed(`error_code ${errorCode}`);
  const swarms = objects(root, "swarm_result", MAX_SWARMS);
  const own = optional(root, "peer_addr", readAddress);
  const self = optional(root, "peer_id", identifier);
  const peers = swarms.flatMap(readPeers);
  if (own !== undefined && self !== undefined) peers.unshift({ peerId: self, addresses: [own] });
  return {
    response: "SUCCESSFUL",
    transactionId,
    // Of CONNECT only, which is the one that tells the asker its address.
    ...(own !== undefined && { results: swarms.map((_, index) => actionTransaction(transactionId, index)) }),
    ...((own !== undefined || peers.length > 0) && { peers }),
    ...defined({
      swarmSizes: readSwarmSizes(root),
      iceServers: readIceServers(root),
      registration: optional(root, "registration", readRegistration),
    }),
  };
}

/** TransactionID of an action: RFC 7846 has none, so its place in the request names it. */
export const actionTransaction = (transactionId: string, index: number): string => `${transactionId}.${index + 1}`;

function parseRoot(text: string): JsonObject {
  const root = object(required(parseObject(text), "PPSPTrackerProtocol"), "PPSPTrackerProtocol");
  const version = required(root, "version");
  if (version === JSON_VERSION) return root;
  const stated = typeof version === "number" && version >= 0 && version < 1000 ? String(version) : "unknown";
  throw new TrackerError("version", `PPSP Version ${stated}`);
}

function readConnect(root: JsonObject, transactionId: string) {
  const connect = object(required(root, "connect"), "connect");
  const actions = objects(connect, "swarm_action", MAX_SWARMS).map((action, index): SwarmAction => ({
    swarmId: swarmIdentifier(required(action, "swarm_id")),
    action: oneOf(required(action, "action"), ["JOIN", "LEAVE"], "action"),
    peerMode: oneOf(required(action, "peer_mode"), ["SEED", "LEECH"], "peer_mode"),
    transactionId: actionTransaction(transactionId, index),
  }));
  if (actions.length === 0) throw malformed("Missing swarm_action");
  return { actions, addresses: optional(connect, "peer_addr", readAddresses) ?? [], ...readWish(connect, root) };
}

function readWish(of: JsonObject, root: JsonObject) {
  return defined({
    peerNum: optional(of, "peer_num", readPeerNum),
    position: optional(root, "position", (value, name) => integerValue(value, name)),
  });
}

function readPeerNum(value: unknown): PeerNum {
  const of = object(value, "peer_num");
  const wish = <const T extends string>(name: string, allowed: readonly T[]): T | undefined =>
    optional(of, name, (text) => oneOf(text, allowed, name));
  return {
    count: integerValue(required(of, "peer_count"), "peer_count"),
    ...defined({
      abilityNAT: wish("ability_nat", NAT_ABILITIES),
      concurrentLinks: wish("concurrent_links", ["HIGH", "LOW", "NORMAL"]),
      onlineTime: wish("online_time", LEVELS),
      uploadBWlevel: wish("upload_bandwidth_level", LEVELS),
    }),
  };
}

/** One address or an array of them: the RFC has both. */
function readAddresses(value: unknown): PeerAddress[] {
  return array(Array.isArray(value) ? value : [value], "peer_addr", MAX_ADDRESSES).map(readAddress);
}

function readAddress(value: unknown): PeerAddress {
  const of = object(value, "peer_addr");
  const ip = object(required(of, "ip_address"), "ip_address");
  const text = (name: string): string | undefined =>
    optional(of, name, (found) => {
      if (typeof found !== "string") throw malformed(`Bad ${name}`);
      return addressText(found);
    });
  return {
    ...address(required(ip, "address_type"), required(ip, "address")),
    port: integerValue(required(of, "port"), "port", 0xffff),
    ...defined({
      priority: optional(of, "priority", (found, name) => integerValue(found, name, 0xffffffff)),
      type: optional(of, "type", (found, name) => oneOf(found, ["HOST", "REFLEXIVE", "PROXY"], name)),
      connection: text("connection"),
      asn: text("asn"),
      peerProtocol: text("peer_protocol"),
    }),
  };
}

function readPeers(result: JsonObject): PeerInfo[] {
  const group = optional(result, "peer_group", object);
  if (group === undefined) return [];
  const swarmId = swarmIdentifier(required(result, "swarm_id"));
  return objects(group, "peer_info", MAX_PEERS).map((info) => ({
    swarmId,
    peerId: identifier(required(info, "peer_id"), "peer_id"),
    addresses: optional(info, "peer_addr", readAddresses) ?? [],
    ...(member(info, "super_node") === true && { superNode: true }),
  }));
}

function readRegistration(value: unknown): Registration {
  const of = object(value, "registration");
  return defined({
    token: optional(of, "token", (token, name) => identifier(token, name)),
    trackTimer: optional(of, "track_timer", (timer, name) => integerValue(timer, name, 86_400)),
    relayOnly: member(of, "relay_only") === true ? true : undefined,
  });
}

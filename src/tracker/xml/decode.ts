import { addressType } from "../address.ts";
import { malformed, TrackerError } from "../errors.ts";
import { MAX_ADDRESSES, MAX_PEERS, MAX_SWARMS } from "../limits.ts";
import {
  PROTOCOL_VERSION,
  type PeerAddress,
  type PeerInfo,
  type PeerNum,
  type Registration,
  type StreamStatistics,
  type SwarmAction,
  type TrackerRequest,
  type TrackerResponse,
} from "../messages.ts";
import { type Element, parseDocument } from "./element.ts";
import { attribute, child, children, childText, defined, identifier, integer, oneOf, swarmIdentifier } from "./read.ts";

const LEVELS = ["HIGH", "NORMAL"] as const;

/** Decodes a request body (§3.1). @throws TrackerError "malformed" or "version". */
export function decodeRequest(text: string): TrackerRequest {
  const root = parseRoot(text);
  const method = oneOf(childText(root, "Request"), ["CONNECT", "STAT_REPORT"], "Request method");
  const peerId = identifier(childText(root, "PeerID"), "PeerID");
  const transactionId = identifier(childText(root, "TransactionID"), "TransactionID");
  const common = { peerId, transactionId, ...defined({ registration: readRegistration(root) }) };
  if (method === "STAT_REPORT") {
    const group = child(root, "StatisticsGroup");
    const stats = group === undefined ? [] : children(group, "Stat");
    if (stats.length > MAX_SWARMS) throw malformed("Too many Stat");
    return { method, ...common, stats: stats.flatMap(readStat) };
  }
  const actions = children(root, "SwarmID").map(readAction);
  if (actions.length === 0) throw malformed("Missing SwarmID");
  if (actions.length > MAX_SWARMS) throw malformed("Too many SwarmID");
  const number = child(root, "PeerNum", "PeerNUM");
  return {
    method,
    ...common,
    actions,
    addresses: readPeers(root, 1).flatMap((peer) => children(peer, "PeerAddress").map(readAddress)),
    ...(number !== undefined && { peerNum: readPeerNum(number) }),
  };
}

/** Decodes a response body (§3.4). @throws TrackerError "malformed" or "version". */
export function decodeResponse(text: string): TrackerResponse {
  const root = parseRoot(text);
  const response = oneOf(childText(root, "Response"), ["SUCCESSFUL", "AUTHENTICATION REQUIRED"], "Response");
  const transaction = child(root, "TransactionID");
  if (transaction === undefined) throw malformed("Missing TransactionID");
  const results = children(transaction, "Result").map((result) =>
    identifier(attribute(result, "transactionID"), "transactionID"),
  );
  const [first = identifier(transaction.text.trim(), "TransactionID"), ...actions] = results;
  return {
    response,
    transactionId: first,
    ...(results.length > 0 && { results: actions, peers: readPeers(root, MAX_PEERS * MAX_SWARMS).map(readPeerInfo) }),
    ...defined({ registration: readRegistration(root) }),
  };
}

function parseRoot(text: string): Element {
  const root = parseDocument(text);
  if (root.extension || root.name !== "PPSPTrackerProtocol") throw malformed("Root is not PPSPTrackerProtocol");
  const version = attribute(root, "version");
  if (version !== PROTOCOL_VERSION) {
    throw new TrackerError("version", `PPSP Version ${/^\d{1,3}\.\d{1,3}$/u.test(version) ? version : "unknown"}`);
  }
  return root;
}

function readAction(element: Element): SwarmAction {
  return {
    swarmId: swarmIdentifier(element.text.trim()),
    action: oneOf(attribute(element, "action"), ["JOIN", "LEAVE"], "action"),
    peerMode: oneOf(attribute(element, "peerMode"), ["SEED", "LEECH"], "peerMode"),
    transactionId: identifier(attribute(element, "transactionID"), "transactionID"),
  };
}

function readPeerNum(element: Element): PeerNum {
  const wish = <const T extends string>(name: string, allowed: readonly T[]): T | undefined => {
    const value = element.attributes.get(name);
    return value === undefined ? undefined : oneOf(value, allowed, name);
  };
  return {
    count: integer(element.text.trim(), "PeerNum"),
    ...defined({
      abilityNAT: wish("abilityNAT", ["No-NAT", "STUN", "TURN", "PROXY"]),
      concurrentLinks: wish("concurrentLinks", ["HIGH", "LOW", "NORMAL"]),
      onlineTime: wish("onlineTime", LEVELS),
      uploadBWlevel: wish("uploadBWlevel", LEVELS),
    }),
  };
}

function readPeers(root: Element, limit: number): Element[] {
  const group = child(root, "PeerGroup");
  if (group === undefined) return [];
  const peers = children(group, "PeerInfo");
  if (peers.length === 0) throw malformed("Missing PeerInfo");
  if (peers.length > limit) throw malformed("Too many PeerInfo");
  return peers;
}

function readPeerInfo(element: Element): PeerInfo {
  const swarmId = element.attributes.get("swarmID");
  return {
    peerId: identifier(childText(element, "PeerID"), "PeerID"),
    addresses: children(element, "PeerAddress").map(readAddress),
    ...(swarmId !== undefined && { swarmId: swarmIdentifier(swarmId) }),
  };
}

function readAddress(element: Element, index: number): PeerAddress {
  if (index >= MAX_ADDRESSES) throw malformed("Too many PeerAddress");
  const addrType = oneOf(attribute(element, "addrType"), ["ipv4", "ipv6"], "addrType");
  const ip = attribute(element, "ip");
  if (addressType(ip) !== addrType) throw malformed("Bad ip");
  const optional = (name: string): string | undefined => element.attributes.get(name)?.trim().slice(0, 64);
  const priority = optional("priority");
  const type = optional("type");
  return {
    addrType,
    ip,
    port: integer(attribute(element, "port"), "port", 0xffff),
    ...defined({
      priority: priority === undefined ? undefined : integer(priority, "priority", 0xffffffff),
      type: type === undefined ? undefined : oneOf(type, ["HOST", "REFLEXIVE", "PROXY"], "type"),
      connection: optional("connection"),
      asn: optional("asn"),
      peerProtocol: optional("peerProtocol"),
    }),
  };
}

/** Properties other than StreamStatistics are extensions (§3.2): accepted and not kept. */
function readStat(element: Element): StreamStatistics[] {
  if (attribute(element, "property") !== "StreamStatistics") return [];
  const swarm = child(element, "SwarmID");
  const amount = (name: string): number | undefined => {
    const found = child(element, name);
    return found === undefined ? undefined : integer(found.text.trim(), name);
  };
  return [
    defined({
      swarmId: swarm === undefined ? undefined : swarmIdentifier(swarm.text.trim()),
      uploadedBytes: amount("UploadedBytes"),
      downloadedBytes: amount("DownloadedBytes"),
      availBandwidth: amount("AvailBandwidth"),
    }),
  ];
}

function readRegistration(root: Element): Registration | undefined {
  const found = root.children.filter((element) => element.extension && element.name === "Registration");
  if (found.length > 1) throw malformed("More than one Registration");
  const attributes = found[0]?.attributes;
  if (attributes === undefined) return undefined;
  const token = attributes.get("token");
  const trackTimer = attributes.get("trackTimer");
  return defined({
    token: token === undefined ? undefined : identifier(token, "token"),
    trackTimer: trackTimer === undefined ? undefined : integer(trackTimer, "trackTimer", 86_400),
  });
}

import { malformed, TrackerError } from "../errors.ts";
import { MAX_ADDRESSES, MAX_ANSWER_ELEMENTS, MAX_ELEMENTS, MAX_PEERS, MAX_SWARMS } from "../limits.ts";
import {
  NAT_ABILITIES,
  PROTOCOL_VERSION,
  type PeerAddress,
  type PeerInfo,
  type PeerNum,
  type Registration,
  type SwarmAction,
  type TrackerRequest,
  type TrackerResponse,
} from "../messages.ts";
import { address, addressText, defined, grantText, identifier, oneOf, swarmIdentifier } from "../values.ts";
import { type Element, GRANT_NAMESPACE, LISTS_NAMESPACE, parseDocument, REGISTRATION_NAMESPACE } from "./element.ts";
import { readIceServers, readSwarmSizes } from "./lists.ts";
import { attribute, child, children, childText, extensionChild, extensionChildren, integer } from "./read.ts";
import { readStatistics } from "./statistics.ts";

const LEVELS = ["HIGH", "NORMAL"] as const;

/** Decodes a request body (§3.1). @throws TrackerError "malformed" or "version". */
export function decodeRequest(text: string): TrackerRequest {
  const root = parseRoot(text, MAX_ELEMENTS);
  const method = oneOf(childText(root, "Request"), ["CONNECT", "FIND", "STAT_REPORT"], "Request method");
  const peerId = identifier(childText(root, "PeerID"), "PeerID");
  const transactionId = identifier(childText(root, "TransactionID"), "TransactionID");
  const common = {
    peerId,
    transactionId,
    ...defined({ registration: readRegistration(root), grants: readGrants(root) }),
  };
  if (method === "STAT_REPORT") return { method, ...common, ...readStatistics(root) };
  const number = child(root, "PeerNum", "PeerNUM");
  const position = extensionChild(root, LISTS_NAMESPACE, "Position");
  const wish = defined({
    peerNum: number === undefined ? undefined : readPeerNum(number),
    position: position === undefined ? undefined : integer(position.text.trim(), "Position"),
  });
  if (method === "FIND") return { method, ...common, swarmId: swarmIdentifier(childText(root, "SwarmID")), ...wish };
  const swarms = children(root, "SwarmID");
  if (swarms.length === 0) throw malformed("Missing SwarmID");
  if (swarms.length > MAX_SWARMS) throw malformed("Too many SwarmID");
  return {
    method,
    ...common,
    actions: swarms.map(readAction),
    addresses: readPeers(root, 1).flatMap((peer) => children(peer, "PeerAddress").map(readAddress)),
    ...wish,
  };
}

/** Decodes a response body (§3.4). @throws TrackerError "malformed" or "version". */
export function decodeResponse(text: string): TrackerResponse {
  const root = parseRoot(text, MAX_ANSWER_ELEMENTS);
  const response = oneOf(childText(root, "Response"), ["SUCCESSFUL", "AUTHENTICATION REQUIRED"], "Response");
  const transaction = child(root, "TransactionID");
  if (transaction === undefined) throw malformed("Missing TransactionID");
  const results = children(transaction, "Result").map((result) =>
    identifier(attribute(result, "transactionID"), "transactionID"),
  );
  const [first = identifier(transaction.text.trim(), "TransactionID"), ...actions] = results;
  const peers = readPeers(root, MAX_PEERS * MAX_SWARMS).map(readPeerInfo);
  return {
    response,
    transactionId: first,
    ...(results.length > 0 && { results: actions }),
    ...((peers.length > 0 || results.length > 0) && { peers }),
    ...defined({
      swarmSizes: readSwarmSizes(root),
      iceServers: readIceServers(root),
      registration: readRegistration(root),
    }),
  };
}

function parseRoot(text: string, maxElements: number): Element {
  const root = parseDocument(text, maxElements);
  if (root.extension !== undefined || root.name !== "PPSPTrackerProtocol")
    throw malformed("Root is not PPSPTrackerProtocol");
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
      abilityNAT: wish("abilityNAT", NAT_ABILITIES),
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
    ...(extensionChild(element, LISTS_NAMESPACE, "SuperNode") !== undefined && { superNode: true }),
  };
}

function readAddress(element: Element, index: number): PeerAddress {
  if (index >= MAX_ADDRESSES) throw malformed("Too many PeerAddress");
  const optional = (name: string): string | undefined => {
    const value = element.attributes.get(name);
    return value === undefined ? undefined : addressText(value);
  };
  const priority = optional("priority");
  const type = optional("type");
  return {
    ...address(attribute(element, "addrType"), attribute(element, "ip")),
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

function readGrants(root: Element): string[] | undefined {
  const grants = extensionChildren(root, GRANT_NAMESPACE, "Grant").map(({ text }) => grantText(text.trim()));
  if (grants.length > MAX_SWARMS) throw malformed("Too many Grant");
  return grants.length > 0 ? grants : undefined;
}

function readRegistration(root: Element): Registration | undefined {
  const attributes = extensionChild(root, REGISTRATION_NAMESPACE, "Registration")?.attributes;
  if (attributes === undefined) return undefined;
  const token = attributes.get("token");
  const trackTimer = attributes.get("trackTimer");
  return defined({
    token: token === undefined ? undefined : identifier(token, "token"),
    trackTimer: trackTimer === undefined ? undefined : integer(trackTimer, "trackTimer", 86_400),
    relayOnly: attributes.get("relayOnly") === "true" ? true : undefined,
  });
}

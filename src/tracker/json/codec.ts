import type { RefusalCode } from "../errors.ts";
import type {
  Codec,
  ConnectRequest,
  PeerAddress,
  PeerInfo,
  PeerNum,
  Registration,
  TrackerRequest,
  TrackerResponse,
} from "../messages.ts";
import { decodeRequest, decodeResponse, JSON_VERSION } from "./decode.ts";
import { writeStatistics } from "./statistics.ts";

/** The encoding of RFC 7846. */
export const jsonCodec: Codec = {
  contentType: "application/ppsp-tracker+json",
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  encodeRefusal,
};

/** PPSTP Error Code Registry; what has no code of its own there is a bad request. */
const ERROR_CODES: Readonly<Record<RefusalCode, number>> = {
  malformed: 1,
  version: 2,
  unauthorized: 6,
  forbidden: 3,
  "not-found": 1,
  timeout: 1,
  length: 1,
  "uri-too-long": 1,
  internal: 4,
  unavailable: 5,
};

function encodeRequest(request: TrackerRequest): string {
  const { method, transactionId, peerId, grants, registration } = request;
  const head = {
    request_type: quote(method),
    transaction_id: quote(transactionId),
    peer_id: quote(peerId),
    grants: grants && JSON.stringify(grants),
  };
  const tail = { registration: registration && writeRegistration(registration) };
  switch (method) {
    case "CONNECT":
      return root({ ...head, connect: writeConnect(request), position: request.position?.toString(), ...tail });
    case "FIND":
      return root({
        ...head,
        swarm_id: quote(request.swarmId),
        peer_num: writePeerNum(request.peerNum),
        position: request.position?.toString(),
        ...tail,
      });
    case "STAT_REPORT":
      return root({ ...head, stat_report: JSON.stringify(writeStatistics(request)), ...tail });
  }
}

/** Written piece by piece: the one text that a tracker makes all day long. */
function encodeResponse(response: TrackerResponse, request: TrackerRequest): string {
  const { transactionId, peers = [], swarmSizes, iceServers, registration } = response;
  if (response.response !== "SUCCESSFUL") return encodeRefusal("unauthorized", transactionId);
  let text = `{"PPSPTrackerProtocol":{"version":${JSON_VERSION},"response_type":0,"error_code":0,"transaction_id":${quote(transactionId)}`;
  const self = peers.find(({ swarmId }) => swarmId === undefined);
  if (self !== undefined) {
    text += `,"peer_id":${quote(self.peerId)}`;
    if (self.addresses[0] !== undefined) text += `,"peer_addr":${writeAddress(self.addresses[0])}`;
  }
  const results = writeResults(request, peers);
  if (results !== undefined) text += `,"swarm_result":[${results.join(",")}]`;
  if (swarmSizes !== undefined) {
    const sizes = swarmSizes.map(({ swarmId, size }) => `{"swarm_id":${quote(swarmId)},"size":${size}}`);
    text += `,"swarm_sizes":[${sizes.join(",")}]`;
  }
  if (iceServers !== undefined) text += `,"ice_servers":${JSON.stringify(iceServers)}`;
  if (registration !== undefined) text += `,"registration":${writeRegistration(registration)}`;
  return `${text}}}`;
}

/** Every refusal has a body in JSON, which says error_code. */
function encodeRefusal(code: RefusalCode, transactionId: string | undefined): string {
  return root({
    response_type: "1",
    error_code: String(ERROR_CODES[code]),
    transaction_id: transactionId === undefined ? undefined : quote(transactionId),
  });
}

const root = (members: Readonly<Record<string, string | undefined>>): string =>
  `{"PPSPTrackerProtocol":${writeObject({ version: String(JSON_VERSION), ...members })}}`;

/** Members are JSON texts; those that are undefined are left out. */
const writeObject = (members: Readonly<Record<string, string | undefined>>): string =>
  `{${Object.entries(members)
    .flatMap(([name, text]) => (text === undefined ? [] : `"${name}":${text}`))
    .join(",")}}`;

/** One result for each action of a CONNECT, with the peer list where it is a JOIN; one for a FIND. */
function writeResults(request: TrackerRequest, peers: readonly PeerInfo[]): string[] | undefined {
  if (request.method === "STAT_REPORT") return undefined;
  if (request.method === "FIND") return [writeResult(request.swarmId, peers)];
  return request.actions.map(({ action, swarmId }) => writeResult(swarmId, action === "JOIN" ? peers : []));
}

function writeResult(swarmId: string, peers: readonly PeerInfo[]): string {
  let infos = "";
  for (const peer of peers) {
    if (peer.swarmId === swarmId) infos += (infos === "" ? "" : ",") + writePeer(peer);
  }
  const group = infos === "" ? "" : `,"peer_group":{"peer_info":[${infos}]}`;
  return `{"swarm_id":${quote(swarmId)},"result":0${group}}`;
}

function writePeer({ peerId, addresses, superNode }: PeerInfo): string {
  let text = `{"peer_id":${quote(peerId)}`;
  if (addresses.length === 1) text += `,"peer_addr":${writeAddress(addresses[0]!)}`;
  else if (addresses.length > 1) text += `,"peer_addr":[${addresses.map(writeAddress).join(",")}]`;
  return superNode === undefined ? `${text}}` : `${text},"super_node":true}`;
}

function writeConnect({ addresses, actions, peerNum }: ConnectRequest): string {
  const swarms = actions.map(({ swarmId, action, peerMode }) => ({ swarm_id: swarmId, action, peer_mode: peerMode }));
  return writeObject({
    peer_num: writePeerNum(peerNum),
    peer_addr: addresses.length > 0 ? `[${addresses.map(writeAddress).join(",")}]` : undefined,
    swarm_action: JSON.stringify(swarms),
  });
}

const writePeerNum = (peerNum: PeerNum | undefined): string | undefined =>
  peerNum &&
  JSON.stringify({
    peer_count: peerNum.count,
    ability_nat: peerNum.abilityNAT,
    concurrent_links: peerNum.concurrentLinks,
    online_time: peerNum.onlineTime,
    upload_bandwidth_level: peerNum.uploadBWlevel,
  });

function writeAddress({ addrType, ip, port, priority, type, connection, asn, peerProtocol }: PeerAddress): string {
  let text = `{"ip_address":{"address_type":"${addrType}","address":${quote(ip)}},"port":${port}`;
  if (priority !== undefined) text += `,"priority":${priority}`;
  if (type !== undefined) text += `,"type":"${type}"`;
  if (connection !== undefined) text += `,"connection":${quote(connection)}`;
  if (asn !== undefined) text += `,"asn":${quote(asn)}`;
  if (peerProtocol !== undefined) text += `,"peer_protocol":${quote(peerProtocol)}`;
  return `${text}}`;
}

/** A string as JSON; nearly all of ours need no escapes. */
const quote = (text: string): string =>
  /[^\x20\x21\x23-\x5b\x5d-\x7e]/u.test(text) ? JSON.stringify(text) : `"${text}"`;

function writeRegistration({ token, trackTimer, relayOnly }: Registration): string {
  const members: string[] = [];
  if (token !== undefined) members.push(`"token":${quote(token)}`);
  if (trackTimer !== undefined) members.push(`"track_timer":${trackTimer}`);
  if (relayOnly !== undefined) members.push(`"relay_only":${relayOnly}`);
  return `{${members.join(",")}}`;
}

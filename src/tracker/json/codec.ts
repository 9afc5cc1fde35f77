import type { RefusalCode } from "../errors.ts";
import type {
  Codec,
  ConnectRequest,
  FindRequest,
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
  const { method, transactionId, peerId, grants } = request;
  const head = { request_type: method, transaction_id: transactionId, peer_id: peerId, grants };
  const registration = writeRegistration(request.registration);
  switch (request.method) {
    case "CONNECT":
      return root({ ...head, connect: writeConnect(request), position: request.position, registration });
    case "FIND":
      return root({
        ...head,
        swarm_id: request.swarmId,
        ...writeWish(request),
        position: request.position,
        registration,
      });
    case "STAT_REPORT":
      return root({ ...head, stat_report: writeStatistics(request), registration });
  }
}

function encodeResponse(response: TrackerResponse, request: TrackerRequest): string {
  const { transactionId, peers = [], swarmSizes, iceServers, registration } = response;
  if (response.response !== "SUCCESSFUL") return encodeRefusal("unauthorized", transactionId);
  const self = peers.find(({ swarmId }) => swarmId === undefined);
  return root({
    response_type: 0,
    error_code: 0,
    transaction_id: transactionId,
    ...(self !== undefined && {
      peer_id: self.peerId,
      peer_addr: self.addresses[0] && writeAddress(self.addresses[0]),
    }),
    swarm_result: writeResults(request, peers),
    swarm_sizes: swarmSizes?.map(({ swarmId, size }) => ({ swarm_id: swarmId, size })),
    ice_servers: iceServers,
    registration: writeRegistration(registration),
  });
}

/** Every refusal has a body in JSON, which says error_code. */
function encodeRefusal(code: RefusalCode, transactionId: string | undefined): string {
  return root({ response_type: 1, error_code: ERROR_CODES[code], transaction_id: transactionId });
}

const root = (content: Readonly<Record<string, unknown>>): string =>
  JSON.stringify({ PPSPTrackerProtocol: { version: JSON_VERSION, ...content } });

/** One result for each action of a CONNECT, with the peer list where it is a JOIN; one for a FIND. */
function writeResults(request: TrackerRequest, peers: readonly PeerInfo[]) {
  if (request.method === "STAT_REPORT") return undefined;
  if (request.method === "FIND") return [writeResult(request.swarmId, peers)];
  return request.actions.map(({ action, swarmId }) => writeResult(swarmId, action === "JOIN" ? peers : []));
}

function writeResult(swarmId: string, peers: readonly PeerInfo[]) {
  const own = peers.filter((peer) => peer.swarmId === swarmId);
  return {
    swarm_id: swarmId,
    result: 0,
    ...(own.length > 0 && {
      peer_group: {
        peer_info: own.map(({ peerId, addresses, superNode }) => ({
          peer_id: peerId,
          peer_addr: addresses.length > 1 ? addresses.map(writeAddress) : addresses[0] && writeAddress(addresses[0]),
          super_node: superNode,
        })),
      },
    }),
  };
}

function writeConnect(request: ConnectRequest) {
  const { addresses, actions } = request;
  return {
    ...writeWish(request),
    ...(addresses.length > 0 && { peer_addr: addresses.map(writeAddress) }),
    swarm_action: actions.map(({ swarmId, action, peerMode }) => ({ swarm_id: swarmId, action, peer_mode: peerMode })),
  };
}

const writeWish = ({ peerNum }: ConnectRequest | FindRequest) =>
  peerNum === undefined ? {} : { peer_num: writePeerNum(peerNum) };

const writePeerNum = ({ count, abilityNAT, concurrentLinks, onlineTime, uploadBWlevel }: PeerNum) => ({
  peer_count: count,
  ability_nat: abilityNAT,
  concurrent_links: concurrentLinks,
  online_time: onlineTime,
  upload_bandwidth_level: uploadBWlevel,
});

const writeAddress = ({ addrType, ip, peerProtocol, ...rest }: PeerAddress) => ({
  ip_address: { address_type: addrType, address: ip },
  ...rest,
  peer_protocol: peerProtocol,
});

const writeRegistration = (registration: Registration | undefined) =>
  registration && {
    token: registration.token,
    track_timer: registration.trackTimer,
    relay_only: registration.relayOnly,
  };

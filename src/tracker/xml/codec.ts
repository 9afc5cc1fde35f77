import {
  type Codec,
  PROTOCOL_VERSION,
  type PeerAddress,
  type PeerInfo,
  type Registration,
  type TrackerRequest,
  type TrackerResponse,
} from "../messages.ts";
import { decodeRequest, decodeResponse } from "./decode.ts";
import {
  escapeXml,
  GRANT_NAMESPACE,
  LISTS_NAMESPACE,
  NAMESPACE,
  REGISTRATION_NAMESPACE,
  writeElement,
} from "./element.ts";
import { writeLists } from "./lists.ts";
import { writeStatistics } from "./statistics.ts";

/** The XML encoding of draft-ietf-ppsp-base-tracker-protocol-00 §3. */
export const xmlCodec: Codec = {
  contentType: "application/xml; charset=utf-8",
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  // §3.4: only 401 has a body.
  encodeRefusal: (code, transactionId) =>
    code === "unauthorized" && transactionId !== undefined
      ? encodeResponse({ response: "AUTHENTICATION REQUIRED", transactionId })
      : undefined,
};

function encodeRequest(request: TrackerRequest): string {
  let content = textElement("Request", request.method) + textElement("PeerID", request.peerId);
  const transaction = textElement("TransactionID", request.transactionId);
  if (request.method === "STAT_REPORT") return document(content + transaction + writeStatistics(request), request);
  const { peerNum, position } = request;
  if (peerNum !== undefined) {
    const { count, ...wishes } = peerNum;
    content += writeElement("PeerNum", wishes, String(count));
  }
  if (request.method === "FIND") content += textElement("SwarmID", request.swarmId) + transaction;
  else {
    for (const { swarmId, action, peerMode, transactionId } of request.actions) {
      content += writeElement("SwarmID", { action, peerMode, transactionID: transactionId }, escapeXml(swarmId));
    }
    content += transaction;
    if (request.addresses.length > 0) {
      const own = writeElement("PeerInfo", {}, request.addresses.map(address).join(""));
      content += writeElement("PeerGroup", {}, own);
    }
  }
  if (position !== undefined) content += writeElement("Position", { xmlns: LISTS_NAMESPACE }, String(position));
  return document(content, request);
}

function encodeResponse(response: TrackerResponse): string {
  const { results, peers, transactionId } = response;
  const transaction =
    results === undefined
      ? escapeXml(transactionId)
      : [transactionId, ...results].map((id) => `<Result transactionID="${escapeXml(id)}">200 OK</Result>`).join("");
  let content = `${textElement("Response", response.response)}<TransactionID>${transaction}</TransactionID>`;
  if (peers !== undefined && peers.length > 0) content += `<PeerGroup>${peers.map(peerInfo).join("")}</PeerGroup>`;
  return document(content + writeLists(response), response);
}

interface Extended {
  readonly registration?: Registration;
  readonly grants?: readonly string[];
}

function document(content: string, { registration, grants = [] }: Extended): string {
  const extension =
    registration === undefined
      ? ""
      : writeElement("Registration", { xmlns: REGISTRATION_NAMESPACE, ...registration }, "");
  const root = writeElement(
    "PPSPTrackerProtocol",
    { xmlns: NAMESPACE, version: PROTOCOL_VERSION },
    content +
      extension +
      grants.map((grant) => writeElement("Grant", { xmlns: GRANT_NAMESPACE }, escapeXml(grant))).join(""),
  );
  return `<?xml version="1.0" encoding="UTF-8"?>\n${root}`;
}

const textElement = (name: string, text: string): string => `<${name}>${escapeXml(text)}</${name}>`;

/** Written piece by piece, as the list is most of what a tracker writes. */
function address({ addrType, ip, port, priority, type, connection, asn, peerProtocol }: PeerAddress): string {
  let tag = `<PeerAddress addrType="${addrType}" ip="${escapeXml(ip)}" port="${port}"`;
  if (priority !== undefined) tag += ` priority="${priority}"`;
  if (type !== undefined) tag += ` type="${type}"`;
  if (connection !== undefined) tag += ` connection="${escapeXml(connection)}"`;
  if (asn !== undefined) tag += ` asn="${escapeXml(asn)}"`;
  if (peerProtocol !== undefined) tag += ` peerProtocol="${escapeXml(peerProtocol)}"`;
  return `${tag}/>`;
}

function peerInfo({ swarmId, peerId, addresses, superNode }: PeerInfo): string {
  let text = swarmId === undefined ? "<PeerInfo>" : `<PeerInfo swarmID="${escapeXml(swarmId)}">`;
  text += textElement("PeerID", peerId);
  for (const one of addresses) text += address(one);
  if (superNode !== undefined) text += writeElement("SuperNode", { xmlns: LISTS_NAMESPACE }, "");
  return `${text}</PeerInfo>`;
}

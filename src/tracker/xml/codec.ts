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
      : [transactionId, ...results].map((id) => writeElement("Result", { transactionID: id }, "200 OK")).join("");
  let content = textElement("Response", response.response) + writeElement("TransactionID", {}, transaction);
  if (peers !== undefined && peers.length > 0) content += writeElement("PeerGroup", {}, peers.map(peerInfo).join(""));
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

const address = (value: PeerAddress): string => writeElement("PeerAddress", { ...value }, "");

function peerInfo({ swarmId, peerId, addresses, superNode }: PeerInfo): string {
  const content = textElement("PeerID", peerId) + addresses.map(address).join("");
  const extension = superNode === undefined ? "" : writeElement("SuperNode", { xmlns: LISTS_NAMESPACE }, "");
  return writeElement("PeerInfo", { swarmID: swarmId }, content + extension);
}

import {
  type Codec,
  PROTOCOL_VERSION,
  type PeerAddress,
  type PeerInfo,
  type Registration,
  type StreamStatistics,
  type TrackerRequest,
  type TrackerResponse,
} from "../messages.ts";
import { decodeRequest, decodeResponse } from "./decode.ts";
import { escapeXml, NAMESPACE, REGISTRATION_NAMESPACE, writeElement } from "./element.ts";

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
  if (request.method === "CONNECT") {
    const { peerNum, addresses } = request;
    if (peerNum !== undefined) {
      const { count, ...wishes } = peerNum;
      content += writeElement("PeerNum", wishes, String(count));
    }
    for (const { swarmId, action, peerMode, transactionId } of request.actions) {
      content += writeElement("SwarmID", { action, peerMode, transactionID: transactionId }, escapeXml(swarmId));
    }
    content += textElement("TransactionID", request.transactionId);
    if (addresses.length > 0) {
      content += writeElement("PeerGroup", {}, writeElement("PeerInfo", {}, addresses.map(address).join("")));
    }
  } else if (request.method === "FIND") {
    content += textElement("SwarmID", request.swarmId) + textElement("TransactionID", request.transactionId);
  } else {
    content += textElement("TransactionID", request.transactionId);
    if (request.stats.length > 0) content += writeElement("StatisticsGroup", {}, request.stats.map(stat).join(""));
  }
  return document(content, request.registration);
}

function encodeResponse(response: TrackerResponse): string {
  const { results, peers, transactionId } = response;
  const transaction =
    results === undefined
      ? escapeXml(transactionId)
      : [transactionId, ...results].map((id) => writeElement("Result", { transactionID: id }, "200 OK")).join("");
  let content = textElement("Response", response.response) + writeElement("TransactionID", {}, transaction);
  if (peers !== undefined && peers.length > 0) content += writeElement("PeerGroup", {}, peers.map(peerInfo).join(""));
  return document(content, response.registration);
}

function document(content: string, registration: Registration | undefined): string {
  const extension =
    registration === undefined
      ? ""
      : writeElement("Registration", { xmlns: REGISTRATION_NAMESPACE, ...registration }, "");
  const root = writeElement(
    "PPSPTrackerProtocol",
    { xmlns: NAMESPACE, version: PROTOCOL_VERSION },
    content + extension,
  );
  return `<?xml version="1.0" encoding="UTF-8"?>\n${root}`;
}

const textElement = (name: string, text: string | number): string => writeElement(name, {}, escapeXml(String(text)));

const address = (value: PeerAddress): string => writeElement("PeerAddress", { ...value }, "");

const peerInfo = ({ swarmId, peerId, addresses }: PeerInfo): string =>
  writeElement("PeerInfo", { swarmID: swarmId }, textElement("PeerID", peerId) + addresses.map(address).join(""));

function stat(value: StreamStatistics): string {
  let content = "";
  if (value.swarmId !== undefined) content += textElement("SwarmID", value.swarmId);
  if (value.uploadedBytes !== undefined) content += textElement("UploadedBytes", value.uploadedBytes);
  if (value.downloadedBytes !== undefined) content += textElement("DownloadedBytes", value.downloadedBytes);
  if (value.availBandwidth !== undefined) content += textElement("AvailBandwidth", value.availBandwidth);
  return writeElement("Stat", { property: "StreamStatistics" }, content);
}

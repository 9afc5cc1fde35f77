import { jsonCodec } from "../../src/tracker/json/codec.ts";
import type { PeerInfo, TrackerRequest } from "../../src/tracker/messages.ts";

/** What a newcomer to a swarm is told of its members; it leaves at once. */
export async function toldNewcomer(tracker: string, swarmId: string, registration?: object): Promise<PeerInfo[]> {
  const peerId = crypto.randomUUID();
  const ask = async (action: "JOIN" | "LEAVE") => {
    const request = {
      method: "CONNECT",
      transactionId: crypto.randomUUID(),
      peerId,
      actions: [{ swarmId, action, peerMode: "LEECH", transactionId: "1" }],
      addresses: [],
      ...(registration && { registration }),
    } as TrackerRequest;
    const headers = { "Content-Type": jsonCodec.contentType };
    const response = await fetch(tracker, { method: "POST", headers, body: jsonCodec.encodeRequest(request) });
    return jsonCodec.decodeResponse(await response.text());
  };
  const { peers = [] } = await ask("JOIN");
  await ask("LEAVE");
  return peers.filter((peer) => peer.swarmId !== undefined);
}

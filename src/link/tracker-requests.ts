import type { ConnectRequest, FindRequest, PeerProperties, Registration, StatReport } from "../tracker/messages.ts";
import type { TrackerClientOptions } from "./tracker-client.ts";

type Whom = Pick<
  TrackerClientOptions,
  "peerId" | "swarmId" | "mode" | "peerNum" | "relayOnly" | "grant" | "addresses" | "trackTimer" | "events"
>;

/** CONNECT with one action; `registration` is absent in the base protocol. */
export function connectRequest(
  action: "JOIN" | "LEAVE",
  { peerId, swarmId, mode, peerNum, relayOnly, grant, addresses = [], events }: Whom,
  registration: Registration | undefined,
): ConnectRequest {
  const transactionId = newTransactionId();
  const joins = action === "JOIN";
  const { position } = joins ? events.report() : {};
  return {
    method: "CONNECT",
    transactionId,
    peerId,
    actions: [{ swarmId, action, peerMode: mode, transactionId: `${transactionId}.1` }],
    addresses: joins ? addresses : [],
    ...(registration !== undefined && { registration: { ...registration, ...(relayOnly && { relayOnly }) } }),
    ...(joins && peerNum > 0 && { peerNum: { count: peerNum } }),
    ...(joins && grant !== undefined && { grants: [grant] }),
    ...(position !== undefined && { position }),
  };
}

/** FIND (RFC 7846). */
export function findRequest(
  { peerId, swarmId, peerNum, events }: Whom,
  registration: Registration | undefined,
): FindRequest {
  const { position } = events.report();
  return {
    method: "FIND",
    transactionId: newTransactionId(),
    peerId,
    swarmId,
    peerNum: { count: peerNum },
    ...(registration !== undefined && { registration }),
    ...(position !== undefined && { position }),
  };
}

/** Makes the reports of one peer: what has not changed since the last one is left out. */
export class Reporter {
  readonly #whom: Whom;
  /** The ContentMap that the tracker has, as text. */
  #contentMap = "[]";
  #startedAt = 0;

  constructor(whom: Whom) {
    this.#whom = whom;
  }

  /** OnlineTime begins. */
  begin(): void {
    this.#startedAt = performance.now();
  }

  /** The tracker begins anew. */
  forget(): void {
    this.#contentMap = "[]";
  }

  /** The report of this moment, and what to call when the tracker has it. */
  next(registration: Registration | undefined): [report: StatReport, done: () => void] {
    const { peerId, swarmId, events } = this.#whom;
    const { uploadedBytes, downloadedBytes, availBandwidth, held, playback, nat, access, power } = events.report();
    const ranges = (held ?? []).map(({ start, end }) => [start, end] as const);
    const contentMap = JSON.stringify(ranges);
    const properties: PeerProperties = {
      onlineTime: Math.floor((performance.now() - this.#startedAt) / 1000),
      ...(contentMap !== this.#contentMap && { contentMap: [{ swarmId, ranges }] }),
      ...(playback !== undefined && { playback }),
      ...(nat !== undefined && { nat }),
      ...(access !== undefined && { access }),
      ...(power !== undefined && { power }),
    };
    const report: StatReport = {
      method: "STAT_REPORT",
      transactionId: newTransactionId(),
      peerId,
      stats: [{ swarmId, uploadedBytes, downloadedBytes, availBandwidth }],
      properties,
      ...(registration !== undefined && { registration }),
    };
    return [report, () => (this.#contentMap = contentMap)];
  }
}

/** Unguessable, because a repeated CONNECT is recognised by it. */
const newTransactionId = (): string =>
  [...crypto.getRandomValues(new Uint32Array(4))].map((word) => word.toString(16).padStart(8, "0")).join("");

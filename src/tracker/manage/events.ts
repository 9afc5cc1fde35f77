/** Things that an operator may want to know of, each one line of JSON in the log. */
export type EventName =
  | "swarm-started"
  | "swarm-ended"
  | "swarm-closed"
  | "p2p-switched"
  | "peer-banned"
  | "peer-unbanned"
  | "limits-changed"
  | "accounting-mismatch"
  | "accounting-agrees"
  | "flood"
  | "enrolled"
  | "state-saved"
  | "state-loaded"
  | "tracker-started"
  | "tracker-ended"
  | "failure";

/** One thing that happened; never a Peer-ID together with an address. */
export interface TrackerEvent {
  readonly event: EventName;
  readonly level: "info" | "warning" | "error";
  readonly swarmId?: string;
  readonly peerId?: string;
  readonly detail?: string;
}

/** An event in the registry: numbered from 1, with gaps where the registry came back, with its time in ISO 8601, UTC. */
export interface LoggedEvent extends TrackerEvent {
  readonly number: number;
  readonly time: string;
}

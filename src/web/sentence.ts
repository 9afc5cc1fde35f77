import type { PlayerStats, PpspPlayer } from "../video/index.ts";
import { count } from "./format.ts";

/** Why playback has ended, as one would say it to a person. */
export function errorSentence(error: PpspPlayer["error"]): string | undefined {
  if (error === null) return undefined;
  switch ("code" in error ? error.code : undefined) {
    case "unsupported":
      return "This browser cannot play this kind of film. A current Firefox, Chrome, Edge or Safari can.";
    case "manifest":
      return "There is no film at this address, or its playlist is damaged.";
    case "network":
      return "The server that holds the film does not answer, and no other viewer has the rest of it.";
    default:
      return "The film’s data cannot be decoded. Reloading the page may help.";
  }
}

/** What is going on in the swarm, in one sentence without numbers that change all the time. */
export function swarmSentence({ neighbours, peerBytes, uploadedBytes, httpBytes }: PlayerStats): string {
  if (httpBytes + peerBytes === 0) return "The film is about to start.";
  if (neighbours === 0) {
    return peerBytes + uploadedBytes > 0
      ? "The other viewers have left. The film goes on from the server."
      : "Nobody else is here yet, so the film comes from the server.";
  }
  const others = count(neighbours, "other viewer");
  if (peerBytes > 0 && uploadedBytes > 0) return `Connected to ${others}: you give to each other what the other lacks.`;
  if (peerBytes > 0) return `Connected to ${others}, who ${neighbours === 1 ? "passes" : "pass"} the film on to you.`;
  if (uploadedBytes > 0) return `Connected to ${others}: you pass the film on.`;
  return `Connected to ${others}.`;
}

import { addressType } from "../tracker/address.ts";
import type { NatAbility } from "../tracker/messages.ts";
import type { Signal, SignalPayload } from "./signal.ts";

/** Addresses that mean nothing outside of a network (RFC 1918, 3927, 6598, 4193, 4291), and loopback. */
const PRIVATE =
  /^(?:10\.|127\.|169\.254\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|f[cd]|fe[89ab]|::1$)/iu;

/** Tells from our own ICE candidates how we get through NAT (abilityNAT, Table 2). */
export class NatProbe {
  readonly #kinds = new Set<string>();
  #public = false;

  /** Takes a signal that goes out. */
  note(signal: Signal | SignalPayload): void {
    if (signal.type !== "candidate") return;
    // RFC 8839 §5.1: foundation, component, transport, priority, address, port, typ, kind.
    const [, , , , address = "", , , kind = ""] = signal.candidate.candidate.split(" ");
    this.#kinds.add(kind);
    // mDNS names hide the address (draft-ietf-mmusic-mdns-ice-candidates).
    if (kind === "host" && addressType(address) !== undefined && !PRIVATE.test(address)) this.#public = true;
  }

  /** Undefined as long as nothing shows it: without a STUN server nobody tells us our address. */
  get ability(): NatAbility | undefined {
    if (this.#public) return "No-NAT";
    if (this.#kinds.has("srflx")) return "STUN";
    // A browser with a relay-only policy has no other candidates.
    return this.#kinds.has("relay") && !this.#kinds.has("host") ? "TURN" : undefined;
  }
}

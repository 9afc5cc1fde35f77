import type { HlsConfig } from "hls.js";
import type { AccessToken } from "../link/access-token.ts";
import type { EncodingName } from "../link/encoding.ts";

/** The settings of a presentation's engine. */
export type EngineConfig = Omit<PlayerConfig, "hls">;

/** Settings that have no attribute. A change takes effect with the next `load()` or `src`. */
export interface PlayerConfig {
  /** Handed to hls.js; `fLoader` is ours. @defaultValue {} */
  readonly hls?: Partial<Omit<HlsConfig, "fLoader">>;
  /** Most bytes of media that are kept for others. @defaultValue 268435456, because a film must not fill a tab */
  readonly memoryLimit?: number;
  /** Refuse bytes from the origin that are not what was published. @defaultValue false: they are played and never shared */
  readonly strict?: boolean;
  /** Give neighbours what they ask for. @defaultValue true */
  readonly upload?: boolean;
  /** Neighbours that are asked for; those who ask are taken up to twice as many, as the uplink allows. @defaultValue the link layer's */
  readonly maxNeighbours?: number;
  /**
   * Make no links while fewer watch, this viewer included. @defaultValue 2: with a single neighbour half of the bytes
   * need not come from the server; a higher number spares the viewers of quiet videos their connections
   */
  readonly minViewers?: number;
  /**
   * Replaces the ICE servers of ppsp.json; an empty list means none at all. @defaultValue those of ppsp.json, or where it
   * has none those that the tracker names
   */
  readonly iceServers?: readonly RTCIceServer[];
  /**
   * Meet other viewers at a relay (TURN) of the ICE servers only, so that they never learn this viewer's address; without
   * a relay the video plays over HTTP. @defaultValue false: relays carry every byte twice, at somebody's cost
   */
  readonly relayOnly?: boolean;
  /**
   * Access token for trackers that ask for one, or a function that gets one and is called again when it has expired; it
   * is told the tracker's URL, because a token is only for those whom one trusts with it. @defaultValue none
   */
  readonly accessToken?: AccessToken;
  /**
   * How to write to trackers, where the element's attribute does not say it. @defaultValue "json"; "xml" loads another
   * script, for trackers that know nothing else
   */
  readonly encoding?: EncodingName;
  /** Name of this viewer at trackers, where an enrolment gave it one. @defaultValue a random one for each video */
  readonly peerId?: string;
}

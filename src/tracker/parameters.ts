import { type IceServerOption, parseIceServers } from "./ice.ts";
import { DEFAULT_TRACK_TIMER } from "./limits.ts";
import { Topology, type TopologyDocument } from "./place.ts";

/** One setting of a tracker, as text: a Worker's variable, an environment variable under Node. */
export interface Parameter {
  /** What holds when it is not set. */
  readonly default: string;
  /** What its text is: a unit for numbers, else the form. */
  readonly unit: string;
  readonly meaning: string;
  /** Least and greatest value of a number. */
  readonly range?: readonly [least: number, greatest: number];
  /** Never shown again, and kept out of wrangler.jsonc: `wrangler secret put`. */
  readonly secret?: true;
  /** Has an effect only there. */
  readonly runtime?: "Node" | "Workers";
}

const MAX_SECONDS = 86_400;

/** Every setting of a tracker: the one place where its default, unit and meaning stand. */
export const PARAMETERS = {
  OPEN: { default: "false", unit: "true or false", meaning: "Serve any swarm that a peer names." },
  SWARMS: {
    default: "",
    unit: "SwarmIDs in lower-case hex, separated by blanks",
    meaning: "The swarms that are served when OPEN is false.",
  },
  TRACK_TIMER: {
    default: String(DEFAULT_TRACK_TIMER),
    unit: "s",
    meaning: "Silence after which a peer is forgotten; peers report three times as often.",
    range: [1, MAX_SECONDS],
  },
  ALLOW_ORIGIN: {
    default: "*",
    unit: "origins separated by blanks, or *",
    meaning: "Pages that may ask from a browser (CORS), such as https://video.example.",
  },
  ICE_SERVERS: {
    default: "",
    unit: 'JSON: [{"urls": ["turn:turn.example:3478"], "secret": "…"}]',
    meaning: "STUN and TURN servers that peers are told of, with credentials made from the secret of each.",
    secret: true,
  },
  TOPOLOGY: {
    default: "",
    unit: "JSON (docs/PROTOCOL.md, peer lists)",
    meaning: "Where networks are and what traffic between them costs, for peer lists of neighbours.",
  },
  SHARD_MEMBERS: {
    default: "16384",
    unit: "members",
    meaning: "Members of a swarm from which on it becomes several objects (docs/adr/0011-shards.md). 0: never.",
    range: [0, 40_000],
    runtime: "Workers",
  },
  SHARDS: {
    default: "16",
    unit: "objects",
    meaning: "Objects that such a swarm becomes, with room for 50,000 members each.",
    range: [2, 64],
    runtime: "Workers",
  },
  REQUEST_RATE: {
    default: "200",
    unit: "requests/s",
    meaning: "Requests that one address (IPv6: one /64) may send in the long run; more get 503. 0: no limit.",
    range: [0, 1_000_000],
  },
  REQUEST_BURST: {
    default: "2000",
    unit: "requests",
    meaning: "Requests that one address may send at once: many viewers behind one NAT come back together.",
    range: [1, 1_000_000],
  },
  SOURCE_TABLE: {
    default: "50000",
    unit: "addresses",
    meaning: "Addresses whose rate is remembered; the one that was silent longest is forgotten first.",
    range: [1, 10_000_000],
  },
  AUTH_JWKS_URL: {
    default: "",
    unit: "https URL",
    meaning: "Keys of the server that issues OAuth 2.0 access tokens (JWT). Set: a token is required.",
  },
  AUTH_SECRET: {
    default: "",
    unit: "32 characters or more",
    meaning: "Shared secret of access tokens with HS256. Set: a token is required.",
    secret: true,
  },
  AUTH_ISSUER: { default: "", unit: "text", meaning: "Required claim iss of access tokens. Empty: any." },
  AUTH_AUDIENCE: { default: "", unit: "text", meaning: "Required claim aud of access tokens. Empty: any." },
  ENROL: {
    default: "false",
    unit: "true or false",
    meaning: "Serve POST /enrol, which gives anybody a Peer-ID and an access token for it. Needs AUTH_SECRET.",
  },
  ENROL_RATE: {
    default: "60",
    unit: "Peer-IDs/h",
    meaning: "New Peer-IDs that one address (IPv6: one /64) gets in the long run, and at once.",
    range: [1, 1_000_000],
  },
  ENROL_LIFE: {
    default: "86400",
    unit: "s",
    meaning: "Life of an access token from POST /enrol.",
    range: [60, 31_536_000],
  },
  MANAGE_TOKEN: {
    default: "",
    unit: "16 characters or more, no blanks",
    meaning: "Bearer token of the management API at /manage. Empty: there is none.",
    secret: true,
  },
  METRICS_TOKEN: {
    default: "",
    unit: "16 characters or more, no blanks",
    meaning: "Bearer token of /metrics with a line for each swarm. Without it /metrics has totals only, for anybody.",
    secret: true,
  },
  METRICS_INTERVAL: {
    default: "60",
    unit: "s",
    meaning: "How often a swarm's object and the front tell the registry what they counted.",
    range: [1, 3600],
    runtime: "Workers",
  },
  EVENTS_KEPT: {
    default: "1000",
    unit: "events",
    meaning: "Log events that the management API can still list.",
    range: [0, 100_000],
  },
  ACCOUNT_TOLERANCE: {
    default: "20",
    unit: "%",
    meaning: "By how much a swarm's sums of uploaded and downloaded bytes may differ before that is logged (§6.4).",
    range: [0, 100],
  },
  SOURCE_HEADER: {
    default: "",
    unit: "header field name",
    meaning: "Field in which a proxy states the peer's address, such as CF-Connecting-IP. Empty: the connection's own.",
    runtime: "Node",
  },
  REQUEST_TIMEOUT: {
    default: "10",
    unit: "s",
    meaning: "Time for a whole request to arrive, header and body; then 408.",
    range: [1, 300],
  },
  IDLE_TIMEOUT: {
    default: "60",
    unit: "s",
    meaning: "How long a connection without a request stays open.",
    range: [1, 3600],
    runtime: "Node",
  },
  SOCKET_LIMIT: {
    default: "20000",
    unit: "connections",
    meaning: "Connections at a time, signalling sockets included; more are not accepted.",
    range: [1, 1_000_000],
    runtime: "Node",
  },
  SWARM_LIMIT: {
    default: "100000",
    unit: "swarms",
    meaning: "Swarms with members at a time; a CONNECT to one more gets 503.",
    range: [1, 10_000_000],
    runtime: "Node",
  },
  MEMBER_LIMIT: {
    default: "200000",
    unit: "members",
    meaning: "Members of one swarm at a time; a CONNECT of one more gets 503.",
    range: [1, 10_000_000],
    runtime: "Node",
  },
  PEER_LIMIT: {
    default: "200000",
    unit: "Peer-IDs",
    meaning: "Peers of the base protocol (without Registration) at a time; one more gets 503.",
    range: [1, 10_000_000],
    runtime: "Node",
  },
  STATE_INTERVAL: {
    default: "5",
    unit: "s",
    meaning: "How often changed state is written to the file of --state.",
    range: [1, 3600],
    runtime: "Node",
  },
} as const satisfies Record<string, Parameter>;

/** Name of a setting. */
export type ParameterName = keyof typeof PARAMETERS;

/** Settings as their runtime has them: text by name, absent where the default holds. */
export type ParameterTexts = Partial<Readonly<Record<ParameterName, string>>>;

/** All settings of a tracker, read and checked. */
export class Parameters {
  readonly #texts: ParameterTexts;

  /** @throws RangeError that names the first setting whose text cannot be used. */
  constructor(texts: ParameterTexts) {
    this.#texts = texts;
    for (const name of Object.keys(PARAMETERS) as ParameterName[]) {
      const { unit, range, secret }: Parameter = PARAMETERS[name];
      const text = this.text(name);
      const good =
        range !== undefined
          ? /^\d{1,9}(?:\.\d{1,3})?$/u.test(text) && Number(text) >= range[0] && Number(text) <= range[1]
          : unit !== "true or false" || text === "true" || text === "false";
      if (!good) {
        const wanted = range === undefined ? unit : `${range[0]} to ${range[1]} ${unit}`;
        throw new RangeError(`${name} takes ${wanted}, not "${text}"`);
      }
      const least = secret === true ? Number.parseInt(unit, 10) : 0;
      if (text !== "" && (text.length < least || (unit.endsWith("no blanks") && /\s/u.test(text)))) {
        throw new RangeError(`${name} takes ${unit}`);
      }
    }
    if (this.flag("ENROL") && this.text("AUTH_SECRET") === "") throw new RangeError("ENROL needs AUTH_SECRET");
  }

  /** The text of a setting, its default included. */
  text(name: ParameterName): string {
    const text = this.#texts[name];
    return text === undefined || (text === "" && PARAMETERS[name].default !== "" && "range" in PARAMETERS[name])
      ? PARAMETERS[name].default
      : text;
  }

  /** A setting that is a number. */
  number(name: ParameterName): number {
    return Number(this.text(name));
  }

  /** A setting that is true or false. */
  flag(name: ParameterName): boolean {
    return this.text(name) === "true";
  }

  /** The words of a setting that is a list. */
  words(name: ParameterName): readonly string[] {
    return this.text(name).match(/\S+/gu) ?? [];
  }

  /** Every setting with the value in effect; of secrets only whether they are set. */
  list(): readonly (Parameter & { readonly name: string; readonly value: string })[] {
    return (Object.keys(PARAMETERS) as ParameterName[]).map((name) => {
      const parameter: Parameter = PARAMETERS[name];
      const value = parameter.secret === true && this.text(name) !== "" ? "(set)" : this.text(name);
      return { name, ...parameter, value };
    });
  }
}

/** The settings among a runtime's variables, which may have others beside them. */
export function parameterTexts(environment: Readonly<Record<string, unknown>>): ParameterTexts {
  const texts: Record<string, string> = {};
  for (const name of Object.keys(PARAMETERS)) {
    const text = environment[name];
    if (typeof text === "string") texts[name] = text;
  }
  return texts;
}

/** Which swarms the tracker is there for: all in open mode, else those of the list. */
export function servedSwarms(parameters: Parameters): (swarmId: string) => boolean {
  if (parameters.flag("OPEN")) return () => true;
  const listed = new Set(parameters.words("SWARMS"));
  return (swarmId) => listed.has(swarmId);
}

/** STUN and TURN servers of the configuration. @throws RangeError */
export const iceServersOf = (parameters: Parameters): readonly IceServerOption[] => {
  const text = parameters.text("ICE_SERVERS");
  return text === "" ? [] : parseIceServers(text);
};

/** Networks of the configuration. @throws RangeError */
export function topologyOf(parameters: Parameters): Topology {
  const text = parameters.text("TOPOLOGY");
  let document: TopologyDocument;
  try {
    document = text === "" ? {} : (JSON.parse(text) as TopologyDocument);
  } catch (error) {
    throw new RangeError("TOPOLOGY is not JSON", { cause: error });
  }
  return new Topology(document);
}

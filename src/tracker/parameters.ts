import { type PublisherKey, readPublisher } from "./auth/grant.ts";
import { type IceServerOption, parseIceServers } from "./ice.ts";
import type { Limits } from "./limits.ts";
import { type Parameter, type ParameterName, PARAMETERS } from "./parameter-list.ts";
import { Topology, type TopologyDocument } from "./place.ts";

/** Settings as their runtime has them: text by name, absent where the default holds. */
export type ParameterTexts = Partial<Readonly<Record<ParameterName, string>>>;

/** All settings of a tracker, read and checked. */
export class Parameters {
  readonly #texts: ParameterTexts;
  /** Swarms that are listed; undefined: all are served. */
  readonly #named: ReadonlySet<string> | undefined;
  /** STUN and TURN servers. */
  readonly iceServers: readonly IceServerOption[];
  /** Where networks are. */
  readonly topology: Topology;
  /** Publishers whose swarms are served, by the text of their public key. */
  readonly publishers: ReadonlyMap<string, PublisherKey>;
  /** What one swarm, one peer and one request may take. */
  readonly limits: Limits;

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
    this.iceServers = this.#read("ICE_SERVERS", (text) => (text === "" ? [] : parseIceServers(text)));
    this.topology = this.#read("TOPOLOGY", readTopology);
    this.publishers = this.#read(
      "PUBLISHERS",
      () => new Map(this.words("PUBLISHERS").map((key) => [key, readPublisher(key)])),
    );
    // A live swarm's SwarmID is the publisher's key.
    const listed = [...this.words("SWARMS"), ...this.publishers.keys()];
    this.#named = this.flag("OPEN") ? undefined : new Set(listed);
    this.limits = {
      body: this.number("BODY_LIMIT"),
      gzipFrom: this.number("GZIP_FROM"),
      members: this.number("MEMBER_LIMIT"),
      peers: this.number("LIST_LIMIT"),
      defaultPeers: this.number("LIST_DEFAULT"),
      swarms: this.number("PEER_SWARMS"),
      initTimerMs: this.number("INIT_TIMER") * 1000,
      retryWindowMs: this.number("RETRY_WINDOW") * 1000,
      retries: this.number("RETRIES_KEPT"),
      bans: this.number("BANS_KEPT"),
      signalBurst: this.number("SIGNAL_BURST"),
      signalRate: this.number("SIGNAL_RATE"),
      pollWait: this.number("POLL_WAIT"),
      mailboxes: this.number("MAILBOX_LIMIT"),
    };
    const jwks = this.text("AUTH_JWKS_URL");
    if (jwks !== "" && !safeUrl(jwks)) throw new RangeError(`AUTH_JWKS_URL takes an https URL, not "${jwks}"`);
    if (this.flag("ENROL") && this.text("AUTH_SECRET") === "") throw new RangeError("ENROL needs AUTH_SECRET");
  }

  #read<T>(name: ParameterName, read: (text: string) => T): T {
    try {
      return read(this.text(name));
    } catch (error) {
      throw new RangeError(`${name}: ${(error as Error).message}`, { cause: error });
    }
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

  /** Whether the configuration alone says that a swarm is served: all in open mode, else those of the lists. */
  names(swarmId: string): boolean {
    return this.#named === undefined || this.#named.has(swarmId);
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

/** Whether keys from there can be trusted: HTTPS, or plain HTTP on this machine. */
function safeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname } = new URL(text);
  const here = hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d{1,3}){3}$/u.test(hostname);
  return protocol === "https:" || (protocol === "http:" && here);
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

function readTopology(text: string): Topology {
  let document: TopologyDocument;
  try {
    document = text === "" ? {} : (JSON.parse(text) as TopologyDocument);
  } catch (error) {
    throw new RangeError("not JSON", { cause: error });
  }
  return new Topology(document);
}

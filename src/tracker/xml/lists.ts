import { malformed } from "../errors.ts";
import { MAX_ICE_SERVERS, MAX_SWARMS } from "../limits.ts";
import type { IceServer, SwarmSize, TrackerResponse } from "../messages.ts";
import { defined, iceText, swarmIdentifier } from "../values.ts";
import { type Element, escapeXml, LISTS_NAMESPACE, writeElement } from "./element.ts";
import { attribute, extensionChildren, integer } from "./read.ts";

/** What our lists extension adds to responses. */

const SPACE = { xmlns: LISTS_NAMESPACE };

/** Reads SwarmSize elements; undefined when there are none. @throws TrackerError "malformed". */
export function readSwarmSizes(root: Element): SwarmSize[] | undefined {
  const found = extensionChildren(root, LISTS_NAMESPACE, "SwarmSize");
  if (found.length > MAX_SWARMS) throw malformed("Too many SwarmSize");
  const sizes = found.map((element) => ({
    swarmId: swarmIdentifier(attribute(element, "swarmID")),
    size: integer(element.text.trim(), "SwarmSize"),
  }));
  return sizes.length > 0 ? sizes : undefined;
}

/** Reads IceServer elements; undefined when there are none. @throws TrackerError "malformed". */
export function readIceServers(root: Element): IceServer[] | undefined {
  const found = extensionChildren(root, LISTS_NAMESPACE, "IceServer");
  if (found.length > MAX_ICE_SERVERS) throw malformed("Too many IceServer");
  const servers = found.map((element) => {
    const urls = extensionChildren(element, LISTS_NAMESPACE, "URL").map((url) => iceText(url.text.trim()));
    if (urls.length === 0 || urls.length > MAX_ICE_SERVERS) throw malformed("Bad IceServer");
    const text = (name: string): string | undefined => {
      const value = element.attributes.get(name);
      return value === undefined ? undefined : iceText(value);
    };
    return { urls, ...defined({ username: text("username"), credential: text("credential") }) };
  });
  return servers.length > 0 ? servers : undefined;
}

/** Writes both. */
export function writeLists({ swarmSizes = [], iceServers = [] }: TrackerResponse): string {
  return (
    swarmSizes
      .map(({ swarmId, size }) => writeElement("SwarmSize", { ...SPACE, swarmID: swarmId }, `${size}`))
      .join("") +
    iceServers
      .map(({ urls, username, credential }) => {
        const content = urls.map((url) => writeElement("URL", {}, escapeXml(url))).join("");
        return writeElement("IceServer", { ...SPACE, username, credential }, content);
      })
      .join("")
  );
}

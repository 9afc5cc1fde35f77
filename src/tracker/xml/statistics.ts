import { malformed } from "../errors.ts";
import { MAX_RANGES, MAX_SWARMS } from "../limits.ts";
import {
  ACCESS_TYPES,
  type ContentMap,
  NAT_ABILITIES,
  type PeerProperties,
  POWER_SOURCES,
  type StatReport,
  type StreamStatistics,
} from "../messages.ts";
import { contentMap, defined, oneOf, swarmIdentifier } from "../values.ts";
import { type Element, escapeXml, STATISTICS_NAMESPACE, writeElement } from "./element.ts";
import { attribute, child, children, extensionChild, integer } from "./read.ts";

/** The StatisticsGroup of a STAT_REPORT: Table 5, and our PeerStatus and ContentMap properties. */

const SPACE = { xmlns: STATISTICS_NAMESPACE };

/** Reads the StatisticsGroup, if there is one; properties that are not known are ignored. @throws TrackerError "malformed". */
export function readStatistics(root: Element): Pick<StatReport, "stats" | "properties"> {
  const group = child(root, "StatisticsGroup");
  const found = group === undefined ? [] : children(group, "Stat");
  // One property of the peer, and two for each swarm.
  if (found.length > 1 + 2 * MAX_SWARMS) throw malformed("Too many Stat");
  const stats: StreamStatistics[] = [];
  const maps: ContentMap[] = [];
  let status: PeerProperties = {};
  for (const stat of found) {
    const property = attribute(stat, "property");
    if (property === "StreamStatistics") {
      stats.push(readStream(stat));
      // Where the draft's own example of an extension has it (§7.1).
      const onlineTime = amount(stat, "OnlineTime");
      if (onlineTime !== undefined) status = { onlineTime, ...status };
    } else if (property === "PeerStatus") status = { ...status, ...readStatus(stat) };
    else if (property === "ContentMap") maps.push(...readMap(stat));
  }
  if (stats.length > MAX_SWARMS || maps.length > MAX_SWARMS) throw malformed("Too many Stat");
  const properties = { ...status, ...(maps.length > 0 && { contentMap: maps }) };
  return { stats, ...(Object.keys(properties).length > 0 && { properties }) };
}

/** Writes the StatisticsGroup; nothing for a keep-alive. */
export function writeStatistics({ stats, properties = {} }: StatReport): string {
  const { onlineTime, playback, nat, access, power, contentMap: maps = [] } = properties;
  let status = "";
  if (onlineTime !== undefined) status += writeElement("OnlineTime", SPACE, String(onlineTime));
  if (playback !== undefined) status += writeElement("Playback", { ...SPACE, ...playback }, "");
  if (nat !== undefined || access !== undefined || power !== undefined) {
    status += writeElement("Link", { ...SPACE, nat, access, power }, "");
  }
  const content =
    stats.map(writeStream).join("") +
    (status === "" ? "" : writeElement("Stat", { property: "PeerStatus" }, status)) +
    maps.map(writeMap).join("");
  return content === "" ? "" : writeElement("StatisticsGroup", {}, content);
}

function readStream(stat: Element): StreamStatistics {
  return defined({
    swarmId: readSwarm(stat),
    uploadedBytes: amount(stat, "UploadedBytes"),
    downloadedBytes: amount(stat, "DownloadedBytes"),
    availBandwidth: amount(stat, "AvailBandwidth"),
  });
}

function readSwarm(stat: Element): string | undefined {
  const swarm = child(stat, "SwarmID");
  return swarm === undefined ? undefined : swarmIdentifier(swarm.text.trim());
}

function amount(stat: Element, name: string): number | undefined {
  const found = child(stat, name);
  return found === undefined ? undefined : integer(found.text.trim(), name);
}

function readStatus(stat: Element): PeerProperties {
  const onlineTime = extensionChild(stat, STATISTICS_NAMESPACE, "OnlineTime");
  const playback = extensionChild(stat, STATISTICS_NAMESPACE, "Playback");
  const link = extensionChild(stat, STATISTICS_NAMESPACE, "Link")?.attributes;
  const word = <const T extends string>(name: string, allowed: readonly T[]): T | undefined => {
    const value = link?.get(name);
    return value === undefined ? undefined : oneOf(value, allowed, name);
  };
  const count = (element: Element, name: string): number => integer(attribute(element, name), name);
  return defined({
    onlineTime: onlineTime === undefined ? undefined : integer(onlineTime.text.trim(), "OnlineTime"),
    playback:
      playback === undefined
        ? undefined
        : {
            chunksInTime: count(playback, "chunksInTime"),
            chunksLate: count(playback, "chunksLate"),
            stalls: count(playback, "stalls"),
            rejected: count(playback, "rejected"),
            ...(playback.attributes.has("httpBytes") && { httpBytes: count(playback, "httpBytes") }),
          },
    nat: word("nat", NAT_ABILITIES),
    access: word("access", ACCESS_TYPES),
    power: word("power", POWER_SOURCES),
  });
}

/** A ContentMap without our Chunks element is of some other extension, such as the draft's example (§7.1). */
function readMap(stat: Element): ContentMap[] {
  const chunks = extensionChild(stat, STATISTICS_NAMESPACE, "Chunks");
  if (chunks === undefined) return [];
  const swarmId = readSwarm(stat);
  if (swarmId === undefined) throw malformed("Missing SwarmID");
  const words = chunks.text.match(/\S+/gu) ?? [];
  if (words.length > MAX_RANGES) throw malformed("Too many ranges");
  const ranges = words.map((range): [number, number] => {
    const [first = "", last = first, ...rest] = range.split("-");
    if (rest.length > 0) throw malformed("Bad ranges");
    return [integer(first, "ranges"), integer(last, "ranges")];
  });
  return [contentMap(swarmId, ranges)];
}

function writeStream(value: StreamStatistics): string {
  const { swarmId, ...amounts } = value;
  let content = swarmId === undefined ? "" : writeElement("SwarmID", {}, escapeXml(swarmId));
  for (const [name, bytes] of [
    ["UploadedBytes", amounts.uploadedBytes],
    ["DownloadedBytes", amounts.downloadedBytes],
    ["AvailBandwidth", amounts.availBandwidth],
  ] as const) {
    if (bytes !== undefined) content += writeElement(name, {}, String(bytes));
  }
  return writeElement("Stat", { property: "StreamStatistics" }, content);
}

function writeMap({ swarmId, ranges }: ContentMap): string {
  const text = ranges.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`)).join(" ");
  const content = writeElement("SwarmID", {}, escapeXml(swarmId)) + writeElement("Chunks", SPACE, text);
  return writeElement("Stat", { property: "ContentMap" }, content);
}

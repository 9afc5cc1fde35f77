import { MAX_RANGES, MAX_SWARMS } from "../limits.ts";
import {
  ACCESS_TYPES,
  type ContentMap,
  NAT_ABILITIES,
  type PeerProperties,
  type PlaybackCounts,
  POWER_SOURCES,
  type StatReport,
} from "../messages.ts";
import { contentMap, defined, integerValue, oneOf, swarmIdentifier } from "../values.ts";
import { array, type JsonObject, object, objects, optional, required } from "./read.ts";

/** The stat_report of a STAT_REPORT, with our properties beside it. */

/** Reads it; of another type than STREAM_STATS the stat array is ignored. @throws TrackerError "malformed". */
export function readStatistics(report: JsonObject | undefined): Pick<StatReport, "stats" | "properties"> {
  if (report === undefined) return { stats: [] };
  const known = required(report, "type") === "STREAM_STATS";
  const stats = objects(report, "stat", MAX_SWARMS).map((stat) =>
    defined({
      swarmId: optional(stat, "swarm_id", swarmIdentifier),
      uploadedBytes: amount(stat, "uploaded_bytes"),
      downloadedBytes: amount(stat, "downloaded_bytes"),
      availBandwidth: amount(stat, "available_bandwidth"),
    }),
  );
  const maps = objects(report, "content_map", MAX_SWARMS).map(readMap);
  const status = optional(report, "peer_status", readStatus);
  const properties = { ...status, ...(maps.length > 0 && { contentMap: maps }) };
  return { stats: known ? stats : [], ...(Object.keys(properties).length > 0 && { properties }) };
}

/** Writes it; undefined for a keep-alive. */
export function writeStatistics({ stats, properties = {} }: StatReport): JsonObject | undefined {
  const { onlineTime, playback, nat, access, power, contentMap: maps = [] } = properties;
  const link = defined({ nat, access, power });
  const status = defined({
    online_time: onlineTime,
    playback: playback && {
      chunks_in_time: playback.chunksInTime,
      chunks_late: playback.chunksLate,
      stalls: playback.stalls,
      rejected: playback.rejected,
      http_bytes: playback.httpBytes,
    },
    link: Object.keys(link).length > 0 ? link : undefined,
  });
  const report = {
    ...(stats.length > 0 && {
      stat: stats.map(({ swarmId, uploadedBytes, downloadedBytes, availBandwidth }) => ({
        swarm_id: swarmId,
        uploaded_bytes: uploadedBytes,
        downloaded_bytes: downloadedBytes,
        available_bandwidth: availBandwidth,
      })),
    }),
    ...(Object.keys(status).length > 0 && { peer_status: status }),
    ...(maps.length > 0 && { content_map: maps.map(({ swarmId, ranges }) => ({ swarm_id: swarmId, ranges })) }),
  };
  return Object.keys(report).length > 0 ? { type: "STREAM_STATS", ...report } : undefined;
}

const amount = (of: JsonObject, name: string): number | undefined =>
  optional(of, name, (value) => integerValue(value, name));

function readStatus(value: unknown): PeerProperties {
  const of = object(value, "peer_status");
  const link = optional(of, "link", object) ?? {};
  const word = <const T extends string>(name: string, allowed: readonly T[]): T | undefined =>
    optional(link, name, (text) => oneOf(text, allowed, name));
  return defined({
    onlineTime: amount(of, "online_time"),
    playback: optional(of, "playback", readPlayback),
    nat: word("nat", NAT_ABILITIES),
    access: word("access", ACCESS_TYPES),
    power: word("power", POWER_SOURCES),
  });
}

function readPlayback(value: unknown): PlaybackCounts {
  const of = object(value, "playback");
  const count = (name: string): number => integerValue(required(of, name), name);
  return {
    chunksInTime: count("chunks_in_time"),
    chunksLate: count("chunks_late"),
    stalls: count("stalls"),
    rejected: count("rejected"),
    ...defined({ httpBytes: amount(of, "http_bytes") }),
  };
}

function readMap(of: JsonObject): ContentMap {
  const ranges = array(required(of, "ranges"), "ranges", MAX_RANGES).map((range): [number, number] => {
    const [first, last] = array(range, "ranges", 2);
    return [integerValue(first, "ranges"), integerValue(last, "ranges")];
  });
  return contentMap(swarmIdentifier(required(of, "swarm_id")), ranges);
}

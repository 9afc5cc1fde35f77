import { randomUUID } from "node:crypto";
import { xmlCodec } from "../../tracker/xml/codec.ts";
import type { Presentation } from "../../core/content/presentation.ts";
import { problemOf } from "./content.ts";
import type { Findings } from "./findings.ts";
import { ORIGIN, request, type Answer } from "./http.ts";

/** Media types that players and proxies accept, by file name extension. */
const MEDIA_TYPES: Readonly<Record<string, RegExp>> = {
  m3u8: /^(application|audio)\/(vnd\.apple\.mpegurl|x-mpegurl|mpegurl)/i,
  ts: /^video\/mp2t/i,
  m4s: /^(video|audio)\/(mp4|iso\.segment)/i,
  m4v: /^video\/(mp4|x-m4v)/i,
  m4a: /^audio\/(mp4|x-m4a)/i,
  mp4: /^(video|audio)\/mp4/i,
  cmfv: /^video\/mp4/i,
  cmfa: /^audio\/mp4/i,
  webm: /^(video|audio)\/webm/i,
  aac: /^audio\/aac/i,
  vtt: /^text\/vtt/i,
  json: /^application\/json/i,
};
/** What a tracker says to a report of a peer that it does not know (PPSP-TP section 2.4.2 A). */
const UNKNOWN_PEER: readonly number[] = [401, 403];
/** Reasons of a tracker that is not there for the swarm. */
const NOT_SERVED = /not served|grant|publisher/i;

const extensionOf = (uri: string): string => /\.([^./]+)$/.exec(uri)?.[1]?.toLowerCase() ?? "";

/** A resource to look at, and a byte of it that a Range request is to bring; undefined if ranges do not matter. */
interface Sample {
  readonly uri: string;
  readonly byte?: number;
}

/** One resource of each kind, since servers are configured by kind. */
function samples(presentation: Presentation, names: readonly string[]): Sample[] {
  const byExtension = new Map<string, Sample>();
  for (const { uri } of presentation.renditions) byExtension.set(extensionOf(uri), { uri });
  for (const uri of names) byExtension.set(extensionOf(uri), { uri });
  for (const { uri, offset = 0, length } of presentation.files) {
    if (!byExtension.has(extensionOf(uri))) byExtension.set(extensionOf(uri), { uri, byte: offset + length - 1 });
  }
  return [...byExtension.values(), { uri: presentation.hashes, byte: 0 }];
}

/**
 * Checks what the server at `base` lets browsers do: media types, pages of other origins (CORS), Range requests.
 * `names` are the playlist and ppsp.json.
 */
export async function checkServer(
  base: string,
  presentation: Presentation,
  names: readonly string[],
  findings: Findings,
  signal: AbortSignal,
): Promise<void> {
  const open: string[] = [];
  const ranged: string[] = [];
  const all = samples(presentation, names);
  for (const { uri, byte } of all) {
    try {
      const url = new URL(uri, base).href;
      const whole = await request(url, signal);
      await whole.cancel();
      if (whole.status !== 200) {
        findings.fail(uri, `answers ${whole.status} instead of 200`);
        continue;
      }
      checkType(uri, whole, findings);
      if (allowsOrigin(whole)) open.push(uri);
      else findings.fail(uri, "no Access-Control-Allow-Origin: pages of other origins cannot play it");
      if (byte !== undefined && (await checkRange(uri, url, byte, findings, signal))) ranged.push(uri);
    } catch (error) {
      findings.fail(uri, problemOf(error));
    }
  }
  if (open.length === all.length) findings.ok("CORS", "pages of other origins may read everything");
  if (ranged.length === all.filter(({ byte }) => byte !== undefined).length)
    findings.ok("Range", "answered with 206 and the right bytes");
  const media = all.find(({ byte }) => byte !== undefined)!;
  await checkPreflight(new URL(media.uri, base).href, media.uri, findings, signal);
}

function checkType(uri: string, answer: Answer, findings: Findings): void {
  const type = answer.headers.get("content-type");
  const wanted = MEDIA_TYPES[extensionOf(uri)];
  if (type !== null && /^text\/html/i.test(type))
    findings.fail(uri, `is served as ${type}: a page instead of the file?`);
  else if (wanted === undefined) return;
  else if (type === null) findings.warn(uri, "has no Content-Type");
  else if (wanted.test(type)) findings.ok(uri, `is served as ${type}`);
  else findings.warn(uri, `is served as ${type}: some players refuse it`);
}

const allowsOrigin = ({ headers }: Answer): boolean => {
  const allowed = headers.get("access-control-allow-origin");
  return allowed === "*" || allowed === ORIGIN;
};

async function checkRange(
  uri: string,
  url: string,
  byte: number,
  findings: Findings,
  signal: AbortSignal,
): Promise<boolean> {
  const answer = await request(url, signal, { headers: { range: `bytes=${byte}-${byte}` } });
  if (answer.status !== 206) {
    await answer.cancel();
    findings.fail(
      uri,
      `answers ${answer.status} instead of 206 to a Range request: peers cannot fill gaps from this server`,
    );
    return false;
  }
  let length = 0;
  for await (const part of answer.body) {
    length += part.length;
    if (length > 1) break;
  }
  const range = answer.headers.get("content-range");
  if (length !== 1 || !range?.match(new RegExp(`^bytes ${byte}-${byte}/(\\d+|\\*)$`))) {
    findings.fail(uri, `Range bytes=${byte}-${byte} brings ${length} byte(s) and Content-Range "${range ?? ""}"`);
    return false;
  }
  const exposed = (answer.headers.get("access-control-expose-headers") ?? "").toLowerCase();
  if (!/(^|,)\s*(\*|content-range)\s*(,|$)/.test(exposed)) {
    findings.warn(
      uri,
      "Access-Control-Expose-Headers does not name Content-Range: pages of other origins cannot see it",
    );
  }
  return true;
}

async function checkPreflight(url: string, uri: string, findings: Findings, signal: AbortSignal): Promise<void> {
  try {
    const answer = await request(url, signal, {
      method: "OPTIONS",
      headers: { "access-control-request-method": "GET", "access-control-request-headers": "range" },
    });
    await answer.cancel();
    const allowed = (answer.headers.get("access-control-allow-headers") ?? "").toLowerCase();
    const granted = answer.status < 300 && allowsOrigin(answer) && /(^|,)\s*(\*|range)\s*(,|$)/.test(allowed);
    if (granted) findings.ok("CORS preflight", "Range is allowed");
    else
      findings.warn("CORS preflight", `refused for Range on ${uri}: browsers that ask first (old ones) get no ranges`);
  } catch (error) {
    findings.warn("CORS preflight", problemOf(error));
  }
}

/** Checks that every tracker answers the report of an unknown peer as a tracker does, and serves this swarm. */
export async function checkTrackers(
  presentation: Presentation,
  findings: Findings,
  signal: AbortSignal,
): Promise<void> {
  const urls = presentation.trackers.flat();
  if (urls.length === 0) findings.warn("trackers", "none: peers meet only if the page names one");
  for (const url of urls) {
    try {
      const answer = await request(url, signal, {
        method: "POST",
        headers: { "content-type": "application/xml" },
        body: reportOf(presentation),
      });
      await answer.cancel();
      const reason = answer.headers.get("ppsp-reason");
      if (reason !== null && NOT_SERVED.test(reason))
        findings.fail(`tracker ${url}`, `does not serve this swarm (${reason})`);
      else if (UNKNOWN_PEER.includes(answer.status)) findings.ok(`tracker ${url}`, `answers (${answer.status})`);
      else findings.fail(`tracker ${url}`, `answers ${answer.status} to a report, as no tracker does`);
    } catch (error) {
      findings.fail(`tracker ${url}`, problemOf(error));
    }
  }
}

/** A STAT_REPORT about the swarm from a peer that no tracker knows. */
const reportOf = ({ swarm, grant }: Presentation): string =>
  xmlCodec.encodeRequest({
    method: "STAT_REPORT",
    transactionId: "check",
    peerId: `ppsp-check-${randomUUID()}`,
    stats: [{ swarmId: Buffer.from(swarm.id).toString("hex") }],
    registration: {},
    ...(grant === undefined ? {} : { grants: [grant] }),
  });

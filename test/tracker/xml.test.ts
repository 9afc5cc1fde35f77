import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TrackerError } from "../../src/tracker/errors.ts";
import type { ConnectRequest, StatReport } from "../../src/tracker/messages.ts";
import { xmlCodec } from "../../src/tracker/xml/codec.ts";
import { anyRequest, anyResponse } from "./messages.ts";

const ASKED: StatReport = { method: "STAT_REPORT", transactionId: "1", peerId: "p", stats: [] };

const code = (text: string): string => {
  try {
    xmlCodec.decodeRequest(text);
  } catch (error) {
    return error instanceof TrackerError ? `${error.code}: ${error.message}` : String(error);
  }
  return "accepted";
};

const KEEP_ALIVE =
  `<PPSPTrackerProtocol version="1.0"><Request>STAT_REPORT</Request><PeerID>p</PeerID>` +
  `<TransactionID>1</TransactionID></PPSPTrackerProtocol>`;
const DECLARATION = `<?xml version="1.0" encoding="UTF-8"?>`;

describe("the XML codec", () => {
  test("every request survives encoding and decoding", () => {
    fc.assert(
      fc.property(anyRequest, (request) => {
        expect(xmlCodec.decodeRequest(xmlCodec.encodeRequest(request))).toEqual(request);
      }),
      { numRuns: 300 },
    );
  });

  test("every response survives encoding and decoding", () => {
    fc.assert(
      fc.property(anyResponse, (message) => {
        expect(xmlCodec.decodeResponse(xmlCodec.encodeResponse(message, ASKED))).toEqual(message);
      }),
      { numRuns: 300 },
    );
  });

  test("PPSP-TP T5 T7 T8 MUST: messages begin with a declaration and PPSPTrackerProtocol with a version, in UTF-8 (T6)", () => {
    const text = xmlCodec.encodeRequest({ method: "STAT_REPORT", transactionId: "1", peerId: "p", stats: [] });
    expect(text).toMatch(/^<\?xml version="1\.0" encoding="UTF-8"\?>\n<PPSPTrackerProtocol [^>]*version="1\.0">/u);
    expect(code(KEEP_ALIVE)).toBe("malformed: XML: declaration is missing");
    expect(code(DECLARATION + KEEP_ALIVE.replaceAll("PPSPTracker", "ppsptracker"))).toContain("Root is not");
    expect(code(DECLARATION + KEEP_ALIVE.replace(' version="1.0"', ""))).toContain(
      "Missing PPSPTrackerProtocol version",
    );
  });

  test("the draft's namespace TBD, ours and none are taken, others are not", () => {
    for (const namespace of ['xmlns="TBD"', 'xmlns="urn:ppsp-player:tracker:1.0"', ""]) {
      expect(code(DECLARATION + KEEP_ALIVE.replace("Protocol ", `Protocol ${namespace} `))).toBe("accepted");
    }
    expect(code(DECLARATION + KEEP_ALIVE.replace("Protocol ", 'Protocol xmlns="urn:other" '))).toContain("namespace");
  });

  test("PPSP-TP T92 rule: PeerNum is sent, PeerNUM is taken too; other names are compared with case", () => {
    const request: ConnectRequest = {
      method: "CONNECT",
      transactionId: "1",
      peerId: "p",
      addresses: [],
      peerNum: { count: 3 },
      actions: [{ swarmId: "1", action: "JOIN", peerMode: "LEECH", transactionId: "2" }],
    };
    const text = xmlCodec.encodeRequest(request);
    expect(text).toContain("<PeerNum>3</PeerNum>");
    expect(xmlCodec.decodeRequest(text.replaceAll("PeerNum", "PeerNUM"))).toEqual(request);
    expect(xmlCodec.decodeRequest(text.replaceAll("PeerNum", "peernum"))).not.toHaveProperty("peerNum");
    expect(code(text.replaceAll("PeerID", "PeerId"))).toBe("malformed: Missing PeerID");
  });

  test("PPSP-TP T23: a Stat without property is malformed", () => {
    const bare = KEEP_ALIVE.replace("</PPSPT", "<StatisticsGroup><Stat/></StatisticsGroup></PPSPT");
    expect(code(DECLARATION + bare)).toBe("malformed: Missing Stat property");
  });

  test("PPSP-TP T10 T25 MUST: a response has a Response element, compared with case", () => {
    const answer = (response: string) =>
      `${DECLARATION}<PPSPTrackerProtocol version="1.0">${response}<TransactionID>1</TransactionID></PPSPTrackerProtocol>`;
    const decode = (text: string) => () => xmlCodec.decodeResponse(answer(text));
    expect(decode("<Response>SUCCESSFUL</Response>")()).toEqual({ response: "SUCCESSFUL", transactionId: "1" });
    expect(decode("<Response>Successful</Response>")).toThrow("Bad Response");
    expect(decode("")).toThrow("Missing Response");
  });

  test("content maps beyond their bounds are malformed, of another extension ignored", () => {
    const map = (chunks: string) =>
      code(
        DECLARATION +
          KEEP_ALIVE.replace(
            "</PPSPT",
            `<StatisticsGroup><Stat property="ContentMap"><SwarmID>1</SwarmID>${chunks}</Stat></StatisticsGroup></PPSPT`,
          ),
      );
    const chunks = (text: string) => map(`<Chunks xmlns="urn:ppsp-player:tracker:statistics:1">${text}</Chunks>`);
    for (const text of ["", "7", "0-9 11 13-20"]) expect(chunks(text)).toBe("accepted");
    for (const text of ["9-0", "0-9 9-12", "5 3", "1-2-3", "x", "-1", "1-", "99999999999999999"]) {
      expect([text, chunks(text)]).toEqual([text, "malformed: Bad ranges"]);
    }
    expect(chunks(Array.from({ length: 65 }, (_, at) => at * 2).join(" "))).toBe("malformed: Too many ranges");
    expect(map(`<SegmentInfo chunkmapSize="25">A/8D/wP/</SegmentInfo>`)).toBe("accepted");
  });

  test("PPSP-TP T56 MUST: unknown elements, attributes and properties are ignored, our extension's own too", () => {
    const extended = KEEP_ALIVE.replace(
      "</PPSPT",
      `<Later><deeper a="1"/></Later><StatisticsGroup><Stat property="ContentMap"><SegmentInfo>A/8D</SegmentInfo></Stat>` +
        `<Stat property="StreamStatistics"><OnlineTime>3600</OnlineTime><UploadedBytes>7</UploadedBytes></Stat></StatisticsGroup>` +
        `<x:PeerID xmlns:x="urn:other">q</x:PeerID>` +
        `<r:Registration xmlns:r="urn:ppsp-player:tracker:registration:1" later="1" token="t"><r:more/></r:Registration></PPSPT`,
    );
    expect(xmlCodec.decodeRequest(DECLARATION + extended)).toEqual({
      method: "STAT_REPORT",
      transactionId: "1",
      peerId: "p",
      stats: [{ uploadedBytes: 7 }],
      // As the draft's own example of an extension has it (§7.1).
      properties: { onlineTime: 3600 },
      registration: { token: "t" },
    });
  });

  const hostile: Record<string, string> = {
    "a document type": `<!DOCTYPE PPSPTrackerProtocol>${KEEP_ALIVE}`,
    "entities that grow": `<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>${KEEP_ALIVE.replace(">p<", ">&b;<")}`,
    "an external entity": `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>${KEEP_ALIVE.replace(">p<", ">&x;<")}`,
    "an entity that is not defined": KEEP_ALIVE.replace(">p<", ">&x;<"),
    "a processing instruction": `<?php exit ?>${KEEP_ALIVE}`,
    "deep nesting": KEEP_ALIVE.replace("<Request>", `${"<a>".repeat(20)}${"</a>".repeat(20)}<Request>`),
    "many elements": KEEP_ALIVE.replace("<Request>", `${"<a/>".repeat(2000)}<Request>`),
    "two roots": KEEP_ALIVE + KEEP_ALIVE,
    "two Peer-IDs": KEEP_ALIVE.replace("<PeerID>p</PeerID>", "<PeerID>p</PeerID><PeerID>q</PeerID>"),
    "a Peer-ID with control characters": KEEP_ALIVE.replace(">p<", ">p&#10;q<"),
    "a Peer-ID without end": KEEP_ALIVE.replace(">p<", `>${"p".repeat(129)}<`),
    "an empty Peer-ID": KEEP_ALIVE.replace(">p<", "><"),
    "a namespace prefix that is not declared": KEEP_ALIVE.replaceAll("PeerID", "x:PeerID"),
    "an attribute twice": KEEP_ALIVE.replace("version=", 'version="1.0" version='),
    "nothing else": "",
  };
  test.each(Object.entries(hostile))("%s is malformed", (_, text) => {
    expect(code(DECLARATION + text)).toMatch(/^malformed: /u);
  });

  test("another XML version or encoding is malformed", () => {
    expect(code(`<?xml version="1.1"?>${KEEP_ALIVE}`)).toMatch(/^malformed/u);
    expect(code(`<?xml version="1.0" encoding="UTF-16"?>${KEEP_ALIVE}`)).toMatch(/^malformed/u);
  });

  test("an entity that XML itself defines is text", () => {
    expect(xmlCodec.decodeRequest(DECLARATION + KEEP_ALIVE.replace(">p<", ">&lt;&#x41;&amp;<")).peerId).toBe("<A&");
  });
});

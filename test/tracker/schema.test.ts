import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { xmlCodec } from "../../src/tracker/xml/codec.ts";
import { anyRequest, anyResponse } from "./messages.ts";
import { validate } from "./schema.ts";

const BASE = `<PPSPTrackerProtocol xmlns="urn:ppsp-player:tracker:1.0" version="1.0">`;
const RESPONSE = `${BASE}<Response>SUCCESSFUL</Response><TransactionID>1</TransactionID></PPSPTrackerProtocol>`;
const within = (extension: string): string => RESPONSE.replace("</PPSPT", `${extension}</PPSPT`);

describe("docs/xsd", () => {
  test("PPSP-TP T58 MUST: every response that we can encode, extensions included, validates against the XML Schema", () => {
    const asked = { method: "STAT_REPORT", transactionId: "1", peerId: "p", stats: [] } as const;
    fc.assert(
      fc.property(anyResponse, (response) => {
        validate(xmlCodec.encodeResponse(response, asked));
      }),
      { numRuns: 300 },
    );
  });

  test("PPSP-TP T4 MUST NOT: every request that we can encode validates against the XML Schema", () => {
    fc.assert(
      fc.property(anyRequest, (request) => {
        validate(xmlCodec.encodeRequest(request));
      }),
      { numRuns: 300 },
    );
  });

  test("PPSP-TP T55 MUST NOT: an extension stands beside the base schema, which takes elements of any other namespace", () => {
    expect(() => validate(within(`<Later xmlns="urn:other"><deeper/></Later>`))).not.toThrow();
    expect(() => validate(within(`<Later/>`))).toThrow("not expected");
  });

  const wrong: Record<string, string> = {
    "another response": RESPONSE.replace("SUCCESSFUL", "successful"),
    "no TransactionID": RESPONSE.replace(/<TransactionID>.*<\/TransactionID>/u, ""),
    "another version": RESPONSE.replace('"1.0"', '"2.0"'),
    "an empty PeerGroup": RESPONSE.replace("</PPSPT", "<PeerGroup/></PPSPT"),
    "a port of 65536": RESPONSE.replace(
      "</PPSPT",
      `<PeerGroup><PeerInfo><PeerAddress addrType="ipv4" ip="192.0.2.1" port="65536"/></PeerInfo></PeerGroup></PPSPT`,
    ),
    "a track timer in words": within(`<Registration xmlns="urn:ppsp-player:tracker:registration:1" trackTimer="two"/>`),
    "a swarm size without swarm": within(`<SwarmSize xmlns="urn:ppsp-player:tracker:lists:1">2</SwarmSize>`),
    "an ICE server without URL": within(`<IceServer xmlns="urn:ppsp-player:tracker:lists:1"/>`),
  };
  test.each(Object.entries(wrong))("%s does not validate", (_, message) => {
    expect(() => validate(message)).toThrow();
  });
});

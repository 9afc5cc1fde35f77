import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { xmlCodec } from "../../src/tracker/xml/codec.ts";
import { xmlSignals } from "../../src/tracker/xml/signal.ts";
import { validate } from "../tracker/schema.ts";

const text = readFileSync(new URL("../../docs/PROTOCOL.md", import.meta.url), "utf8");
/** Name of each extension of PPSP-TP, and its parts by their heading. */
const extensions = text
  .split(/^(?=#{2,3} )/mu)
  .filter((part) => part.startsWith("### Extension: "))
  .map((part) => {
    const [head = "", ...parts] = part.split(/^#### /mu);
    const named = parts.map((content) => [content.slice(0, content.indexOf("\n")), content] as const);
    return { name: head.slice("### Extension: ".length).trim(), parts: new Map(named) };
  });

/** Parts of an extension's text (§7.2), in their order. */
const PARTS = ["Overview", "Compatibility", "Syntax", "Semantics", "Security", "Examples"];

/** Reads a message with the codec of what its root is. @throws TrackerError */
function read(message: string): unknown {
  switch (/<([A-Z]\w*)/u.exec(message)?.[1]) {
    case "PPSPTrackerProtocol":
      return message.includes("<Request>") ? xmlCodec.decodeRequest(message) : xmlCodec.decodeResponse(message);
    case "Poll":
      return xmlSignals.readPoll(message);
    case "Answer":
      return xmlSignals.readAnswer(message);
    default:
      return message.includes("<Signal to=") ? xmlSignals.readSignal(message) : xmlSignals.readMessage(message);
  }
}

describe("the text of our extensions of PPSP-TP, docs/PROTOCOL.md", () => {
  test("PPSP-TP T57 MUST: each follows section 7: overview, compatibility, syntax, semantics, security, examples", () => {
    expect(extensions.map(({ name }) => name)).toEqual(["Registration", "statistics", "lists", "grant", "signalling"]);
    for (const { parts } of extensions) {
      expect([...parts.keys()].filter((part) => PARTS.includes(part))).toEqual(PARTS);
      for (const part of PARTS) expect(parts.get(part)?.length).toBeGreaterThan(100);
    }
  });

  test.each(extensions)(
    "PPSP-TP T60 T61: the overview of $name says what it is for, and its most important rules",
    ({ parts }) => {
      expect(parts.get("Overview")).toMatch(/[Mm]ost important rules?:/u);
    },
  );

  test.each(extensions)(
    "PPSP-TP T63 T64 MUST: semantics of $name: what peer and tracker do, step by step",
    ({ parts }) => {
      const steps = parts.get("Semantics")?.match(/^\d\. .*(?:\n {3}.*)*/gmu) ?? [];
      expect(steps.length).toBeGreaterThan(1);
      expect(steps.join("\n")).toMatch(/\bPeer\b/u);
      expect(steps.join("\n")).toMatch(/\bTracker\b/u);
    },
  );

  test("each whole XML message in it validates against docs/xsd, and is one that we read", () => {
    const messages = [...text.matchAll(/^ {4}<\?xml.*\n(?: {4}.*\n)*/gmu)].map(([block]) =>
      block.replace(/^ {4}/gmu, ""),
    );
    const whole = messages.filter((message) => !message.includes("…"));
    expect(whole.length).toBeGreaterThan(3);
    for (const message of whole) {
      validate(message);
      expect(() => read(message), message).not.toThrow();
    }
  });

  test.each(extensions)("PPSP-TP T66 SHOULD: examples of $name, a failure among them", ({ parts }) => {
    const examples = parts.get("Examples") ?? "";
    expect(examples).toMatch(/^ {4}\S/mu);
    expect(examples).toMatch(/\b4\d\d\b|[Ff]ail|"gone"/u);
  });
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { pollCodec, readSubprotocols } from "../../src/tracker/encodings.ts";
import { TrackerError } from "../../src/tracker/errors.ts";
import { jsonSignals } from "../../src/tracker/json/signal.ts";
import { MAX_ELEMENTS, MAX_SIGNAL } from "../../src/tracker/limits.ts";
import { CLOSE, receiveSignal, type Signal, type SignalMessage } from "../../src/tracker/signal.ts";
import { xmlSignals } from "../../src/tracker/xml/signal.ts";
import { validate } from "./schema.ts";

const CODECS = { JSON: jsonSignals, XML: xmlSignals } as const;
const names = ["JSON", "XML"] as const;

const id = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  minLength: 1,
  maxLength: 128,
});
const payload = fc
  .oneof(
    fc.jsonValue(),
    fc.string({ unit: "binary" }),
    fc.constantFrom("]]>", "\ufffe\uffff", "\ud800", "\r\n\t", "&lt;<"),
  )
  .map((value) => JSON.stringify(value))
  .filter((text) => text.length <= MAX_SIGNAL);
const signal: fc.Arbitrary<Signal> = fc.record({ to: id, payload });
const message: fc.Arbitrary<SignalMessage> = fc.oneof(
  fc.record({ peers: fc.array(id, { maxLength: 50 }) }),
  fc.record({ from: id, payload }),
  fc.record({ gone: id }),
);
const poll = fc.record(
  {
    token: id,
    session: id,
    received: fc.nat(),
    signals: fc.array(signal, { maxLength: 5 }),
    wait: fc.integer({ min: 0, max: 250 }).map((tenths) => tenths / 10),
  },
  { requiredKeys: ["token", "received", "signals", "wait"] },
);
const answer = fc.record({ session: id, messages: fc.array(message, { maxLength: 5 }) });

/** A payload means the same, however it is written. */
const meaning = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value), (key, part: unknown) =>
    key === "payload" && typeof part === "string" ? [JSON.parse(part) as unknown] : part,
  );

describe.each(names)("the signalling extension in %s", (name) => {
  const codec = CODECS[name];
  const check = <T>(arbitrary: fc.Arbitrary<T>, write: (value: T) => string, read: (text: string) => unknown): void =>
    fc.assert(
      fc.property(arbitrary, (value) => {
        const text = write(value);
        if (name === "XML") validate(text);
        expect(meaning(read(text))).toEqual(meaning(value));
      }),
      { numRuns: 200 },
    );

  test("every message survives writing and reading, and validates against its schema", () => {
    check(signal, codec.writeSignal, codec.readSignal);
    check(message, codec.writeMessage, codec.readMessage);
    check(poll, codec.writePoll, codec.readPoll);
    check(answer, codec.writeAnswer, codec.readAnswer);
  });

  test("a payload that grows beyond the bound when it is read is refused", () => {
    // Each of these numbers has four times as many digits when it is written.
    const grown = `[${Array.from({ length: 3000 }, () => "1e20").join()}]`;
    expect(grown.length).toBeLessThan(MAX_SIGNAL);
    expect(receiveSignal(codec, codec.writeSignal({ to: "a", payload: grown }))).toEqual({
      code: CLOSE.malformed,
      reason: "signal too big",
    });
  });

  test("a payload that is nested too deeply is refused unbuilt, and whoever gets one of 16 levels takes it", () => {
    const nested = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);
    expect(codec.readSignal(codec.writeSignal({ to: "a", payload: nested(16) })).payload).toBe(nested(16));
    const message = { from: "a", payload: nested(16) };
    const answered = codec.readAnswer(codec.writeAnswer({ session: "s", messages: [message] }));
    expect(answered.messages).toEqual([message]);
    for (const levels of [17, 8000]) {
      const text = codec.writeSignal({ to: "a", payload: nested(levels) });
      expect(receiveSignal(codec, text)).toEqual({ code: CLOSE.malformed, reason: "JSON: nested too deeply" });
      expect(() => codec.readMessage(codec.writeMessage({ from: "a", payload: nested(8000) }))).toThrow(TrackerError);
    }
  });

  test("what is too big or binary ends a socket unread", () => {
    expect(receiveSignal(codec, "x".repeat(MAX_SIGNAL + 1))).toMatchObject({ code: CLOSE.tooBig });
    expect(receiveSignal(codec, new ArrayBuffer(8))).toMatchObject({ code: CLOSE.malformed });
  });
});

describe("hostile XML", () => {
  const declaration = `<?xml version="1.0" encoding="UTF-8"?>`;
  const space = `xmlns="urn:ppsp-player:tracker:signalling:1"`;
  const nested = `${`<x:a xmlns:x="urn:x">`.repeat(9)}${"</x:a>".repeat(9)}`;
  const hostile: Record<string, string> = {
    "a document type with an entity": `${declaration}<!DOCTYPE Signal [<!ENTITY e "1">]><Signal ${space} to="a">&e;</Signal>`,
    "an external entity": `${declaration}<!DOCTYPE Signal SYSTEM "file:///etc/passwd"><Signal ${space} to="a">1</Signal>`,
    "an entity that nobody declared": `${declaration}<Signal ${space} to="a">&e;</Signal>`,
    "a processing instruction": `${declaration}<?php ?><Signal ${space} to="a">1</Signal>`,
    "no declaration": `<Signal ${space} to="a">1</Signal>`,
    "another namespace": `${declaration}<Signal xmlns="urn:other" to="a">1</Signal>`,
    "the base protocol's namespace": `${declaration}<Signal to="a">1</Signal>`,
    "more than eight levels": `${declaration}<Signal ${space} to="a">${nested}1</Signal>`,
    "too many elements": `${declaration}<Signal ${space} to="a">${`<x/>`.repeat(MAX_ELEMENTS)}1</Signal>`,
    "no receiver": `${declaration}<Signal ${space}>1</Signal>`,
    "a receiver of other characters": `${declaration}<Signal ${space} to="a b">1</Signal>`,
    "no payload": `${declaration}<Signal ${space} to="a"/>`,
    "a payload that is no JSON": `${declaration}<Signal ${space} to="a">offer</Signal>`,
    "a message for peers": `${declaration}<Gone ${space} peerID="a"/>`,
    "half a message": `${declaration}<Signal ${space} to="a">1</Sig`,
    "text alone": "offer",
  };
  test.each(Object.entries(hostile))("%s ends the socket", (_, text) => {
    expect(receiveSignal(xmlSignals, text)).toMatchObject({ code: CLOSE.malformed });
  });

  test("a poll has at most 64 signals and numbers where numbers belong", () => {
    const one = `<Signal to="a">1</Signal>`;
    const many = (count: number): string => `${declaration}<Poll ${space} token="t">${one.repeat(count)}</Poll>`;
    expect(xmlSignals.readPoll(many(64)).signals).toHaveLength(64);
    expect(() => xmlSignals.readPoll(many(65))).toThrow("Bad signals");
    for (const attribute of [`wait="-1"`, `wait="soon"`, `wait="1e9"`, `received="1.5"`, `received="-1"`]) {
      expect(() => xmlSignals.readPoll(`${declaration}<Poll ${space} token="t" ${attribute}/>`)).toThrow("Bad");
    }
    expect(() => xmlSignals.readPoll(`${declaration}<Poll ${space}/>`)).toThrow("Missing token");
  });

  test("a message of a kind that is not known is ignored, and keeps its place in an answer", () => {
    expect(xmlSignals.readMessage(`${declaration}<Later ${space}/>`)).toBeUndefined();
    expect(jsonSignals.readMessage(`{"later":1}`)).toBeUndefined();
    const messages = [undefined, { gone: "a" }];
    expect(
      xmlSignals.readAnswer(`${declaration}<Answer ${space} session="s"><Later/><Gone peerID="a"/></Answer>`),
    ).toEqual({ session: "s", messages });
    expect(jsonSignals.readAnswer(`{"session":"s","messages":[{"later":1},{"gone":"a"}]}`)).toEqual({
      session: "s",
      messages,
    });
  });
});

test("the encoding of a socket is the first subprotocol that is known, that of a poll its Content-Type, else its beginning", () => {
  expect(readSubprotocols("ppsp-signal-xml.1, token.abc")).toEqual({ codec: xmlSignals, token: "abc" });
  expect(readSubprotocols("token.abc,other, ppsp-signal.1,ppsp-signal-xml.1")).toEqual({
    codec: jsonSignals,
    token: "abc",
  });
  expect(readSubprotocols("ppsp-signal.2, token.abc").codec).toBeUndefined();
  expect(readSubprotocols(null)).toEqual({ codec: undefined, token: "" });
  for (const type of ["application/xml", "text/xml; charset=utf-8", "Application/XML"]) {
    expect(pollCodec(type, "{}")).toBe(xmlSignals);
  }
  for (const type of ["application/json", "application/ppsp-tracker+json"])
    expect(pollCodec(type, "<")).toBe(jsonSignals);
  expect(pollCodec("text/plain", "\n<?xml")).toBe(xmlSignals);
  expect(pollCodec(null, "{}")).toBe(jsonSignals);
});

import { malformed } from "../errors.ts";
import { MAX_ANSWER_ELEMENTS, MAX_ELEMENTS, MAX_PEERS } from "../limits.ts";
import { checkDepth } from "../json/read.ts";
import {
  checkedPoll,
  checkedSignal,
  type Poll,
  type PollAnswer,
  type Signal,
  type SignalCodec,
  type SignalMessage,
  XML_SIGNAL_PROTOCOL,
} from "../signal.ts";
import { identifier } from "../values.ts";
import { type Element, escapeXml, parseDocument, SIGNALLING_NAMESPACE, writeElement } from "./element.ts";
import { attribute, extensionChildren, integer } from "./read.ts";

/** The XML encoding of the signalling extension (docs/PROTOCOL.md, docs/xsd/signalling.xsd). */
export const xmlSignals: SignalCodec = {
  subprotocol: XML_SIGNAL_PROTOCOL,
  contentType: "application/xml; charset=utf-8",
  readSignal: (text) => readSignal(root(text, "Signal")),
  writeSignal: (signal) => document(writeSignal(signal, SPACE)),
  readMessage: (text) => readMessage(root(text)),
  writeMessage: (message) => document(writeMessage(message, SPACE)),
  readPoll,
  writePoll: ({ signals, ...rest }) =>
    document(writeElement("Poll", { ...SPACE, ...rest }, signals.map((signal) => writeSignal(signal)).join(""))),
  readAnswer,
  writeAnswer: ({ session, messages }) =>
    document(
      writeElement("Answer", { ...SPACE, session }, messages.flatMap((one) => (one ? writeMessage(one) : [])).join("")),
    ),
};

const SPACE = { xmlns: SIGNALLING_NAMESPACE };

const document = (element: string): string => `<?xml version="1.0" encoding="UTF-8"?>\n${element}`;

/** A payload as text of an element; the only characters of a JSON text that XML does not have are written as escapes. */
const payloadText = (payload: string): string =>
  escapeXml(payload.replace(/[\ufffe\uffff]/gu, (character) => `\\u${character.charCodeAt(0).toString(16)}`));

/** The root element of a message, if it is of our namespace and of this name. @throws TrackerError "malformed". */
function root(text: string, name?: string): Element {
  const element = parseDocument(text, name === "Answer" ? MAX_ANSWER_ELEMENTS : MAX_ELEMENTS);
  const known = element.extension === SIGNALLING_NAMESPACE && (name === undefined || element.name === name);
  if (!known) throw malformed(`Root is not ${name ?? "a signalling message"}`);
  return element;
}

function readSignal(element: Element): Signal {
  return checkedSignal(attribute(element, "to"), readPayload(element));
}

function readPayload({ text }: Element): unknown {
  checkDepth(text);
  try {
    return JSON.parse(text);
  } catch {
    throw malformed("Payload is not JSON");
  }
}

const writeSignal = ({ to, payload }: Signal, space: object = {}): string =>
  writeElement("Signal", { ...space, to }, payloadText(payload));

function readMessage(element: Element): SignalMessage | undefined {
  switch (element.name) {
    case "Peers": {
      const peers = extensionChildren(element, SIGNALLING_NAMESPACE, "PeerID");
      if (peers.length > MAX_PEERS) throw malformed("Too many PeerID");
      return { peers: peers.map(({ text }) => identifier(text.trim(), "PeerID")) };
    }
    case "Signal":
      return {
        from: identifier(attribute(element, "from"), "from"),
        payload: JSON.stringify(readPayload(element)),
      };
    case "Gone":
      return { gone: identifier(attribute(element, "peerID"), "peerID") };
    default:
      return undefined;
  }
}

function writeMessage(message: SignalMessage, space: object = {}): string {
  if ("gone" in message) return writeElement("Gone", { ...space, peerID: message.gone }, "");
  if ("from" in message) {
    return writeElement("Signal", { ...space, from: message.from }, payloadText(message.payload));
  }
  const content = message.peers.map((peerId) => writeElement("PeerID", {}, escapeXml(peerId))).join("");
  return writeElement("Peers", { ...space }, content);
}

function readPoll(text: string): Poll {
  const element = root(text, "Poll");
  const { attributes } = element;
  const wait = attributes.get("wait") ?? "0";
  return checkedPoll(
    {
      token: attributes.get("token"),
      session: attributes.get("session"),
      received: integer(attributes.get("received") ?? "0", "received"),
      signals: extensionChildren(element, SIGNALLING_NAMESPACE, "Signal"),
      wait: /^\d{1,6}(?:\.\d{1,6})?$/u.test(wait) ? Number(wait) : Number.NaN,
    },
    readSignal,
  );
}

function readAnswer(text: string): PollAnswer {
  const element = root(text, "Answer");
  const messages = element.children.filter(({ extension }) => extension === SIGNALLING_NAMESPACE);
  return { session: attribute(element, "session"), messages: messages.map(readMessage) };
}

import { malformed } from "../errors.ts";
import { MAX_ID, MAX_JSON_DEPTH, MAX_PEERS } from "../limits.ts";
import {
  checkedPoll,
  checkedSignal,
  type Poll,
  type PollAnswer,
  type Signal,
  SIGNAL_PROTOCOL,
  type SignalCodec,
  type SignalMessage,
} from "../signal.ts";
import { checkDepth } from "./read.ts";

/** The JSON encoding of the signalling extension (docs/PROTOCOL.md). */
export const jsonSignals: SignalCodec = {
  subprotocol: SIGNAL_PROTOCOL,
  contentType: "application/json",
  readSignal: (text) => readSignal(parse(text)),
  writeSignal,
  readMessage: (text) => readMessage(parse(text)),
  writeMessage,
  readPoll,
  writePoll: ({ signals, ...rest }) =>
    `${JSON.stringify(rest).slice(0, -1)},"signals":[${signals.map(writeSignal).join()}]}`,
  readAnswer,
  writeAnswer: ({ session, messages }) =>
    `{"session":${JSON.stringify(session)},"messages":[${messages.flatMap((one) => (one ? writeMessage(one) : [])).join()}]}`,
};

type Members = Readonly<Record<string, unknown>>;

const isPeerId = (value: unknown): value is string =>
  typeof value === "string" && value.length > 0 && value.length <= MAX_ID;

const isPeers = (value: unknown): value is string[] =>
  Array.isArray(value) && value.length <= MAX_PEERS && value.every(isPeerId);

/** Levels of a message around a payload: a poll or its answer, its list, and the signal. */
const ENVELOPE_DEPTH = 3;

function parse(text: string): Members {
  checkDepth(text, ENVELOPE_DEPTH + MAX_JSON_DEPTH);
  try {
    return asMembers(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError) throw malformed("not JSON");
    throw error;
  }
}

function asMembers(value: unknown): Members {
  if (typeof value !== "object" || value === null) throw malformed("not an object");
  return value as Members;
}

const readSignal = ({ to, payload }: Members): Signal => checkedSignal(to, payload);

function writeSignal({ to, payload }: Signal): string {
  return `{"to":${JSON.stringify(to)},"payload":${payload}}`;
}

function readMessage({ peers, from, payload = null, gone }: Members): SignalMessage | undefined {
  if (isPeers(peers)) return { peers };
  if (isPeerId(from)) return { from, payload: JSON.stringify(payload) };
  return isPeerId(gone) ? { gone } : undefined;
}

function writeMessage(message: SignalMessage): string {
  if ("from" in message) return `{"from":${JSON.stringify(message.from)},"payload":${message.payload}}`;
  return JSON.stringify(message);
}

function readPoll(text: string): Poll {
  const { token, session, received = 0, signals = [], wait = 0 } = parse(text);
  return checkedPoll({ token, session, received, signals, wait }, (one: unknown) => readSignal(asMembers(one)));
}

function readAnswer(text: string): PollAnswer {
  const { session, messages } = parse(text);
  if (typeof session !== "string" || !Array.isArray(messages)) throw malformed("not an answer");
  return { session, messages: messages.map((one: unknown) => readMessage(asMembers(one))) };
}

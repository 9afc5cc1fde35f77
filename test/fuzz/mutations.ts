import { decodeDatagram, encodeDatagram } from "../../src/core/codec/datagram.ts";
import { DatagramError } from "../../src/core/codec/errors.ts";
import type { Format, Message } from "../../src/core/codec/messages.ts";
import { join } from "../sim/simulator.ts";

/** Chance, and what is made by it. */
export class Dice {
  readonly random: () => number;

  constructor(random: () => number) {
    this.random = random;
  }

  below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }
}

/** Numbers at which something may break. */
const EDGES = [0, 1, 2, 63, 64, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1, 2 ** 53 - 1];
const LONGEST = 65_507;

/** Other octets of the same datagram: flipped, cut, doubled, overwritten with what stands at an edge. */
export function mutateOctets(bytes: Uint8Array, others: readonly Uint8Array[], dice: Dice): Uint8Array {
  let out: Uint8Array = bytes.slice();
  for (let rounds = 1 + dice.below(3); rounds > 0; rounds--) {
    // The channel is chosen elsewhere.
    const at = 4 + dice.below(Math.max(1, out.length - 4));
    switch (dice.below(7)) {
      case 0:
        if (at < out.length) out[at]! ^= 1 << dice.below(8);
        break;
      case 1:
        if (at < out.length) out[at] = dice.below(256);
        break;
      case 2:
        out = out.slice(0, Math.max(dice.below(8), at));
        break;
      case 3: {
        const view = new DataView(out.buffer);
        if (at + 4 <= out.length) view.setUint32(at, dice.pick(EDGES) >>> 0);
        break;
      }
      case 4: {
        const view = new DataView(out.buffer);
        if (at + 8 <= out.length) view.setBigUint64(at, dice.chance(0.5) ? 2n ** 64n - 1n : BigInt(dice.pick(EDGES)));
        break;
      }
      case 5: {
        // A part of it twice.
        const length = 1 + dice.below(64);
        out = concat(out.subarray(0, at), out.subarray(Math.max(4, at - length)));
        break;
      }
      default: {
        const other = dice.pick(others);
        out = concat(out.subarray(0, at), other.subarray(Math.min(other.length, 4 + dice.below(other.length))));
      }
    }
  }
  return out.slice(0, LONGEST);
}

/** Other messages: in another order, many times over, with each other's ranges, about chunks that nobody has. */
export function mutateMessages(
  all: readonly (readonly Message[])[],
  chunks: number,
  format: Format,
  dice: Dice,
): Uint8Array {
  let messages = [...dice.pick(all)];
  for (let rounds = dice.below(4); rounds > 0; rounds--) {
    switch (dice.below(6)) {
      case 0:
        messages = messages.map((message) => (dice.chance(0.5) ? moved(message, chunks, dice) : message));
        break;
      case 1:
        messages = [...messages, ...dice.pick(all)];
        break;
      case 2:
        messages.sort(() => dice.random() - 0.5);
        break;
      case 3: {
        const message = dice.pick(messages.length > 0 ? messages : dice.pick(all));
        const times = dice.chance(0.05) ? 1_500 : 1 + dice.below(20);
        if (message?.type !== "DATA" && message !== undefined)
          messages = Array.from({ length: times }, () => moved(message, chunks, dice));
        break;
      }
      case 4:
        messages = messages.map((message) => renamed(message, dice));
        break;
      default:
        messages = messages.filter(() => dice.chance(0.7));
    }
  }
  // DATA can be written nowhere but at the end.
  const data = messages.filter(({ type }) => type === "DATA");
  messages = [...messages.filter(({ type }) => type !== "DATA"), ...data.slice(0, 1)];
  for (;;) {
    try {
      const { head, payload } = encodeDatagram({ channel: 0, messages }, format);
      return join(head, payload).slice(0, LONGEST);
    } catch (error) {
      // What this addressing cannot say is left out, message by message.
      if (!(error instanceof RangeError) || messages.length === 0) throw error;
      messages.splice(dice.below(messages.length), 1);
    }
  }
}

function moved(message: Message, chunks: number, dice: Dice): Message {
  if (message.type === "HANDSHAKE" && message.channel !== 0) return { ...message, channel: dice.below(2 ** 32) };
  if (!("chunks" in message)) return message;
  const number = (): number => (dice.chance(0.7) ? dice.below(chunks + 2) : dice.pick(EDGES));
  const start = number();
  return { ...message, chunks: { start, end: dice.chance(0.5) ? start : number() } };
}

function renamed(message: Message, dice: Dice): Message {
  if (message.type !== "HAVE" && message.type !== "REQUEST" && message.type !== "CANCEL") return message;
  return { type: dice.pick(["HAVE", "REQUEST", "CANCEL"] as const), chunks: message.chunks };
}

/** The messages of a datagram; none if it is none. */
export function messagesOf(bytes: Uint8Array, format: Format): readonly Message[] {
  try {
    return decodeDatagram(bytes, format).messages;
  } catch (error) {
    if (error instanceof DatagramError) return [];
    throw error;
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}

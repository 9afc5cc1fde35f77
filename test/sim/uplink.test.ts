import { describe, expect, test } from "vitest";
import { Uplink, type Flight, type Sender } from "../../src/core/connection/uplink.ts";

const CHUNK = 16_384;
/** 3 Mbit/s, bytes per ms. */
const LINE = 375;
const TRAVEL_MS = 60;

interface Channel extends Sender {
  /** What its peer was given of late. */
  given(): number;
}

/** Channels that always want more, over one line; what is on its way is acknowledged when it has come through. */
class Town {
  now = 0;
  readonly uplink = new Uplink<Channel>(CHUNK, (channel) => channel.given());
  readonly #flights: { readonly flight: Flight; readonly at: number; readonly queued: number }[] = [];
  #freeAt = 0;

  /** A channel; a silent one's peer never acknowledges. `given`: what it was given of late. */
  sender(name: string, order: string[], given = 0, silent = false): Channel {
    let bytes = given;
    return {
      given: () => bytes,
      sendOne: () => {
        order.push(name);
        bytes += CHUNK;
        const flight = { at: this.now, bytes: CHUNK };
        this.uplink.sent(flight);
        this.#freeAt = Math.max(this.#freeAt, this.now) + CHUNK / LINE;
        const queued = this.#freeAt - this.now;
        if (!silent) this.#flights.push({ flight, at: this.#freeAt + TRAVEL_MS, queued });
        return true;
      },
    };
  }

  /** The line's queue, ms. */
  get queue(): number {
    return Math.max(0, this.#freeAt - this.now);
  }

  pass(ms: number, senders: readonly Channel[]): void {
    for (const until = this.now + ms; this.now < until; this.now++) {
      while (this.#flights.length > 0 && this.#flights[0]!.at <= this.now) {
        const { flight, queued } = this.#flights.shift()!;
        this.uplink.ended(flight);
        this.uplink.acknowledged(CHUNK, this.now - flight.at, queued, this.now);
      }
      for (const sender of senders) this.uplink.wait(sender);
      if (this.uplink.limit < Infinity || this.#flights.length < 40) this.uplink.serve(this.now, () => 0);
    }
  }
}

/** Sends a burst without limit, so that a queue is seen. */
function crowded(): { town: Town; order: string[] } {
  const town = new Town();
  const order: string[] = [];
  let left = 40;
  const burst = town.sender("burst", order);
  const limited: Channel = { ...burst, sendOne: () => left-- > 0 && burst.sendOne() };
  town.pass(2_500, [limited]);
  order.length = 0;
  return { town, order };
}

describe("all channels share one line", () => {
  test("nobody waits before a queue was seen", () => {
    const { uplink } = new Town();
    expect(uplink.limit).toBe(Infinity);
    expect(uplink.hasSpare(0)).toBe(true);
  });

  test("a queue bounds what is on its way, however many channels there are, and the line stays busy", () => {
    const { town, order } = crowded();
    expect(town.uplink.limit).toBeLessThan(Infinity);
    const senders = Array.from({ length: 8 }, (_, i) => town.sender(String(i), order));
    town.pass(5_000, senders);
    order.length = 0;
    town.pass(5_000, senders);
    expect(town.queue).toBeLessThan(400);
    expect(order.length * CHUNK).toBeGreaterThan(0.9 * 5_000 * LINE);
    expect(town.uplink.hasSpare(town.now)).toBe(false);
  });

  test("whom we have given least of late is next", () => {
    const { town, order } = crowded();
    town.pass(3_000, [town.sender("old", order, 5_000_000)]);
    const newcomer = town.sender("new", order);
    order.length = 0;
    town.pass(2_000, [town.sender("old", order, 5_000_000), newcomer]);
    expect(new Set(order)).toEqual(new Set(["new"]));
  });

  test("a peer that acknowledges nothing keeps nobody waiting for long", () => {
    const { town, order } = crowded();
    let left = 20;
    const silent = town.sender("silent", order, 0, true);
    const hoarder: Channel = { given: () => 0, sendOne: () => left-- > 0 && silent.sendOne() };
    const honest = town.sender("honest", order, 1);
    town.pass(10_000, [hoarder, honest]);
    const sent = order.filter((name) => name === "honest").length;
    expect(sent * CHUNK).toBeGreaterThan(0.5 * 10_000 * LINE);
  });

  test("where nobody has waited for a second there is room for more", () => {
    const { town, order } = crowded();
    let more = true;
    const busy = town.sender("busy", order);
    const listener: Channel = { ...busy, sendOne: () => more && busy.sendOne() };
    town.pass(3_000, [listener]);
    expect(town.uplink.hasSpare(town.now)).toBe(false);
    more = false;
    town.pass(900, []);
    expect(town.uplink.hasSpare(town.now)).toBe(false);
    town.pass(200, []);
    expect(town.uplink.hasSpare(town.now)).toBe(true);
  });
});

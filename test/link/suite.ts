import type { Link } from "../../src/engine/ports.ts";

/**
 * What every Link must do. Each case has two roles that run at the same time, one at either end of a fresh link, and talk
 * only over it; so the same cases run inside one program and in two browsers.
 */
export interface LinkCase {
  readonly name: string;
  readonly left: Role;
  readonly right: Role;
}

/** `together` resolves at both ends once both have called it. */
export type Role = (link: Link, together: () => Promise<void>) => Promise<void>;

const SMALL = Uint8Array.of(1, 2, 3, 4);
const BULK = 16 * 1024;

const fail = (message: string): never => {
  throw new Error(message);
};

/** Byte i of a test datagram of this length. */
const fill = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * 7 + length) & 255);

const checkFilled = (datagram: Uint8Array): void => {
  const expected = fill(datagram.length);
  if (!datagram.every((byte, i) => byte === expected[i])) fail(`${datagram.length} bytes arrived changed`);
};

/** Collects datagrams from now on. */
const inbox = (link: Link) => {
  const waiting: ((datagram: Uint8Array) => void)[] = [];
  const arrived: Uint8Array[] = [];
  link.onDatagram = (datagram) => {
    const next = waiting.shift();
    if (next) next(datagram);
    else arrived.push(datagram);
  };
  return (): Promise<Uint8Array> => {
    const first = arrived.shift();
    return first ? Promise.resolve(first) : new Promise((resolve) => waiting.push(resolve));
  };
};

const closed = (link: Link) =>
  new Promise<void>((resolve) => {
    link.onClose = resolve;
  });

const sizesFor = (link: Link): number[] =>
  [4, 5, 1023, 1024, 1200, 16_384, 65_535, 65_536, 65_552, 100_000, link.maxDatagram].filter(
    (size) => size <= link.maxDatagram,
  );

/** Both ends of the pair may disagree on maxDatagram, so the sender says how many will come. */
const deliversAllSizes: LinkCase = {
  name: "delivers head and payload as one datagram, 4 bytes to the largest",
  async left(link) {
    const next = inbox(link);
    const sizes = sizesFor(link);
    link.send(SMALL, Uint8Array.of(sizes.length));
    for (const size of sizes) {
      const bytes = fill(size);
      // One answer each, since datagrams may overtake one another.
      await next();
      const cut = Math.min(4 + (size % 40), size);
      if (cut === size) link.send(bytes);
      else link.send(bytes.subarray(0, cut), bytes.subarray(cut));
    }
    await next();
    link.close();
  },
  async right(link) {
    const end = closed(link);
    const next = inbox(link);
    const count = (await next())[SMALL.length] ?? 0;
    const seen: number[] = [];
    for (let i = 0; i < count; i++) {
      link.send(SMALL);
      const datagram = await next();
      checkFilled(datagram);
      seen.push(datagram.length);
    }
    link.send(SMALL);
    const expected = sizesFor(link).slice(0, -1);
    for (const size of expected) if (!seen.includes(size)) fail(`${size} bytes did not arrive (${seen.join()})`);
    await end;
  },
};

const TOTAL = 20 * 1024 * 1024;
const WINDOW = 256 * 1024;
/** A question is put after so many bulk datagrams. */
const ASK_EVERY = 80;

/** Bulk within a window of unacknowledged bytes, as PPSPP sends DATA; ACKs and questions are small. */
const carriesBulk: LinkCase = {
  name: "carries 20 MB while small datagrams wait for little of it",
  left: (link) =>
    new Promise((resolve, reject) => {
      const count = TOTAL / BULK;
      const head = new Uint8Array(16);
      const payload = fill(BULK - head.length);
      let sent = 0;
      let acknowledged = 0;
      const askedAt = new Map<number, number>();
      let answers = 0;
      const more = (): void => {
        while (sent < count && (sent - acknowledged) * BULK < WINDOW) {
          new DataView(head.buffer).setUint32(0, sent);
          link.send(head, payload);
          sent++;
          if (sent % ASK_EVERY === 0) {
            askedAt.set(sent, acknowledged);
            const question = new Uint8Array(8);
            new DataView(question.buffer).setUint32(4, sent);
            link.send(question);
          }
        }
      };
      link.onClose = () => reject(new Error("closed in mid-transfer"));
      link.onDatagram = (datagram) => {
        const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
        if (datagram.length === 4) {
          acknowledged++;
        } else {
          const behind = (acknowledged - (askedAt.get(view.getUint32(4)) ?? 0)) * BULK;
          if (behind > 2 * WINDOW) reject(new Error(`an answer waited for ${behind} bytes of bulk`));
          answers++;
        }
        more();
        if (acknowledged === count && answers === Math.floor(count / ASK_EVERY)) {
          link.onClose = () => resolve();
          link.close();
        }
      };
      more();
    }),
  right: (link) =>
    new Promise((resolve, reject) => {
      const seen = new Set<number>();
      link.onClose = () => {
        if (seen.size === TOTAL / BULK) resolve();
        else reject(new Error(`closed after ${seen.size} of ${TOTAL / BULK} datagrams`));
      };
      link.onDatagram = (datagram) => {
        if (datagram.length === BULK) {
          seen.add(new DataView(datagram.buffer, datagram.byteOffset).getUint32(0));
          link.send(SMALL);
        } else {
          link.send(datagram.slice());
        }
      };
    }),
};

const keepsEarly: LinkCase = {
  name: "keeps datagrams that come before anyone listens, and delivers them once",
  async left(link, together) {
    const next = inbox(link);
    for (let i = 0; i < 3; i++) link.send(SMALL, Uint8Array.of(i));
    await together();
    link.send(SMALL, Uint8Array.of(3));
    await next();
    link.close();
  },
  async right(link, together) {
    const end = closed(link);
    await together();
    const next = inbox(link);
    const seen = new Set<number>();
    while (seen.size < 4) {
      const number = (await next())[SMALL.length] ?? -1;
      if (seen.has(number)) fail(`datagram ${number} came twice`);
      seen.add(number);
    }
    link.send(SMALL);
    await end;
  },
};

const tellsClose: LinkCase = {
  name: "tells both ends of a close exactly once, and is silent and harmless afterwards",
  async left(link, together) {
    let times = 0;
    link.onClose = () => times++;
    await together();
    link.close();
    link.close();
    link.send(SMALL, SMALL);
    await together();
    if (times !== 1) fail(`onClose came ${times} times`);
  },
  async right(link, together) {
    let times = 0;
    const end = new Promise<void>((resolve) => {
      link.onClose = () => {
        times++;
        resolve();
      };
    });
    await together();
    await end;
    link.send(SMALL);
    link.close();
    await together();
    if (times !== 1) fail(`onClose came ${times} times`);
  },
};

/** The closing HANDSHAKE of PPSPP (RFC 7574 §8.4) is sent like this, on `pagehide` too. */
const deliversLastWord: LinkCase = {
  name: "delivers what was sent just before the close",
  async left(link, together) {
    await together();
    link.send(SMALL);
    link.close();
  },
  async right(link, together) {
    const end = closed(link);
    let arrived = false;
    link.onDatagram = () => {
      arrived = true;
    };
    await together();
    await end;
    if (!arrived) fail("the last datagram was lost");
  },
};

const survivesFlood: LinkCase = {
  name: "loses what nobody can take, and goes on",
  async left(link) {
    const next = inbox(link);
    const bulk = new Uint8Array(BULK);
    // Far more than any link may queue, all at once; and datagrams that no link carries.
    for (let i = 0; i < 1000; i++) link.send(SMALL, bulk);
    link.send(new Uint8Array(link.maxDatagram + 1));
    link.send(SMALL, new Uint8Array(link.maxDatagram));
    // Asked again and again, since a question may be lost like all else.
    for (;;) {
      const answer = next();
      const timer = setInterval(() => link.send(SMALL), 100);
      link.send(SMALL);
      const { length } = await answer;
      clearInterval(timer);
      if (length === SMALL.length) break;
    }
    link.close();
  },
  async right(link) {
    const end = closed(link);
    let bulk = 0;
    link.onDatagram = (datagram) => {
      if (datagram.length === SMALL.length) link.send(SMALL);
      else if (datagram.length === SMALL.length + BULK) bulk++;
      else link.close();
    };
    await end;
    if (bulk === 0 || bulk === 1000) fail(`${bulk} of 1000 datagrams came`);
  },
};

/** All cases, each for a fresh link. */
export const linkCases: readonly LinkCase[] = [
  deliversAllSizes,
  carriesBulk,
  keepsEarly,
  tellsClose,
  deliversLastWord,
  survivesFlood,
];

/** Lets two roles wait for one another inside one program. */
export const meeting = (): (() => Promise<void>) => {
  let other: (() => void) | undefined;
  return () =>
    new Promise((resolve) => {
      if (other) {
        other();
        other = undefined;
        resolve();
      } else {
        other = resolve;
      }
    });
};

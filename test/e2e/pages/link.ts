import type { Link, Membership } from "../../../src/engine/ports.ts";
import { dialPeer } from "../../../src/link/peer-connection.ts";
import { createRendezvous } from "../../../src/link/rendezvous.ts";
import { WebRtcLink } from "../../../src/link/webrtc.ts";
import type { Signal } from "../../../src/link/signal.ts";
import { linkCases } from "../../link/suite.ts";

/** What one page has to say to the other before, and beside, the link; the test carries it. */
export type Note = Signal | { readonly type: "together" };

const outbox: Note[] = [];
let wake: (() => void) | undefined;
const tell = (note: Note): void => {
  outbox.push(note);
  wake?.();
};

let link: WebRtcLink | undefined;
let here = 0;
let there = 0;
let meet: (() => void) | undefined;

/** Resolves when the other page has called it as often as this one. */
const together = (): Promise<void> => {
  here++;
  tell({ type: "together" });
  return new Promise((resolve) => {
    meet = () => {
      if (there >= here) resolve();
    };
    meet();
  });
};

/** Makes a link to the other page. */
const open = (initiator: boolean): Promise<WebRtcLink> => {
  here = there = 0;
  outbox.length = 0;
  return new Promise((resolve, reject) => {
    link = new WebRtcLink({
      id: "other",
      dial: dialPeer,
      initiator,
      iceServers: [],
      signal: tell,
      open: resolve,
      ended: () => reject(new Error("no link came about")),
    });
  });
};

let membership: Membership | undefined;
const links = new Map<string, Link>();
const states: string[] = [];
const warnings: string[] = [];
let echoes = 0;

const page = {
  /** All notes for the other page; waits for the first. */
  async notes(): Promise<Note[]> {
    if (outbox.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return outbox.splice(0);
  },

  receive(notes: Note[]): void {
    for (const note of notes) {
      if (note.type !== "together") {
        link?.receive(note);
      } else {
        there++;
        meet?.();
      }
    }
  },

  /** Plays one role of a case over a fresh link. */
  async play(name: string, role: "left" | "right"): Promise<void> {
    const found = linkCases.find((one) => one.name === name);
    if (!found) throw new Error(`no case "${name}"`);
    await found[role](await open(role === "left"), together);
  },

  /** Bulk at once and one small datagram last: how many of how many bulk datagrams came before it? */
  async overtake(role: "left" | "right"): Promise<{ before: number; maxDatagram: number }> {
    const opened = await open(role === "left");
    const end = new Promise<void>((resolve) => (opened.onClose = resolve));
    let before = 0;
    if (role === "left") {
      opened.onDatagram = () => opened.close();
      for (let i = 0; i < 64; i++) opened.send(new Uint8Array(16 * 1024));
      opened.send(new Uint8Array(20));
    } else {
      let bulk = 0;
      opened.onDatagram = ({ length }) => {
        if (length === 20) before = bulk;
        else bulk++;
        if (bulk === 64) opened.send(new Uint8Array(4));
      };
    }
    await end;
    return { before, maxDatagram: opened.maxDatagram };
  },

  /** A neighbour that does what simple-peer would not: text, another channel, messages beyond every bound. */
  async misbehave(role: "left" | "right"): Promise<number[]> {
    if (role === "right") {
      const opened = await open(false);
      const end = new Promise<void>((resolve) => (opened.onClose = resolve));
      const seen: number[] = [];
      opened.onDatagram = ({ length }) => {
        seen.push(length);
        if (length === 8) opened.close();
      };
      await end;
      return seen;
    }
    const connection = new RTCPeerConnection();
    const channel = connection.createDataChannel("ppspp", { ordered: false, negotiated: true, id: 0 });
    connection.onicecandidate = ({ candidate: found }) => {
      if (!found) return;
      const { candidate, sdpMid, sdpMLineIndex } = found;
      tell({ type: "candidate", candidate: { candidate, sdpMid, sdpMLineIndex } });
    };
    link = {
      receive: (signal: Signal) =>
        signal.type === "candidate"
          ? connection.addIceCandidate(signal.candidate)
          : connection.setRemoteDescription(signal as RTCSessionDescriptionInit),
    } as unknown as WebRtcLink;
    await connection.setLocalDescription();
    tell({ type: "offer", sdp: connection.localDescription?.sdp ?? "" });
    await new Promise((resolve) => (channel.onopen = resolve));
    const others = Array.from({ length: 20 }, () => connection.createDataChannel("ppspp"));
    await Promise.all(others.map((other) => new Promise((resolve) => (other.onclose = resolve))));
    channel.send("text is not a datagram");
    channel.send(new Uint8Array(0));
    channel.send(new Uint8Array(8));
    await new Promise((resolve) => (channel.onclose = resolve));
    return [];
  },

  /** Joins a swarm; every datagram that comes is sent back once. */
  join(tracker: string): void {
    const rendezvous = createRendezvous(
      {
        trackers: [[tracker]],
        iceServers: [],
        warn: (line) => warnings.push(line),
      },
      dialPeer,
    );
    membership = rendezvous?.join(Uint8Array.of(0xab, 0xcd), {
      size: () => undefined,
      link(opened) {
        links.set(opened.id, opened);
        opened.onClose = () => links.delete(opened.id);
        opened.onDatagram = (datagram) => {
          if (datagram.length === 4) opened.send(datagram.slice(), Uint8Array.of(1));
          else echoes++;
        };
      },
      state: (state) => states.push(state),
      warning: (line) => warnings.push(line),
      report: () => ({ uploadedBytes: 0, downloadedBytes: 0, availBandwidth: 0 }),
    });
  },

  /** Sends a datagram to all neighbours, and tells what is known so far. */
  look(): { neighbours: number; states: string[]; warnings: string[]; echoes: number } {
    for (const opened of links.values()) opened.send(new Uint8Array(4));
    return { neighbours: links.size, states, warnings, echoes };
  },

  ban(): void {
    for (const id of links.keys()) membership?.ban(id);
  },

  leave(): void {
    membership?.leave();
  },
};

export type LinkPage = typeof page;
(globalThis as unknown as { linkPage: LinkPage }).linkPage = page;

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemTurnServer } from "../../scripts/browsers.mjs";

/** Where the server listens, and what it relays from: two addresses, so that what a neighbour sees tells which one it is. */
const LISTENING = "127.0.0.1";
export const RELAY = "127.0.0.2";
/** What hides the sender of whatever goes through a {@link startNat}. */
export const OUTSIDE = "127.0.0.3";

/** A STUN and TURN server that runs. */
export interface TurnServer {
  readonly port: number;
  /** Shared with the tracker, which makes credentials from it. */
  readonly secret: string;
  close(): Promise<void>;
}

/** Why tests that need a TURN server are skipped; undefined where there is one. */
export const noTurnServer = (): string | undefined =>
  systemTurnServer() === undefined ? "no TURN server here: install coturn" : undefined;

/** Starts coturn on loopback, as an operator would with `use-auth-secret`; only loopback peers must be allowed besides. */
export async function startTurnServer(): Promise<TurnServer> {
  const path = systemTurnServer();
  if (path === undefined) throw new Error(noTurnServer());
  const folder = mkdtempSync(join(tmpdir(), "ppsp-turn-"));
  const secret = randomBytes(16).toString("hex");
  const port = await freePort();
  const server = spawn(
    path,
    [
      "-n --no-cli --no-tls --no-dtls --simple-log --log-file=stdout --allow-loopback-peers".split(" "),
      ["--use-auth-secret", `--static-auth-secret=${secret}`, "--realm=ppsp.test"],
      [`--listening-ip=${LISTENING}`, `--listening-port=${port}`, `--relay-ip=${RELAY}`],
      [`--pidfile=${join(folder, "pid")}`, `--userdb=${join(folder, "db")}`],
    ].flat(),
    { stdio: "ignore" },
  );
  const ended = once(server, "exit");
  const close = async (): Promise<void> => {
    server.kill("SIGKILL");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await answers(port);
  } catch (error) {
    await close();
    throw error;
  }
  return { port, secret, close };
}

/** A NAT in front of a STUN server: the server sees another sender, and what it answers goes back. */
export async function startNat(port: number): Promise<{ readonly port: number; close(): void }> {
  const inside = await bound(LISTENING);
  const outside = new Map<number, Promise<Socket>>();
  const translate = async (sender: number): Promise<Socket> => {
    const socket = await bound(OUTSIDE);
    socket.on("message", (datagram, { address }) => {
      if (address === LISTENING) inside.send(datagram, sender, LISTENING);
    });
    return socket;
  };
  inside.on("message", (datagram, { port: sender, address }) => {
    // Senders on one machine differ by their ports; an answer needs their address too.
    if (address !== LISTENING) return;
    const socket = outside.get(sender) ?? translate(sender);
    outside.set(sender, socket);
    void socket.then((open) => open.send(datagram, port, LISTENING));
  });
  return {
    port: inside.address().port,
    close() {
      inside.close();
      for (const socket of outside.values()) void socket.then((open) => open.close());
    },
  };
}

async function bound(address: string): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.bind(0, address);
  await once(socket, "listening");
  return socket;
}

async function freePort(): Promise<number> {
  const socket = await bound(LISTENING);
  const { port } = socket.address();
  socket.close();
  return port;
}

/** Resolves when the server answers a Binding request (RFC 8489 §5). @throws when it does not within ten seconds */
async function answers(port: number): Promise<void> {
  const socket = await bound(LISTENING);
  const request = Buffer.concat([Buffer.from("000100002112a442", "hex"), randomBytes(12)]);
  const asking = setInterval(() => socket.send(request, port, LISTENING), 50);
  try {
    await once(socket, "message", { signal: AbortSignal.timeout(10_000) });
  } finally {
    clearInterval(asking);
    socket.close();
  }
}

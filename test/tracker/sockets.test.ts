import { once } from "node:events";
import { expect, test } from "vitest";
import WebSocket from "ws";
import { MAX_SIGNAL } from "../../src/tracker/limits.ts";
import { CLOSE } from "../../src/tracker/signal.ts";
import { opened, register, tracker } from "./service.ts";
import { eventually } from "./world.ts";

/** Registers a peer and opens its signalling socket. */
async function socketOf(url: string, peerId: string, subprotocol = "ppsp-signal.1"): Promise<WebSocket> {
  const { message } = await register(url, peerId);
  const address = new URL(`signal?swarm=abcdef&peer=${peerId}`, url.replace("http", "ws"));
  const socket = new WebSocket(address, [subprotocol, `token.${message?.registration?.token}`]);
  opened.push(() => socket.terminate());
  await once(socket, "open");
  return socket;
}

test("a member that does not read is cut off by what others send to it, before it fills the tracker's memory", async () => {
  const { url } = await tracker({ parameters: { SOCKET_QUEUE: "65536", SIGNAL_BURST: "100000" } });
  const deaf = await socketOf(url, "deaf");
  deaf.pause();
  const sender = await socketOf(url, "sender");
  const heard: string[] = [];
  sender.on("message", (data: Buffer) => heard.push(data.toString("utf8")));
  // More than the kernel's own buffers take.
  const signal = JSON.stringify({ to: "deaf", payload: "x".repeat(MAX_SIGNAL - 100) });
  for (let sent = 0; sent < 2000; sent += 1) sender.send(signal);
  sender.send("ping");
  await eventually(() => heard.includes("pong"), "all has arrived");
  expect(heard).toContain(`{"gone":"deaf"}`);
});

test("a refusal that quotes what a peer wrote closes its socket with a reason that fits a close frame", async () => {
  const { url } = await tracker();
  const socket = await socketOf(url, "stranger", "ppsp-signal-xml.1");
  const closed = once(socket, "close");
  socket.send(`<?xml version="1.0" encoding="UTF-8"?><${"é".repeat(70)}:a/>`);
  const [code, reason] = (await closed) as [number, Buffer];
  expect(code).toBe(CLOSE.malformed);
  expect(reason.toString("utf8")).toMatch(/^[\x20-\x7e]{1,100}$/u);
});

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, type Page } from "@playwright/test";

declare global {
  /** In the page: what was appended to SourceBuffers, as hash and length. */
  var appended: Promise<{ hash: string; length: number }>[];
}

const SAMPLE = fileURLToPath(new URL("../../public/sample/", import.meta.url));
/** hls.js makes init sections anew; they are about this long, bytes, and segments of the sample ten times that and more. */
const LONGEST_INIT = 2_000;

/** Runs in a page before its scripts: notes the hash of everything that is appended. */
export function noteAppends(): void {
  globalThis.appended = [];
  const hex = (digest: ArrayBuffer): string =>
    Array.from(new Uint8Array(digest), (octet) => octet.toString(16).padStart(2, "0")).join("");
  // oxlint-disable-next-line typescript/unbound-method -- the proxy passes `this` on
  SourceBuffer.prototype.appendBuffer = new Proxy(SourceBuffer.prototype.appendBuffer, {
    apply(append, buffer: SourceBuffer, [data]: [Uint8Array<ArrayBuffer>]) {
      const noted = crypto.subtle.digest("SHA-256", data.slice());
      globalThis.appended.push(noted.then((digest) => ({ hash: hex(digest), length: data.length })));
      Reflect.apply(append, buffer, [data]);
    },
  });
}

/** Each of the sample's twelve segments was appended, in order and bit by bit as published, and nothing else but inits. */
export async function expectPublishedBytes(page: Page): Promise<void> {
  const files = readdirSync(SAMPLE, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".m4s"));
  const published = new Map(
    files.map((name) => [
      createHash("sha256")
        .update(readFileSync(SAMPLE + name))
        .digest("hex"),
      name,
    ]),
  );
  const appended = await page.evaluate(() => Promise.all(globalThis.appended));
  const names = appended.filter(({ length }) => length > LONGEST_INIT).map(({ hash }) => published.get(hash) ?? hash);
  expect(names.map((name) => /(\d+)\.m4s$/.exec(name)?.[1] ?? name).map(Number)).toEqual(
    Array.from({ length: 12 }, (_, i) => i),
  );
}

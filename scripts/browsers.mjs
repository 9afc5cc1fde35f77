/**
 * Finds the programs that the tests drive: browsers (the system's, else Playwright's own, else Debian's packages, else a clear
 * message) and a TURN server (the system's, else Debian's package, else a clear message).
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

const names = {
  chromium: ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"],
  firefox: ["firefox-esr", "firefox"],
};

/** Some systems put a script of that name in the path which only advertises a package: it must answer. */
const answers = (path) => spawnSync(path, ["--version"], { timeout: 30_000 }).status === 0;

function inPath(name) {
  return (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, name))
    .filter(existsSync);
}

/** The path of a system's browser; undefined where there is none. */
export function systemBrowser(kind) {
  return names[kind].flatMap(inPath).find(answers);
}

/**
 * How Playwright launches a Chromium whose pages can be peers of each other: the system's one, else its own. As released it hides
 * host addresses behind mDNS names, which nothing here may resolve.
 */
export function chromiumOptions(asReleased = false) {
  const executablePath = systemBrowser("chromium");
  return {
    ...(executablePath === undefined ? {} : { executablePath }),
    args: [
      // Chromium's sandbox refuses to run as root, as tests in containers do.
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      ...(asReleased ? [] : ["--disable-features=WebRtcHideLocalIpsWithMdns"]),
      // Peers on one machine without a network between them: loopback addresses as candidates.
      "--allow-loopback-in-peer-connection",
      "--autoplay-policy=no-user-gesture-required",
      "--disable-quic",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-first-run",
    ],
  };
}

async function missing(kinds) {
  const playwright = await import("@playwright/test");
  return kinds.filter((kind) => systemBrowser(kind) === undefined && !existsSync(playwright[kind].executablePath()));
}

/** The path of a system's TURN server (coturn); undefined where there is none. */
export function systemTurnServer() {
  return inPath("turnserver").find(answers);
}

/** Installs Debian's packages where that is possible: on Debian, as root. */
function install(packages) {
  if (process.getuid?.() !== 0 || !existsSync("/etc/debian_version")) return;
  console.log(`Installing ${packages.join(" and ")} ...`);
  const apt = (...args) =>
    spawnSync("apt-get", args, { stdio: "inherit", env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } })
      .status === 0;
  if (apt("update")) apt("install", "-y", "--no-install-recommends", ...packages);
}

/** Makes sure that there is a TURN server, or says what is not tested without one. */
export function ensureTurnServer() {
  if (systemTurnServer() === undefined) install(["coturn"]);
  if (systemTurnServer() === undefined)
    console.log("No TURN server was found: tests of relayed links are skipped. Install coturn to run them.");
}

/** Firefox decodes sound in MP4 with libavcodec, which Debian's package only recommends. Before it knows what it lacks it says that it can. */
const lacksCodecs = () =>
  existsSync("/etc/debian_version") &&
  !spawnSync("ldconfig", ["-p"], { encoding: "utf8" }).stdout?.includes("libavcodec");

/** Makes sure that there is a Chromium and a Firefox, or only one of them. Throws with what to do when there is not. */
export async function ensureBrowsers(kinds = Object.keys(names)) {
  const packages = (await missing(kinds)).map((kind) => names[kind][0]);
  const decodes = kinds.includes("firefox");
  if (decodes && lacksCodecs()) packages.push("libavcodec-extra");
  if (packages.length === 0) return;
  install(packages);
  if (decodes && lacksCodecs())
    console.log("Firefox finds no libavcodec, and plays the sample only by chance: install libavcodec-extra.");
  const lacking = await missing(kinds);
  if (lacking.length > 0)
    throw new Error(
      `No ${lacking.join(" and no ")} was found. Install ${lacking.length > 1 ? "them" : "it"}, or run: npx playwright install --with-deps ${lacking.join(" ")}`,
    );
}

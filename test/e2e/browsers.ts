import { chromium, firefox, type Browser } from "@playwright/test";
import { systemBrowser } from "../../scripts/browsers.mjs";

/** The browsers that the tests drive. */
export type BrowserName = "chromium" | "firefox";

const chromiumArguments = [
  // Chromium's sandbox refuses to run as root, as tests in containers do.
  ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
  // Peers on one machine without a network between them: loopback addresses as candidates.
  "--allow-loopback-in-peer-connection",
  "--autoplay-policy=no-user-gesture-required",
  "--disable-quic",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

/** Plain addresses as candidates instead of mDNS names, which nothing here may resolve. */
const PLAIN_ADDRESSES = "--disable-features=WebRtcHideLocalIpsWithMdns";

const firefoxPreferences = {
  "media.peerconnection.ice.loopback": true,
  "media.peerconnection.ice.obfuscate_host_addresses": false,
  "media.autoplay.default": 0,
  "media.autoplay.blocking_policy": 0,
};

/**
 * Starts a browser process: the system's one, else Playwright's own.
 *
 * @param asReleased - Chromium hides host addresses behind mDNS names, as it does for everybody
 */
export async function launchBrowser(name: BrowserName, asReleased = false): Promise<Browser> {
  const executablePath = systemBrowser(name);
  const own = executablePath === undefined ? {} : { executablePath };
  if (name === "chromium") {
    return chromium.launch({ ...own, args: [...chromiumArguments, ...(asReleased ? [] : [PLAIN_ADDRESSES])] });
  }
  // A Firefox as it is released speaks WebDriver BiDi; only Playwright's own speaks its older protocol.
  const channel = executablePath === undefined ? {} : { channel: "moz-firefox" };
  return firefox.launch({ ...own, ...channel, firefoxUserPrefs: firefoxPreferences });
}

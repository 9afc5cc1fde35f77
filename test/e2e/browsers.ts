import { chromium, firefox, type Browser } from "@playwright/test";
import { chromiumOptions, systemBrowser } from "../../scripts/browsers.mjs";

/** The browsers that the tests drive. */
export type BrowserName = "chromium" | "firefox";

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
  if (name === "chromium") return chromium.launch(chromiumOptions(asReleased));
  const executablePath = systemBrowser(name);
  const own = executablePath === undefined ? {} : { executablePath };
  // A Firefox as it is released speaks WebDriver BiDi; only Playwright's own speaks its older protocol.
  const channel = executablePath === undefined ? {} : { channel: "moz-firefox" };
  return firefox.launch({ ...own, ...channel, firefoxUserPrefs: firefoxPreferences });
}

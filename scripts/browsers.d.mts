/** The path of a system's browser; undefined where there is none. */
export function systemBrowser(kind: "chromium" | "firefox"): string | undefined;
/** The path of a system's TURN server (coturn); undefined where there is none. */
export function systemTurnServer(): string | undefined;
/**
 * How Playwright launches a Chromium whose pages can be peers of each other: the system's one, else its own. As released it hides
 * host addresses behind mDNS names.
 */
export function chromiumOptions(asReleased?: boolean): { executablePath?: string; args: string[] };
/** Makes sure that there is a Chromium and a Firefox, or only one of them. Throws with what to do when there is not. */
export function ensureBrowsers(kinds?: readonly ("chromium" | "firefox")[]): Promise<void>;
/** Makes sure that there is a TURN server, or says what is not tested without one. */
export function ensureTurnServer(): void;

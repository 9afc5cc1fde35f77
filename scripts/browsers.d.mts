/** The path of a system's browser; undefined where there is none. */
export function systemBrowser(kind: "chromium" | "firefox"): string | undefined;
/** The path of a system's TURN server (coturn); undefined where there is none. */
export function systemTurnServer(): string | undefined;
/** Makes sure that there is a Chromium and a Firefox. Throws with what to do when there is not. */
export function ensureBrowsers(): Promise<void>;
/** Makes sure that there is a TURN server, or says what is not tested without one. */
export function ensureTurnServer(): void;

/** The path of a system's browser; undefined where there is none. */
export function systemBrowser(kind: "chromium" | "firefox"): string | undefined;
/** How Playwright launches a Chromium whose pages can be peers of each other: the system's one, else its own. */
export function chromiumOptions(): { executablePath?: string; args: string[] };
/** Makes sure that there is a Chromium and a Firefox, or only one of them. Throws with what to do when there is not. */
export function ensureBrowsers(kinds?: readonly ("chromium" | "firefox")[]): Promise<void>;

/** Vite's `resolve.alias` of every bundle for browsers. */
export declare const alias: Readonly<Record<string, string>>;

/** What kept media from the player. `mismatch` only where the engine is strict. */
export type PlaybackErrorCode = "http" | "network" | "aborted" | "mismatch" | "presentation";

/** The engine cannot give the bytes that were asked for. */
export class PlaybackError extends Error {
  override readonly name = "PlaybackError";
  readonly code: PlaybackErrorCode;

  constructor(code: PlaybackErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * What ended playback: no way to play HLS here, codecs that the browser does not have or a source that names nothing to
 * play, a playlist that cannot be loaded or read, media that can no longer be loaded, media that the browser cannot decode.
 */
export type PlayerErrorCode = "unsupported" | "manifest" | "network" | "media";

/** Why `<ppsp-player>` shows nothing more. Everything less is recovered from, and no error. */
export class PlayerError extends Error {
  override readonly name = "PlayerError";
  readonly code: PlayerErrorCode;
  readonly fatal = true;

  constructor(code: PlayerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

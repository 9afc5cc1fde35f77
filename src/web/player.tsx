import type { HTMLAttributes, RefAttributes, RefObject } from "react";
import type { PpspPlayer } from "../video/index.ts";

/** Attributes of `<ppsp-player>` that this page uses. */
export interface PlayerAttributes extends HTMLAttributes<PpspPlayer>, RefAttributes<PpspPlayer> {
  src: string;
  tracker?: string | undefined;
  muted?: boolean;
  autoplay?: boolean;
  controls?: boolean;
  playsinline?: boolean;
}

declare module "react" {
  // A namespace, because that is React's own way to declare elements.
  namespace JSX {
    interface IntrinsicElements {
      "ppsp-player": PlayerAttributes;
    }
  }
}

/** What to play, and where to meet others. */
export interface Source {
  /** URL of an HLS playlist or a media file. */
  readonly src: string;
  /** URLs of trackers, separated by blanks; undefined leaves it to ppsp.json. */
  readonly tracker: string | undefined;
}

/** The film. Muted, because browsers let no page start with sound. */
export function Player({ src, tracker, player }: Source & { readonly player: RefObject<PpspPlayer | null> }) {
  return <ppsp-player ref={player} src={src} tracker={tracker} muted autoplay controls playsinline aria-label="Film" />;
}

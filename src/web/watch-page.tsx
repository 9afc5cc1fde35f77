import { useEffect, useRef, useState } from "react";
import type { PpspPlayer } from "../video/index.ts";
import { Arrivals } from "./arrivals.tsx";
import { Facts } from "./facts.tsx";
import { Invite } from "./invite.tsx";
import { Player, type Source } from "./player.tsx";
import { Legend, Ring } from "./ring.tsx";
import { errorSentence, swarmSentence } from "./sentence.ts";
import { sharesOf } from "./sources.ts";
import { useStats } from "./use-stats.ts";

/** The player's last word, if it has said one. */
function useError(player: React.RefObject<PpspPlayer | null>): string | undefined {
  const [sentence, setSentence] = useState<string>();
  useEffect(() => {
    const element = player.current;
    const listen = () => setSentence(errorSentence(element?.error ?? null));
    element?.addEventListener("error", listen);
    element?.addEventListener("loadstart", listen);
    // It may have spoken before anybody listened.
    listen();
    return () => {
      element?.removeEventListener("error", listen);
      element?.removeEventListener("loadstart", listen);
    };
  }, [player]);
  return sentence;
}

/** The film, and where it comes from. */
export function WatchPage({ src, tracker }: Source) {
  const player = useRef<PpspPlayer>(null);
  const observation = useStats(player);
  const error = useError(player);
  return (
    <>
      <header>
        <h1>A film that its viewers pass on</h1>
        <p>
          Whoever watches hands what they have to the next viewer. Every chunk from a viewer is checked against the
          publisher’s hash before it plays, so it does not matter who it comes from.
        </p>
      </header>
      <main>
        <div className="stage">
          <Player src={src} tracker={tracker} player={player} />
          {error !== undefined && (
            <p className="error" role="alert">
              {error}
            </p>
          )}
          {observation !== undefined && <Facts stats={observation.stats} />}
          <Invite />
        </div>
        <section className="panel" aria-labelledby="panel-title">
          <h2 id="panel-title">Where the film comes from</h2>
          {observation !== undefined && (
            <>
              <p className="sentence" role="status">
                {swarmSentence(observation.stats)}
              </p>
              <Ring shares={sharesOf(observation.stats)} uploaded={observation.stats.uploadedBytes} />
              <Legend shares={sharesOf(observation.stats)} />
              <Arrivals arrivals={observation.arrivals} />
            </>
          )}
        </section>
      </main>
      <footer>
        <p>
          Viewers connect to each other directly (PPSPP, RFC 7574, over WebRTC), so each can see the other’s network
          address. To play another presentation, add <code>?src=…&amp;tracker=…</code> to this page’s address.
        </p>
      </footer>
    </>
  );
}

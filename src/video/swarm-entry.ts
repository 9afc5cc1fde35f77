import type { Opening, OpeningEvents } from "../worker/open.ts";
import type { RemoteEngine } from "../worker/remote-engine.ts";
import { after } from "./after.ts";
import { EarlyRequests } from "./early-requests.ts";
import { type Warn, whatFailed } from "./open-swarm.ts";

/** What an entry needs of its session. */
export interface EntryHost {
  /** Opens the engine for the ppsp.json at this absolute URL. */
  open(presentation: string, events: OpeningEvents): Opening;
  /** An engine is open. */
  opened(engine: RemoteEngine): void;
  /** The one that was named could not be opened; there was a warning. */
  failed?(): void;
  readonly warn: Warn;
  /** What happens without an engine. @defaultValue the video plays over HTTP only */
  readonly otherwise?: string;
}

/** One engine that is open, is being opened, or could not be opened. */
interface Attempt {
  readonly opening: Opening;
  readonly early: EarlyRequests;
  /** While it is being opened one to wait for, which is none after a while. */
  engine: RemoteEngine | Promise<RemoteEngine | undefined> | undefined;
}

/** The first fragment waits at most this long for ppsp.json, ms; it is one small fetch, and playback never waits for a peer. */
const WAIT_MS = 1500;
/** An engine that was lost so often, one soon after the other, will be lost again. */
const MOST_LOST = 3;
/** One that has lived for so long, ms, says nothing about the next. */
const LIVED_MS = 60_000;

/**
 * The way into the swarm of what is played: where its ppsp.json is, which is guessed until the page or the playlist names
 * it, and the one engine for it. While the page is hidden there is none.
 */
export class SwarmEntry {
  readonly #host: EntryHost;
  #place: string | undefined;
  #named = false;
  #attempt: Attempt | undefined;
  #hidden = false;
  /** Engines that were lost soon after they had been opened. */
  #lost = 0;

  constructor(host: EntryHost) {
    this.#host = host;
  }

  /** The engine, if it is open. */
  get engine(): RemoteEngine | undefined {
    const engine = this.awaited;
    return engine instanceof Promise ? undefined : engine;
  }

  /** The engine, or one to wait for; resolves without one when it is not worth waiting for any more. */
  get awaited(): RemoteEngine | Promise<RemoteEngine | undefined> | undefined {
    return this.#attempt?.engine;
  }

  /** What is asked of the origin for the engine that is being opened. */
  get early(): EarlyRequests | undefined {
    return this.#attempt?.early;
  }

  /** ppsp.json may be there: nothing is said if it is not. */
  guess(place: string): void {
    this.#begin(place);
  }

  /** It is there, or there is none. */
  name(place: string | undefined): void {
    this.#named = true;
    if (place !== undefined && place === this.#place) return;
    this.#leave();
    this.#place = place;
    if (place !== undefined) this.#begin(place);
    else this.#host.warn(`The playlist names no ppsp.json: ${this.#otherwise}.`);
  }

  /** Leaves the swarm until `show`. */
  hide(): void {
    this.#hidden = true;
    this.#leave();
  }

  /** Enters it anew. */
  show(): void {
    this.#hidden = false;
    if (this.#place !== undefined && this.#attempt === undefined) this.#begin(this.#place);
  }

  get #otherwise(): string {
    return this.#host.otherwise ?? "the video plays over HTTP only";
  }

  #begin(place: string): void {
    this.#place = place;
    if (this.#hidden) return;
    const early = new EarlyRequests((message) => opening.post(message));
    const opening = this.#host.open(place, {
      warn: (text) => this.#host.warn(text),
      early: (answer) => early.came(answer),
    });
    const opened = opening.engine.then(
      (engine) => {
        if (this.#attempt !== attempt) return undefined;
        attempt.engine = engine;
        const openedAt = performance.now();
        engine.on("close", () => this.#closed(engine, attempt, performance.now() - openedAt));
        this.#host.opened(engine);
        return engine;
      },
      (error: unknown) => {
        if (this.#attempt === attempt) this.#failed(error, attempt);
        return undefined;
      },
    );
    const attempt: Attempt = { opening, early, engine: Promise.race([opened, after(WAIT_MS)]) };
    this.#attempt = attempt;
  }

  #failed(error: unknown, attempt: Attempt): void {
    attempt.engine = undefined;
    // Whoever names the place will be told what is wrong there.
    if (!this.#named) this.#place = this.#attempt = undefined;
    else {
      this.#host.warn(`${whatFailed(error)}: ${this.#otherwise}. ${String(error)}`);
      this.#host.failed?.();
    }
  }

  /** What runs goes on over HTTP by itself. */
  #closed(engine: RemoteEngine, attempt: Attempt, lived: number): void {
    if (this.#attempt !== attempt || !engine.lost || this.#place === undefined) return;
    this.#attempt = undefined;
    if (lived > LIVED_MS) this.#lost = 0;
    const again = ++this.#lost < MOST_LOST;
    this.#host.warn(`The engine does not answer: ${again ? "another one is opened" : this.#otherwise}.`);
    if (again) this.#begin(this.#place);
  }

  #leave(): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    attempt?.opening.close();
  }
}

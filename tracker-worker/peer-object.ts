import { DurableObject } from "cloudflare:workers";
import type { ConnectRequest, FindRequest, StatReport } from "../src/tracker/messages.ts";
import type { Asker, Outcome, PeerPort } from "../src/tracker/objects.ts";
import { dueOf, type PeerRecord, PeerTracker } from "../src/tracker/peer.ts";
import { type Environment, parametersOf, routerOf, trackTimer } from "./environment.ts";

const KEY = "peer";

/** One Peer-ID of the base protocol: storage and timer for a {@link PeerTracker} (docs/adr/0003-tracker-objects.md). */
export class PeerObject extends DurableObject<Environment> implements PeerPort {
  readonly #peer: PeerTracker;
  #alarm: number | undefined;

  constructor(state: DurableObjectState, environment: Environment) {
    super(state, environment);
    const { storage } = state;
    const { limits } = parametersOf(environment);
    this.#peer = new PeerTracker({
      load: () => storage.kv.get<PeerRecord>(KEY),
      save: (record) => {
        if (record !== undefined) {
          storage.kv.put(KEY, record);
          this.#arm(dueOf(record, trackTimer(environment), limits));
          return;
        }
        // Nothing is left behind, not even the alarm; replies wait for it as for every write.
        this.#alarm = undefined;
        void storage.deleteAll();
      },
      swarm: (swarmId) => routerOf(environment).swarm(swarmId),
      trackTimer: trackTimer(environment),
      limits,
      now: () => Date.now(),
    });
  }

  async onConnect(request: ConnectRequest, asker: Asker): Promise<Outcome> {
    return this.#timed(await this.#peer.onConnect(request, asker));
  }

  async onFind(request: FindRequest, asker: Asker): Promise<Outcome> {
    return this.#timed(await this.#peer.onFind(request, asker));
  }

  async onReport(request: StatReport, asker: Asker): Promise<Outcome> {
    return this.#timed(await this.#peer.onReport(request, asker));
  }

  override async alarm(): Promise<void> {
    this.#alarm = undefined;
    await this.#timed(undefined);
  }

  async #timed<T>(result: T): Promise<T> {
    const due = await this.#peer.expire();
    if (due !== undefined) this.#arm(due);
    return result;
  }

  /** Sets the one alarm of this object, unless an earlier one is set; replies wait for it as for every write. */
  #arm(due: number): void {
    if (this.#alarm !== undefined && this.#alarm <= due) return;
    this.#alarm = due;
    void this.ctx.storage.setAlarm(due);
  }
}

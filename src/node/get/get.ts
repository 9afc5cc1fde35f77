import { ChunkSet } from "../../core/address/chunk-set.ts";
import type { ChunkRange } from "../../core/address/range.ts";
import { MAX_CHUNKS } from "../../core/content/presentation.ts";
import type { Compat, SwarmMetadata } from "../../core/connection/metadata.ts";
import type { SwarmOptions } from "../../core/swarm/swarm.ts";
import { sameHash } from "../../core/integrity/hashes.ts";
import type { MerkleTree } from "../../core/integrity/tree.ts";
import type { News } from "../../engine/host.ts";
import type { SwarmReport } from "../../engine/ports.ts";
import { nearestRanges, UploadMeter } from "../../engine/report.ts";
import { systemClock } from "../../engine/system.ts";
import { MAX_RANGES } from "../../tracker/limits.ts";
import { systemReason } from "../publish/command-error.ts";
import type { Progress } from "../publish/progress.ts";
import { FileStore } from "../store/file-store.ts";
import { fileLength, hashFile, Leftover } from "../store/leftover.ts";
import type { UdpAddress } from "../udp/address.ts";
import { UDP_SETTINGS, UdpHost } from "../udp/host.ts";
import { UdpSocket } from "../udp/socket.ts";
import { type TrackerChoice, UdpTrackers } from "../udp/trackers.ts";

/** What to fetch, from whom and where to. */
export interface GetJob {
  /** A `chunkCount` that it does not have is found from the peaks (RFC 7574 §5.6). */
  readonly metadata: SwarmMetadata;
  readonly compat?: Compat;
  readonly peers: readonly UdpAddress[];
  /** Who knows more of them. */
  readonly trackers?: TrackerChoice;
  readonly out: string;
  readonly udp: UdpAddress;
  /** Whom to ask for what, and whether to find peers through others. */
  readonly policies?: Pick<SwarmOptions, "picker" | "pex">;
  /** Ends it, not complete. */
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** One line about trouble that may pass. */
  readonly warn: (line: string) => void;
  /** Where no channel opens for so long, one line says so. @defaultValue 10 s */
  readonly patienceMs?: number;
}

/** How it ended; `length` in bytes. */
export type Outcome =
  { readonly complete: true; readonly length: number } | { readonly complete: false; readonly reason: string };

/** With fewer peers trackers are asked for more: one of each kind, and one that is slow. */
const FEW_PEERS = 3;
/** As long as a peer is tried before it counts as dead. */
const PATIENCE_MS = UDP_SETTINGS.deadMs;

/** Fetches content into a file. @throws CommandError if file or address cannot be had */
export async function get(job: GetJob): Promise<Outcome> {
  const { metadata, out, signal } = job;
  const { chunkSize, hash, id } = metadata;
  const length = (await fileLength(out)) ?? 0;
  const timedOut: Outcome = { complete: false, reason: "the time is up" };
  if (signal.aborted) return timedOut;
  let left: MerkleTree | undefined;
  try {
    // A longer one is no content that can be had.
    if (length > 0 && length <= MAX_CHUNKS * chunkSize) left = await hashFile(out, length, { chunkSize, hash, signal });
  } catch (error) {
    if (signal.aborted) return timedOut;
    throw error;
  }
  const { chunkCount = left?.chunkCount } = metadata;
  if (left?.chunkCount === chunkCount && left !== undefined && sameHash(left.root(), id))
    return { complete: true, length };
  const socket = await UdpSocket.bind(job.udp);
  let store: FileStore | undefined;
  let fetch: Fetch | undefined;
  try {
    // Before the file is made, since an address that cannot be reached is an argument's fault.
    for (const peer of job.peers) socket.link(peer);
    store = new FileStore(out, "write", chunkSize);
    const running = (fetch = new Fetch(job, store, socket, left && { left: new Leftover(left), length }));
    if (signal.aborted) return timedOut;
    signal.addEventListener("abort", () => running.end(timedOut), { once: true });
    running.start(socket);
    return await running.outcome;
  } finally {
    await (fetch?.close() ?? socket.close());
    store?.close();
  }
}

/** One fetch that runs: what to do about the host's news. */
class Fetch {
  readonly host: UdpHost;
  readonly outcome: Promise<Outcome>;
  readonly end: (outcome: Outcome) => void;
  readonly #job: GetJob;
  readonly #store: FileStore;
  readonly #leftover: { readonly left: Leftover; readonly length: number } | undefined;
  /** Chunks that are in the file and verified. */
  readonly #held = new ChunkSet();
  readonly #warned = new Set<string>();
  #length: number | undefined;
  #sized = false;
  #trackers: UdpTrackers | undefined;
  /** Whether a tracker may yet name a peer. */
  #hopeful = false;
  /** Ends in a word about silence. */
  #patience: NodeJS.Timeout | undefined;
  readonly #moved = { uploaded: 0, downloaded: 0 };
  readonly #meter = new UploadMeter();

  constructor(
    job: GetJob,
    store: FileStore,
    socket: UdpSocket,
    leftover: { readonly left: Leftover; readonly length: number } | undefined,
  ) {
    this.#job = job;
    this.#store = store;
    this.#leftover = leftover;
    let end: (outcome: Outcome) => void = () => undefined;
    this.outcome = new Promise((resolve) => (end = resolve));
    this.end = (outcome) => end(this.#flushed() ?? outcome);
    this.host = new UdpHost({
      swarm: {
        metadata: job.metadata,
        ...job.policies,
        ...(job.compat === undefined ? {} : { compat: job.compat }),
      },
      socket,
      store,
      news: (news) => this.#news(news),
      failed: (error) => end({ complete: false, reason: `${job.out}: ${systemReason(error)}` }),
    });
  }

  start(socket: UdpSocket): void {
    const swarm = this.host.swarm.key;
    this.host.step({ type: "want", swarm, chunks: { start: 0, end: MAX_CHUNKS - 1 }, deadline: Infinity });
    for (const peer of this.#job.peers) this.host.connect(peer);
    const { trackers, peers, patienceMs = PATIENCE_MS } = this.#job;
    const advice = peers.length > 0 ? "check address and port" : "wait for one to register";
    const silence = `no peer answers yet: ${advice}, or set --timeout S`;
    this.#patience = setTimeout(() => this.#job.warn(silence), patienceMs);
    if (trackers === undefined || trackers.tiers.length === 0) return;
    this.#hopeful = true;
    this.#trackers = new UdpTrackers({
      ...trackers,
      swarm,
      mode: "LEECH",
      socket,
      report: () => this.#report(),
      meet: (peer) => this.host.meet(peer),
      wants: () => this.host.peerCount < FEW_PEERS,
      warn: this.#job.warn,
      refused: () => {
        this.#hopeful = false;
        this.#checkPeers();
      },
    });
  }

  /** Says goodbye to peers and trackers, and frees the port. */
  async close(): Promise<void> {
    clearTimeout(this.#patience);
    await Promise.all([this.#trackers?.leave(), this.host.close()]);
  }

  #news(news: News): void {
    switch (news.type) {
      case "verified":
        this.#moved.downloaded += news.data.length;
        this.#verified(news.chunk, news.data);
        return;
      case "rejected":
        this.#warn(news.link, news.detail);
        this.#checkPeers();
        return;
      case "closed":
        if (news.reason === "refused") this.#warn(news.link, "refuses: it has another swarm or other options");
        this.#checkPeers();
        return;
      case "uploaded":
        this.#moved.uploaded += news.bytes;
        return;
      case "opened":
        clearTimeout(this.#patience);
        return;
      case "peer":
      case "peerhas":
        return;
    }
  }

  #report(): SwarmReport {
    const { uploaded, downloaded } = this.#moved;
    return {
      uploadedBytes: uploaded,
      downloadedBytes: downloaded,
      availBandwidth: this.#meter.measure(uploaded, systemClock.now()),
      held: nearestRanges(this.#held, 0, MAX_RANGES),
    };
  }

  #checkPeers(): void {
    if (!this.host.hasPeers && !this.#hopeful) this.end({ complete: false, reason: "no peer is left" });
  }

  #verified(chunk: number, data: Uint8Array): void {
    const { chunkSize } = this.#job.metadata;
    const { verifier, key: swarm } = this.host.swarm;
    const tree = verifier.tree!;
    const last = tree.chunkCount - 1;
    if (!this.#sized) {
      this.#sized = true;
      this.#job.progress.expect(tree.chunkCount * chunkSize);
      this.host.step({ type: "unwant", swarm, chunks: { start: last + 1, end: MAX_CHUNKS } });
    }
    this.#hold({ start: chunk, end: chunk });
    if (chunk === last) this.#setLength(last * chunkSize + data.length);
    for (const chunks of this.#leftover?.left.adopt(tree, chunk) ?? []) {
      this.#hold(chunks);
      // Of a file that is longer than the content, the last chunk is a full one.
      if (chunks.end === last) this.#setLength(Math.min(this.#leftover!.length, tree.chunkCount * chunkSize));
      this.host.step({ type: "have", swarm, chunks });
    }
    if (this.#held.size === tree.chunkCount && this.#length !== undefined)
      this.end({ complete: true, length: this.#length });
  }

  /** Writes what is on its way to the file, also of an outcome that is not complete; how it ended if that fails. */
  #flushed(): Outcome | undefined {
    try {
      this.#store.flush();
      return undefined;
    } catch (error) {
      return { complete: false, reason: `${this.#job.out}: ${systemReason(error)}` };
    }
  }

  #hold(chunks: ChunkRange): void {
    const before = this.#held.size;
    this.#held.add(chunks);
    this.#job.progress.advance((this.#held.size - before) * this.#job.metadata.chunkSize);
  }

  #setLength(length: number): void {
    this.#length = length;
    this.#store.setLength(length);
  }

  #warn(link: string, line: string): void {
    if (this.#warned.has(link)) return;
    this.#warned.add(link);
    this.#job.warn(`${link}: ${line}`);
  }
}

import { ChunkAddressing, HashCode } from "../../src/core/codec/messages.ts";
import { chunksIn, type Presentation } from "../../src/core/content/presentation.ts";

/** A presentation of files of these lengths. */
export function sample(lengths: readonly number[], chunkSize = 512): Presentation {
  return {
    version: 1,
    swarm: {
      id: Uint8Array.from({ length: 32 }, (_, i) => i * 7),
      chunkSize,
      addressing: ChunkAddressing.chunk32,
      hash: HashCode.sha256,
      chunkCount: lengths.reduce((sum, length) => sum + chunksIn(length, chunkSize), 0),
    },
    hashes: "ppsp.mhash",
    files: lengths.map((length, i) => ({ uri: `v/seg ${i}.m4s`, length, duration: 4, rendition: 0 })),
    renditions: [{ type: "video", uri: "v/index.m3u8", bandwidth: 800_000, name: "360p" }],
    trackers: [["https://tracker.example/"], ["http://127.0.0.1:8080/t"]],
    iceServers: [
      { urls: ["stun:stun.example", "turn:turn.example:3478?transport=udp"], username: "u", credential: "c" },
    ],
    policy: { p2p: true },
  };
}

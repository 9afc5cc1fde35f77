import { describe } from "vitest";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { chunkStoreSuite } from "./suite.ts";

describe("MemoryStore as a ChunkStore", () => chunkStoreSuite(() => new MemoryStore()));

import { inWorkerd } from "./workerd.mts";

/** Swarms that become several objects with their ninth member. */
export default inWorkerd(
  { SHARD_MEMBERS: "8", SHARDS: "4", OPEN: "true" },
  { include: ["shards.test.ts"], testTimeout: 60_000 },
);

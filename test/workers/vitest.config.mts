import { PUBLISHERS } from "../tracker/publishers.ts";
import { inWorkerd } from "./workerd.mts";

/** All tests of this folder but those of grown swarms, which have parameters of their own: shards.config.mts. */
export default inWorkerd(
  {
    PUBLISHERS: PUBLISHERS.join(" "),
    SWARMS:
      "1111 2222 3333 abcdef aa11 aa22 aa33 aa44 aa55 aa66 aa77 aa88 aa99 empty1 empty2 bb11 bb22 bb33 bb44 bb55 bb66 bb77 bb88 bb99 bb91 bb92 cc11 cc12 cc13 cc14 cc15",
  },
  { include: ["**/*.test.ts"], exclude: ["shards.test.ts"] },
);

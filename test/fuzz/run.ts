/** `npm run fuzz [-- --seed S] [--count N]`: mutated datagrams against a live endpoint; exits 1 with seed and octets where it fails. */
import { readArguments, wholeNumber } from "../../bench/arguments.ts";
import { runInNewContext } from "node:vm";
import { setFlagsFromString } from "node:v8";
import { FuzzFailure, Fuzzer } from "./fuzzer.ts";

const MIB = 2 ** 20;
/** Growth of the process's memory, after garbage collection, between the first tenth and the end that counts as noise. */
const NOISE = 8 * MIB;

const { values } = readArguments("fuzz", {
  options: { seed: { type: "string", default: "1" }, count: { type: "string", default: "1000000" } },
});
const seed = wholeNumber("fuzz", "--seed", values.seed);
const count = wholeNumber("fuzz", "--count", values.count, 10);

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
function memory(): number {
  for (let i = 0; i < 3; i++) collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const began = performance.now();
const fuzzer = new Fuzzer(seed);
const tenth = Math.floor(count / 10);
let before = 0;
try {
  for (let part = 1; part <= 10; part++) {
    fuzzer.run(part < 10 ? tenth : count - 9 * tenth);
    if (part === 1) before = memory();
    if (part === 5 || part === 10) fuzzer.serveHonestPeer();
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    console.log(`${fuzzer.count} datagrams, ${seconds} s, kept ${JSON.stringify(fuzzer.kept)}`);
  }
  const growth = memory() - before;
  const refused = [...fuzzer.refused].map(([reason, times]) => `${reason} ${times}`).join(", ");
  console.log(`memory grew by ${(growth / MIB).toFixed(1)} MiB since the first tenth; refused: ${refused}`);
  if (growth > NOISE) throw new FuzzFailure(`memory grew by ${growth} bytes`, new Uint8Array());
  console.log("an honest peer was served in the middle and at the end");
} catch (error) {
  if (!(error instanceof FuzzFailure)) throw error;
  console.error(`FAILED with --seed ${seed} --count ${count}: ${error.message}\ndatagram: ${error.hex}`);
  if (error.cause instanceof Error) console.error(error.cause.stack);
  process.exit(1);
}

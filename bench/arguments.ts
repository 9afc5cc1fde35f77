/** Command lines of what is measured and simulated: a mistake is one line on stderr, and exit code 2. */
import { writeSync } from "node:fs";
import { parseArgs, type ParseArgsConfig } from "node:util";

/** Ends the process for a mistake of whoever typed the command. */
export function refuse(command: string, problem: string): never {
  // At once: a worker's console would come too late.
  writeSync(2, `npm run ${command}: ${problem}\n`);
  process.exit(2);
}

/** What node:util's parseArgs finds on the command line; an unknown option or a missing value is refused. */
export function readArguments<Config extends ParseArgsConfig>(
  command: string,
  config: Config,
): ReturnType<typeof parseArgs<Config>> {
  try {
    return parseArgs(config);
  } catch (error) {
    // What follows is about arguments that begin with a dash, which nobody has here.
    return refuse(command, (error as Error).message.split(/\. |\n/)[0]!);
  }
}

/** A whole number that an option gave, `least` or more. */
export function wholeNumber(command: string, option: string, text: string, least = -Infinity): number {
  const number = text.trim() === "" ? NaN : Number(text);
  if (Number.isSafeInteger(number) && number >= least) return number;
  return refuse(command, `${option} ${text}: wants a whole number${least === -Infinity ? "" : `, ${least} or more`}`);
}

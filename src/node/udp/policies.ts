import { openSlots, reciprocal, type Choker } from "../../core/swarm/choker.ts";
import { deadlineThenRarest, type Picker } from "../../core/swarm/picker.ts";
import { rarestFirst } from "../../core/swarm/rarest-first.ts";
import { oneOf } from "../publish/arguments.ts";
import { CommandError } from "../publish/command-error.ts";

const PICKERS: Readonly<Record<string, Picker>> = { deadline: deadlineThenRarest, rarest: rarestFirst };
const CHOKERS: Readonly<Record<string, (slots?: number) => Choker>> = { open: openSlots, reciprocal };
/** Most peers to serve at a time: as many as a socket hears. */
const MAX_SLOTS = 1_024;

/** The picker that `--picker` names. @throws CommandError */
export function readPicker(name: string): Picker {
  return oneOf("--picker", PICKERS, name);
}

/** The choker of `--choker` and `--slots`. @throws CommandError */
export function readChoker(name: string, slots: string | undefined): Choker {
  const choker = oneOf("--choker", CHOKERS, name);
  if (slots !== undefined && (!/^\d{1,4}$/u.test(slots) || Number(slots) < 1 || Number(slots) > MAX_SLOTS))
    throw new CommandError(`--slots ${slots}: wants 1 to ${MAX_SLOTS}`);
  return choker(slots === undefined ? undefined : Number(slots));
}

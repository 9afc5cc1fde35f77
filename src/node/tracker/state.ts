import { open, rename, rm } from "node:fs/promises";
import type { SwarmTotals } from "../../tracker/manage/summary.ts";
import type { SwarmPolicy } from "../../tracker/manage/policy.ts";
import type { PeerRecord } from "../../tracker/peer.ts";
import type { Member } from "../../tracker/member.ts";
import { CommandError, systemReason } from "../publish/command-error.ts";
import { TrackerState } from "./objects.ts";

/** One line of a state file. */
type Line =
  | { readonly ppspTracker: 1; readonly savedAt: number }
  | { readonly swarm: string; readonly policy?: SwarmPolicy; readonly departed?: SwarmTotals }
  | { readonly swarm: string; readonly member: Member }
  | { readonly peer: PeerRecord }
  | { readonly registry: string; readonly value: unknown };

/** Characters that are written at a time: the tracker answers in between. */
const PART = 256 * 1024;

/**
 * Writes all that a tracker keeps, a JSON text per line. The file is either the old one or the new one, never half of
 * it, and nobody else can read it: it holds tokens and addresses.
 *
 * @throws CommandError when the file cannot be written.
 */
export async function saveState(path: string, state: TrackerState, now: number): Promise<void> {
  try {
    await write(path, state, now);
  } catch (error) {
    throw new CommandError(`the state cannot be kept there: ${systemReason(error)}`, path);
  }
}

async function write(path: string, state: TrackerState, now: number): Promise<void> {
  const draft = `${path}.part`;
  const file = await open(draft, "w", 0o600);
  try {
    let part = "";
    for (const line of linesOf(state, now)) {
      part += `${JSON.stringify(line)}\n`;
      if (part.length < PART) continue;
      await file.write(part);
      part = "";
    }
    await file.write(part);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path).catch(async (error: unknown) => {
    await rm(draft, { force: true });
    throw error;
  });
}

/**
 * Reads what {@link saveState} wrote; an empty state when there is no such file. The time that the tracker was away is
 * not counted as silence of its peers.
 *
 * @throws CommandError when the file cannot be read or is not a tracker's state.
 */
export async function loadState(path: string, now: number): Promise<TrackerState> {
  const state = new TrackerState();
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw new CommandError(systemReason(error), path);
  });
  if (file === undefined) return state;
  try {
    // A folder can be opened, and only its first read fails, where nobody can catch it.
    if (!(await file.stat()).isFile()) throw new CommandError("is no file: --state wants one", path);
    let away: number | undefined;
    for await (const text of file.readLines()) {
      const line = parse(text);
      if (line !== undefined && "ppspTracker" in line) away = Math.max(0, now - line.savedAt);
      if (line === undefined || away === undefined) throw new CommandError(`${path} is not the state of a tracker`);
      restore(state, line, away);
    }
  } finally {
    await file.close();
  }
  return state;
}

/** Maps may change while this runs: an entry is then written as it was or as it is. */
function* linesOf(state: TrackerState, now: number): Iterable<Line> {
  yield { ppspTracker: 1, savedAt: now };
  for (const [swarm, { members, policy, departed }] of state.swarms) {
    yield { swarm, ...(policy !== undefined && { policy }), ...(departed !== undefined && { departed }) };
    for (const member of members.values()) yield { swarm, member };
  }
  for (const peer of state.peers.values()) yield { peer };
  for (const [registry, value] of state.registry) yield { registry, value };
}

function restore(state: TrackerState, line: Line, away: number): void {
  if ("swarm" in line) {
    const swarm = state.swarms.get(line.swarm) ?? { members: new Map<string, Member>() };
    state.swarms.set(line.swarm, swarm);
    if ("member" in line) {
      const { member } = line;
      swarm.members.set(member.peerId, { ...member, seen: member.seen + away });
    } else {
      swarm.policy = line.policy;
      swarm.departed = line.departed;
    }
  } else if ("peer" in line) {
    state.peers.set(line.peer.peerId, { ...line.peer, seen: line.peer.seen + away });
  } else if ("registry" in line) {
    state.registry.set(line.registry, line.value);
  }
}

function parse(text: string): Line | undefined {
  try {
    const line: unknown = JSON.parse(text);
    return typeof line === "object" && line !== null ? (line as Line) : undefined;
  } catch {
    return undefined;
  }
}

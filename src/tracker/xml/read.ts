import { malformed } from "../errors.ts";
import { MAX_ID, MAX_SWARM_ID } from "../limits.ts";
import type { Element } from "./element.ts";

const VISIBLE = /^[\x21-\x7e]+$/u;
const DIGITS = /^[0-9]{1,16}$/u;

/** The only base-protocol child of this name. @throws TrackerError "malformed" when there are several. */
export function child(element: Element, ...names: readonly string[]): Element | undefined {
  const found = children(element, ...names);
  if (found.length > 1) throw malformed(`More than one ${names[0]}`);
  return found[0];
}

/** All base-protocol children that have one of these names. */
export const children = (element: Element, ...names: readonly string[]): Element[] =>
  element.children.filter((candidate) => !candidate.extension && names.includes(candidate.name));

/** Text of the one child of this name. @throws TrackerError "malformed" when it is absent or repeated. */
export function childText(element: Element, name: string): string {
  const found = child(element, name);
  if (found === undefined) throw malformed(`Missing ${name}`);
  return found.text.trim();
}

/** An attribute that must be there. @throws TrackerError "malformed". */
export function attribute(element: Element, name: string): string {
  const value = element.attributes.get(name);
  if (value === undefined) throw malformed(`Missing ${element.name} ${name}`);
  return value.trim();
}

/** `value` if it is one of `allowed`, compared with case. @throws TrackerError "malformed". */
export function oneOf<const T extends string>(value: string, allowed: readonly T[], what: string): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw malformed(`Bad ${what}`);
  return found;
}

/** An identifier: visible ASCII characters, bounded. @throws TrackerError "malformed". */
export function identifier(value: string, what: string, limit: number = MAX_ID): string {
  if (value.length > limit || !VISIBLE.test(value)) throw malformed(`Bad ${what}`);
  return value;
}

/** A SwarmID. @throws TrackerError "malformed". */
export const swarmIdentifier = (value: string): string => identifier(value, "SwarmID", MAX_SWARM_ID);

/** A non-negative integer of at most `limit`. @throws TrackerError "malformed". */
export function integer(value: string, what: string, limit: number = Number.MAX_SAFE_INTEGER): number {
  const number = DIGITS.test(value) ? Number(value) : Number.NaN;
  if (!(number <= limit)) throw malformed(`Bad ${what}`);
  return number;
}

/** Properties without those that are undefined, which exact optional types do not take. */
export function defined<T extends object>(properties: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(properties).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

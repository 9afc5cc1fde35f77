import { malformed } from "../errors.ts";
import { integerValue } from "../values.ts";
import type { Element } from "./element.ts";

const DIGITS = /^[0-9]{1,16}$/u;

/** The only base-protocol child of this name. @throws TrackerError "malformed" when there are several. */
export function child(element: Element, ...names: readonly string[]): Element | undefined {
  return only(children(element, ...names), names[0]);
}

/** All base-protocol children that have one of these names. */
export const children = (element: Element, ...names: readonly string[]): Element[] =>
  element.children.filter(({ extension, name }) => extension === undefined && names.includes(name));

/** The only child of this name in the namespace of an extension. @throws TrackerError "malformed" when there are several. */
export const extensionChild = (element: Element, namespace: string, name: string): Element | undefined =>
  only(extensionChildren(element, namespace, name), name);

/** All children of this name in the namespace of an extension. */
export const extensionChildren = (element: Element, namespace: string, name: string): Element[] =>
  element.children.filter((candidate) => candidate.extension === namespace && candidate.name === name);

function only(found: readonly Element[], name: string | undefined): Element | undefined {
  if (found.length > 1) throw malformed(`More than one ${name}`);
  return found[0];
}

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

/** A non-negative integer of at most `limit` in decimal digits. @throws TrackerError "malformed". */
export function integer(value: string, what: string, limit: number = Number.MAX_SAFE_INTEGER): number {
  return integerValue(DIGITS.test(value) ? Number(value) : Number.NaN, what, limit);
}

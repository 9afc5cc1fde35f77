import { malformed } from "../errors.ts";
import { integerValue } from "../values.ts";
import type { Element } from "./element.ts";

const DIGITS = /^[0-9]{1,16}$/u;

/** The only base-protocol child that has one of these names. @throws TrackerError "malformed" when there are several. */
export const child = (element: Element, name: string, otherName = name): Element | undefined =>
  only(element, undefined, name, otherName);

/** All base-protocol children of this name. */
export const children = (element: Element, name: string): Element[] =>
  element.children.filter((candidate) => candidate.extension === undefined && candidate.name === name);

/** The only child of this name in the namespace of an extension. @throws TrackerError "malformed" when there are several. */
export const extensionChild = (element: Element, namespace: string, name: string): Element | undefined =>
  only(element, namespace, name, name);

/** All children of this name in the namespace of an extension. */
export const extensionChildren = (element: Element, namespace: string, name: string): Element[] =>
  element.children.filter((candidate) => candidate.extension === namespace && candidate.name === name);

function only(element: Element, extension: string | undefined, name: string, otherName: string): Element | undefined {
  let found: Element | undefined;
  for (const candidate of element.children) {
    if (candidate.extension !== extension || (candidate.name !== name && candidate.name !== otherName)) continue;
    if (found !== undefined) throw malformed(`More than one ${name}`);
    found = candidate;
  }
  return found;
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

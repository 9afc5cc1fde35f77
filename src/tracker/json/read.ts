import { malformed } from "../errors.ts";
import { MAX_JSON_DEPTH } from "../limits.ts";

/** A JSON object of which nothing is known yet. */
export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Parses a message body into an object that inherits nothing.
 *
 * @throws TrackerError "malformed" for what is no JSON object, or nested too deeply.
 */
export function parseObject(text: string): JsonObject {
  checkDepth(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed("JSON: syntax error");
  }
  return object(value, "JSON");
}

/** An object. @throws TrackerError "malformed". */
export function object(value: unknown, what: string): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw malformed(`Bad ${what}`);
  return value as JsonObject;
}

/** A member of an object, never one that it inherits; undefined and null are absent. */
export function member(of: JsonObject, name: string): unknown {
  return Object.hasOwn(of, name) ? (of[name] ?? undefined) : undefined;
}

/** A member that must be there. @throws TrackerError "malformed". */
export function required(of: JsonObject, name: string): unknown {
  const value = member(of, name);
  if (value === undefined) throw malformed(`Missing ${name}`);
  return value;
}

/** A member read by `read`, or undefined when it is absent. */
export function optional<T>(of: JsonObject, name: string, read: (value: unknown, name: string) => T): T | undefined {
  const value = member(of, name);
  return value === undefined ? undefined : read(value, name);
}

/** Objects of an array of at most `limit`; none when it is absent. @throws TrackerError "malformed". */
export function objects(of: JsonObject, name: string, limit: number): JsonObject[] {
  return array(member(of, name) ?? [], name, limit).map((value) => object(value, name));
}

/** An array of at most `limit`. @throws TrackerError "malformed". */
export function array(value: unknown, what: string, limit: number): readonly unknown[] {
  if (!Array.isArray(value)) throw malformed(`Bad ${what}`);
  if (value.length > limit) throw malformed(`Too many ${what}`);
  return value;
}

/** Refuses deep nesting before anything is built. @throws TrackerError "malformed". */
export function checkDepth(text: string, limit: number = MAX_JSON_DEPTH): void {
  if (opened(text, "{", limit) + opened(text, "[", limit) <= limit) return;
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (quoted) {
      if (character === "\\") at += 1;
      else if (character === '"') quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === "{" || character === "[") {
      depth += 1;
      if (depth > limit) throw malformed("JSON: nested too deeply");
    } else if (character === "}" || character === "]") depth -= 1;
  }
}

/** How many of these brackets there are, in strings too; no more are counted than are needed to be too many. */
function opened(text: string, bracket: "{" | "[", limit: number): number {
  let count = 0;
  for (let at = text.indexOf(bracket); at >= 0 && count <= limit; at = text.indexOf(bracket, at + 1)) count += 1;
  return count;
}

import { ContentError } from "./error.ts";

/** A value inside a JSON document from outside, with its place, so that every complaint can name it. */
export class Field {
  readonly value: unknown;
  readonly path: string;

  constructor(value: unknown, path = "") {
    this.value = value;
    this.path = path;
  }

  /** Throws the ContentError for this place. */
  fail(problem: string): never {
    throw new ContentError("bad-field", this.path, problem);
  }

  /** A member of this object; its value is undefined where the object has none. */
  get(name: string): Field {
    if (typeof this.value !== "object" || this.value === null || Array.isArray(this.value)) this.fail("not an object");
    const value: unknown = Object.hasOwn(this.value, name) ? (this.value as Record<string, unknown>)[name] : undefined;
    return new Field(value, this.path === "" ? name : `${this.path}.${name}`);
  }

  /** What `read` makes of this value, or undefined where there is none. */
  optional<T>(read: (field: Field) => T): T | undefined {
    return this.value === undefined ? undefined : read(this);
  }

  /** What `read` makes of each element; at most `limit`, checked before any is read. */
  list<T>(limit: number, read: (field: Field) => T): T[] {
    const elements: unknown = this.value;
    if (!Array.isArray(elements)) this.fail("not an array");
    if (elements.length > limit) this.fail(`${elements.length} elements, more than ${limit}`);
    return elements.map((element: unknown, i) => read(new Field(element, `${this.path}[${i}]`)));
  }

  integer(min: number, max: number): number {
    const { value } = this;
    if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
      this.fail(`not an integer from ${min} to ${max}`);
    }
    return value;
  }

  number(min: number, max: number): number {
    const { value } = this;
    if (typeof value !== "number" || !(value >= min && value <= max)) this.fail(`not a number from ${min} to ${max}`);
    return value;
  }

  boolean(): boolean {
    return typeof this.value === "boolean" ? this.value : this.fail("not true or false");
  }

  /** 1 to `limit` characters. */
  string(limit: number): string {
    const { value } = this;
    if (typeof value !== "string" || value === "" || value.length > limit)
      this.fail(`not a string of 1 to ${limit} characters`);
    return value;
  }

  oneOf<T extends string>(values: readonly T[]): T {
    return values.find((value) => value === this.value) ?? this.fail(`not one of ${values.join(", ")}`);
  }

  /** As many bytes, in hexadecimal. */
  hex(bytes: number): Uint8Array {
    const { value } = this;
    if (typeof value !== "string" || value.length !== 2 * bytes || !/^[0-9a-f]*$/i.test(value)) {
      this.fail(`not ${2 * bytes} hexadecimal digits`);
    }
    return Uint8Array.from({ length: bytes }, (_, i) => parseInt(value.slice(2 * i, 2 * i + 2), 16));
  }
}

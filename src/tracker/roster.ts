/** Values by distinct keys, of which a random sample costs the same at any size. */
export class SampleSet<Value extends object> {
  readonly #keys: string[] = [];
  /** Beside the keys, because looking members up by name costs more than anything else in a list of a large swarm. */
  readonly #values: Value[] = [];
  readonly #places = new Map<string, number>();
  readonly #random: () => number;

  /** @param random - numbers in [0, 1) */
  constructor(random: () => number) {
    this.#random = random;
  }

  get size(): number {
    return this.#keys.length;
  }

  has(key: string): boolean {
    return this.#places.has(key);
  }

  /** Adds a value, or puts it in the place of the one with this key. */
  set(key: string, value: Value): void {
    const place = this.#places.get(key) ?? this.#keys.push(key) - 1;
    this.#places.set(key, place);
    this.#values[place] = value;
  }

  delete(key: string): void {
    const place = this.#places.get(key);
    const lastKey = this.#keys.at(-1);
    const last = this.#values.at(-1);
    if (place === undefined || lastKey === undefined || last === undefined) return;
    this.#keys.pop();
    this.#values.pop();
    this.#places.delete(key);
    if (lastKey === key) return;
    this.#keys[place] = lastKey;
    this.#values[place] = last;
    this.#places.set(lastKey, place);
  }

  /** At most `count` values, each equally likely, never that of `except`. */
  sample(count: number, except: string): Value[] {
    const { length } = this.#values;
    const excepted = this.#places.get(except);
    const picked: Value[] = [];
    // Fisher and Yates on a list of places that is only imagined, but for those that were moved.
    const moved = new Map<number, number>();
    for (let place = 0; place < length && picked.length < count; place += 1) {
      const drawn = place + Math.floor(this.#random() * (length - place));
      const index = moved.get(drawn) ?? drawn;
      moved.set(drawn, moved.get(place) ?? place);
      const value = this.#values[index];
      if (value !== undefined && index !== excepted) picked.push(value);
    }
    return picked;
  }
}

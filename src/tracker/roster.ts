/** Values by distinct keys, of which a random sample costs the same at any size. */
export class SampleSet<Value extends object> {
  readonly #keys: string[] = [];
  /** Beside the keys, because looking members up by name costs more than anything else in a list of a large swarm. */
  readonly #values: Value[] = [];
  readonly #places = new Map<string, number>();
  /** All places in order; a sample shuffles them and puts back what it has moved. */
  readonly #order: number[] = [];
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
    const place = this.#places.get(key);
    if (place !== undefined) {
      this.#values[place] = value;
      return;
    }
    this.#places.set(key, this.#keys.length);
    this.#order.push(this.#keys.length);
    this.#keys.push(key);
    this.#values.push(value);
  }

  delete(key: string): void {
    const place = this.#places.get(key);
    const lastKey = this.#keys.at(-1);
    const last = this.#values.at(-1);
    if (place === undefined || lastKey === undefined || last === undefined) return;
    this.#keys.pop();
    this.#values.pop();
    this.#order.pop();
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
    const order = this.#order;
    const picked: Value[] = [];
    const moved: number[] = [];
    // Fisher and Yates; who was drawn is not looked at again.
    for (let place = 0; place < length && picked.length < count; place += 1) {
      const drawn = place + Math.floor(this.#random() * (length - place));
      const index = order[drawn]!;
      order[drawn] = order[place]!;
      moved.push(drawn);
      if (index !== excepted) picked.push(this.#values[index]!);
    }
    for (const place of moved) order[place] = place;
    return picked;
  }
}

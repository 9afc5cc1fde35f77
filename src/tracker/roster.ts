/** Distinct keys of which a random sample costs the same at any size. */
export class SampleSet {
  readonly #keys: string[] = [];
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

  add(key: string): void {
    if (this.#places.has(key)) return;
    this.#places.set(key, this.#keys.length);
    this.#keys.push(key);
  }

  delete(key: string): void {
    const place = this.#places.get(key);
    if (place === undefined) return;
    this.#swap(place, this.#keys.length - 1);
    this.#keys.pop();
    this.#places.delete(key);
  }

  /** At most `count` keys, each equally likely, never `except`. */
  sample(count: number, except: string): string[] {
    const picked: string[] = [];
    // Fisher and Yates, in place: the order of the keys means nothing, so it need not be restored.
    for (let place = 0; place < this.#keys.length && picked.length < count; place += 1) {
      this.#swap(place, place + Math.floor(this.#random() * (this.#keys.length - place)));
      const key = this.#keys[place];
      if (key !== undefined && key !== except) picked.push(key);
    }
    return picked;
  }

  #swap(left: number, right: number): void {
    const a = this.#keys[left];
    const b = this.#keys[right];
    if (a === undefined || b === undefined) throw new RangeError("place outside of the set");
    this.#keys[left] = b;
    this.#keys[right] = a;
    this.#places.set(b, left).set(a, right);
  }
}

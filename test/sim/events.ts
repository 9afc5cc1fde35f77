/** Something that is to happen. */
export interface Timed {
  /** Virtual time, ms. */
  readonly at: number;
  /** Events of one time happen in the order in which they were added. */
  order: number;
}

/** Events of so many ms are in the heap together. */
const SLOT_MS = 1;

/**
 * What is to happen, earliest first: a binary heap for the present slot of time, and what comes later in a list for each slot, so
 * that thousands of peers do not make each event dearer.
 */
export class Events<Event extends Timed> {
  readonly #heap: Event[] = [];
  readonly #later = new Map<number, Event[]>();
  #slot = 0;
  #added = 0;

  /** How many events there have been. */
  get added(): number {
    return this.#added;
  }

  add(event: Event): void {
    event.order = this.#added++;
    const slot = Math.floor(event.at / SLOT_MS);
    if (slot > this.#slot) {
      const list = this.#later.get(slot);
      if (list === undefined) this.#later.set(slot, [event]);
      else list.push(event);
    } else {
      this.#rise(event);
    }
  }

  #rise(event: Event): void {
    const heap = this.#heap;
    let i = heap.push(event) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (compare(event, heap[parent]!) > 0) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = event;
  }

  /** Takes out the earliest. */
  next(): Event | undefined {
    if (this.#heap.length === 0 && this.#later.size > 0) this.#advance();
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || top === last) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && compare(heap[child + 1]!, heap[child]!) < 0) child++;
      if (compare(heap[child]!, last) > 0) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
    return top;
  }

  /** To the next slot with events. */
  #advance(): void {
    this.#slot = this.#later.has(this.#slot + 1) ? this.#slot + 1 : Math.min(...this.#later.keys());
    for (const event of this.#later.get(this.#slot)!) this.#rise(event);
    this.#later.delete(this.#slot);
  }
}

const compare = (a: Timed, b: Timed): number => a.at - b.at || a.order - b.order;

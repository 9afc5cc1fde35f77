/** Something that is to happen. */
export interface Timed {
  /** Virtual time, ms. */
  readonly at: number;
  /** Events of one time happen in the order in which they were added. */
  order: number;
}

/** What is to happen, earliest first: a binary heap. */
export class Events<Event extends Timed> {
  readonly #heap: Event[] = [];
  #added = 0;

  /** How many events there have been. */
  get added(): number {
    return this.#added;
  }

  add(event: Event): void {
    event.order = this.#added++;
    const heap = this.#heap;
    let i = heap.push(event) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(event, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = event;
  }

  /** Takes out the earliest. */
  next(): Event | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || top === last) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
    return top;
  }
}

const before = (a: Timed, b: Timed): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

/**
 * In place of `readable-stream`: as much of a Duplex as simple-peer needs to emit events. A link sends on the channel
 * itself and takes each message from a `data` event, so there is nothing to buffer, pipe or flush.
 */
class Duplex {
  #listeners = new Map();
  /** simple-peer's `_destroy` asks whether the two halves have ended; here there is nothing to end. */
  _readableState = { ended: true };
  _writableState = { finished: true };

  on(name, listener) {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
    return this;
  }

  once(name, listener) {
    const first = (...details) => {
      this.removeListener(name, first);
      listener(...details);
    };
    return this.on(name, first);
  }

  removeListener(name, listener) {
    this.#listeners.set(
      name,
      (this.#listeners.get(name) ?? []).filter((one) => one !== listener),
    );
    return this;
  }

  emit(name, ...details) {
    for (const listener of this.#listeners.get(name) ?? []) listener(...details);
  }

  push(message) {
    this.emit("data", message);
  }
}

module.exports = { Duplex };

/** In place of `err-code`: nobody reads the codes of simple-peer's errors. */
module.exports = (error) => error;

/** In place of `buffer`: a message is the plain bytes over what the browser gave, not a copy. */
module.exports = { Buffer: { from: (message) => new Uint8Array(message) } };

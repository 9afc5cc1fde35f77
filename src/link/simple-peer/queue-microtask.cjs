/** In place of `queue-microtask`: every browser with WebRTC has it. */
module.exports = queueMicrotask;

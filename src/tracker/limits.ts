/** Bounds on everything that a peer can make the tracker read, keep or send. */

/** Bytes of a request body, decompressed: a CONNECT with 32 swarms and 16 addresses needs about 8 KiB. */
export const MAX_BODY = 64 * 1024;
/** Milliseconds that a peer may take to send its request body. */
export const BODY_TIMEOUT = 10_000;
/**
 * Characters from which on a response is worth compressing, which costs half of what all else costs that is done for a
 * request: below, it would save one packet of two that arrive together.
 */
export const MIN_GZIP = 2048;
/** Characters of a Request-URI; ours are short, and signalling names a swarm and a peer in it. */
export const MAX_URI = 2048;
/** Nesting of XML elements: the deepest of the schema is 4, extensions may go a little further. */
export const MAX_DEPTH = 8;
/** XML elements in a request. */
export const MAX_ELEMENTS = 1024;
/** XML elements in a response: three for each peer of full lists of all swarms. */
export const MAX_ANSWER_ELEMENTS = 6144;
/** Nesting of JSON: the addresses of the peers of a list are 11 deep. */
export const MAX_JSON_DEPTH = 16;
/** Characters of a Peer-ID or TransactionID. */
export const MAX_ID = 128;
/** Characters of a SwarmID: a live swarm's is a public key in hex, at most RSA with 4096 bits. */
export const MAX_SWARM_ID = 1100;
/** Swarms in one request, and swarms that one Peer-ID may be in. */
export const MAX_SWARMS = 32;
/** Addresses that a peer may state. */
export const MAX_ADDRESSES = 16;
/** Ranges of one content map: a few seeks' worth; who has more reports those ahead first. */
export const MAX_RANGES = 64;
/** STUN and TURN servers in one answer. */
export const MAX_ICE_SERVERS = 8;
/** Characters of a URL, user name or credential of an ICE server. */
export const MAX_ICE_TEXT = 512;
/** Peers in one answer, whatever PeerNum asks for. */
export const MAX_PEERS = 50;
/** Peers in the answer to a leecher that sends no PeerNum. */
export const DEFAULT_PEERS = 20;
/** Members of one swarm object: about 1 KiB each, and an object has 128 MiB. */
export const MAX_MEMBERS = 50_000;
/** Characters of one signalling message: an SDP offer with its candidates is 2 to 6 KiB. */
export const MAX_SIGNAL = 16 * 1024;
/** Signals that one socket may send at once: offers and candidates for a whole peer list. */
export const SIGNAL_BURST = 300;
/** Signals per second that one socket may send in the long run. */
export const SIGNAL_RATE = 20;
/** Milliseconds that a CONNECT may take from registration to TRACKING: a tracker that needs longer has failed half-way. */
export const INIT_TIMER = 10_000;
/** Milliseconds for which an answer that ended a registration is kept for those who repeat the request. */
export const RETRY_WINDOW = 60_000;
/** Such answers that one object keeps. */
export const MAX_RETRIES = 256;
/** Seconds of silence after which a peer is forgotten: two reports may get lost, and hidden tabs run timers once a minute. */
export const DEFAULT_TRACK_TIMER = 120;

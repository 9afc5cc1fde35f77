/**
 * Bounds on everything that a peer can make the tracker read, keep or send. The first part is the protocol's: peers and
 * trackers of different people must agree on it, so it cannot be set. The second part is what an operator may choose
 * (parameter-list.ts); here is what holds otherwise.
 */

/** Characters of a Request-URI; ours are short, and signalling names a swarm and a peer in it. */
export const MAX_URI = 2048;
/** Nesting of XML elements: the deepest of the schema is 4, extensions may go a little further. */
export const MAX_DEPTH = 8;
/** XML elements in a request. */
export const MAX_ELEMENTS = 1024;
/** XML elements in a response: five for each peer of full lists of all swarms. */
export const MAX_ANSWER_ELEMENTS = 8192;
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
/** Of these, how many beside the one that its requests come from are checked and listed: another port, the other family. */
export const MAX_FURTHER = 2;
/** Checks of such addresses at a time: each has a timer for two seconds. */
export const MAX_CHECKS = 1024;
/** How often an address is asked that does not answer: one datagram may get lost. */
export const CHECK_TRIES = 2;
/** Datagrams without the nonce after which a check has failed: nobody guesses 32 bits in eight attempts. */
export const MAX_CHECK_GUESSES = 8;
/** Ranges of one content map: a few seeks' worth; who has more reports those ahead first. */
export const MAX_RANGES = 64;
/** STUN and TURN servers in one answer. */
export const MAX_ICE_SERVERS = 8;
/** Characters of a URL, user name or credential of an ICE server. */
export const MAX_ICE_TEXT = 512;
/** Peers in one list, whatever PeerNum asks for: a client takes no longer one. */
export const MAX_PEERS = 50;
/** Characters of one signalling message: an SDP offer with its candidates is 2 to 6 KiB, and who sends must know. */
export const MAX_SIGNAL = 16 * 1024;

/** Bytes of a request body, decompressed: a CONNECT with 32 swarms and 16 addresses needs about 8 KiB. */
export const MAX_BODY = 64 * 1024;
/** Milliseconds that a peer may take to send its request body. */
export const BODY_TIMEOUT = 10_000;
/**
 * Characters from which on a response is worth compressing, which costs half of what all else costs that is done for a
 * request: below, it would save one packet of two that arrive together.
 */
export const MIN_GZIP = 2048;
/** Peers in the answer to a leecher that sends no PeerNum. */
export const DEFAULT_PEERS = 20;
/** Members of one swarm object: about 1 KiB each, and a Durable Object has 128 MiB (a hot swarm is several objects). */
export const MAX_MEMBERS = 50_000;
/** Signals that one member may send at once: offers and candidates for a whole peer list. */
export const SIGNAL_BURST = 300;
/** Signals per second that one member may send in the long run. */
export const SIGNAL_RATE = 20;
/** Longest time that a poll is held open, s: proxies end requests that are silent for 30 s. */
export const MAX_POLL_WAIT = 25;
/** Characters that wait in all mailboxes of a swarm: an object has 128 MiB. */
export const MAX_MAILBOXES = 16 * 1024 * 1024;
/** Milliseconds that a CONNECT may take from registration to TRACKING: a tracker that needs longer has failed half-way. */
export const INIT_TIMER = 10_000;
/** Milliseconds for which an answer that ended a registration is kept for those who repeat the request. */
export const RETRY_WINDOW = 60_000;
/** Such answers that one object keeps. */
export const MAX_RETRIES = 256;
/** Bans that one swarm keeps; the oldest goes first. */
export const MAX_BANS = 1000;
/** Seconds of silence after which a peer is forgotten: two reports may get lost, and hidden tabs run timers once a minute. */
export const DEFAULT_TRACK_TIMER = 120;
/** Clocks of who signs tokens and grants, and of the tracker may differ by this, seconds. */
export const CLOCK_TOLERANCE = 30;
/** Tokens, and grants, whose check is remembered: signatures cost more than all else about a request. */
export const MAX_KNOWN = 10_000;

/** What an operator has set of these. */
export interface Limits {
  /** Bytes of a request body. */
  readonly body: number;
  /** Characters from which on a response is compressed. */
  readonly gzipFrom: number;
  /** Members of one swarm. */
  readonly members: number;
  /** Peers in one list, at most and where the asker does not say. */
  readonly peers: number;
  readonly defaultPeers: number;
  /** Swarms that one Peer-ID may be in. */
  readonly swarms: number;
  readonly initTimerMs: number;
  readonly retryWindowMs: number;
  readonly retries: number;
  readonly bans: number;
  readonly signalBurst: number;
  /** Per second. */
  readonly signalRate: number;
  /** Seconds. */
  readonly pollWait: number;
  /** Characters. */
  readonly mailboxes: number;
}

/** What holds where nothing is set. */
export const DEFAULT_LIMITS: Limits = {
  body: MAX_BODY,
  gzipFrom: MIN_GZIP,
  members: MAX_MEMBERS,
  peers: MAX_PEERS,
  defaultPeers: DEFAULT_PEERS,
  swarms: MAX_SWARMS,
  initTimerMs: INIT_TIMER,
  retryWindowMs: RETRY_WINDOW,
  retries: MAX_RETRIES,
  bans: MAX_BANS,
  signalBurst: SIGNAL_BURST,
  signalRate: SIGNAL_RATE,
  pollWait: MAX_POLL_WAIT,
  mailboxes: MAX_MAILBOXES,
};

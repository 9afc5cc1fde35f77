/** Private keys of publishers, made for these tests: Ed25519 and ECDSA P-256. */
export const KEYS = [
  {
    kty: "OKP",
    crv: "Ed25519",
    d: "oVX3At5H3CZtOHumQOA2lLTvOfb5Aof7uveIAx4izfo",
    x: "6GEJCw5rMjvzVki1GeYzX_v1D_bwAPC-XjwO_cEGbl4",
  },
  {
    kty: "EC",
    crv: "P-256",
    x: "3rAtjYVJK3ZqEoHaFvfv7bScvEojYIm0nufpErwEndU",
    y: "_8ntbVHh-DM9a4R_v-c59O6hKa8o_KnplUaIRU1TpnQ",
    d: "3ecZVrDd5rwwD93Cl2sPlB3qPYODAAuz5hKnWiWcTC0",
  },
] as const;

/** Their public keys as the trackers of these tests list them. */
export const PUBLISHERS = [
  "0fe861090b0e6b323bf35648b519e6335ffbf50ff6f000f0be5e3c0efdc1066e5e",
  "0ddeb02d8d85492b766a1281da16f7efedb49cbc4a236089b49ee7e912bc049dd5ffc9ed6d51e1f8333d6b847fbfe739f4eea129af28fca9e9954688454d53a674",
] as const;

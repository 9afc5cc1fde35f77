/**
 * The sample's sound: a slow pad over four chords with a few bells in the pentatonic scale and a soft echo. Deterministic, so that
 * the same script makes the same film.
 */

const rate = 48_000;

/** MIDI note numbers: bass, then the chord. One chord every four seconds, like the segments. */
const chords = [
  [38, 57, 62, 66, 69],
  [43, 59, 62, 67, 71],
  [35, 57, 62, 66, 71],
  [45, 57, 61, 64, 69],
];
const bells = [74, 76, 78, 81, 83, 86, 88];

const hertz = (note) => 440 * 2 ** ((note - 69) / 12);

/** A small linear congruential generator, for the bells' places. */
function sequence(seed) {
  let state = seed;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 4294967296;
}

/** Stereo samples, interleaved, 16 bit little endian, 48 kHz. */
export function music(seconds) {
  const length = Math.round(seconds * rate);
  const left = new Float32Array(length);
  const right = new Float32Array(length);
  const next = sequence(7);

  /** Adds one tone with a rise, a fall and a place between left and right. */
  function tone({ at, lasts, frequency, level, place, rise, decay, partials }) {
    const start = Math.round(at * rate);
    const end = Math.min(length, start + Math.round(lasts * rate));
    const gainLeft = level * Math.cos((place * Math.PI) / 2);
    const gainRight = level * Math.sin((place * Math.PI) / 2);
    for (let i = Math.max(0, start); i < end; i++) {
      const t = (i - start) / rate;
      const fade = Math.min(1, t / rise, (lasts - t) / rise);
      const shape = fade * fade * (3 - 2 * fade) * (decay === 0 ? 1 : Math.exp(-t * decay));
      let sample = 0;
      for (const [ratio, share] of partials) sample += share * Math.sin(2 * Math.PI * frequency * ratio * t);
      left[i] += gainLeft * shape * sample;
      right[i] += gainRight * shape * sample;
    }
  }

  const pad = [
    [1, 0.7],
    [1.003, 0.5],
    [2, 0.16],
    [3, 0.05],
  ];
  const bell = [
    [1, 1],
    [2.01, 0.3],
    [3.98, 0.12],
  ];
  for (let at = -1; at < seconds; at += 4) {
    const chord = chords[Math.round((at + 1) / 4) % chords.length];
    chord.forEach((note, i) =>
      tone({
        at,
        lasts: 6,
        frequency: hertz(note),
        level: i === 0 ? 0.13 : 0.052,
        place: 0.2 + 0.15 * i,
        rise: 2,
        decay: 0,
        partials: pad,
      }),
    );
  }
  for (let at = 1; at < seconds - 4; at += 0.5) {
    if (next() < 0.58) continue;
    const frequency = hertz(bells[Math.floor(next() * bells.length)]);
    const level = 0.03 + 0.035 * next();
    const place = 0.2 + 0.6 * next();
    for (let echo = 0; echo < 4; echo++) {
      tone({
        at: at + echo * 0.75,
        lasts: 2.4,
        frequency,
        level: level * 0.5 ** echo,
        place: echo % 2 === 0 ? place : 1 - place,
        rise: 0.006,
        decay: 2.6,
        partials: bell,
      });
    }
  }

  const out = Buffer.alloc(length * 4);
  for (let i = 0; i < length; i++) {
    const t = i / rate;
    const edge = Math.min(1, t / 1.5, (seconds - t) / 3);
    out.writeInt16LE(Math.round(32_000 * Math.tanh(1.6 * edge * left[i])), i * 4);
    out.writeInt16LE(Math.round(32_000 * Math.tanh(1.6 * edge * right[i])), i * 4 + 2);
  }
  return out;
}

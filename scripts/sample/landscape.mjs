/**
 * The sample's picture: one day over a mountain lake, drawn frame by frame as RGB. Wholly our own, deterministic, and made of
 * slow movement and clear edges, so that it is small on disk and yet shows at a glance which rendition plays.
 */

/** Palettes over one day; `at` is the share of the film, colours are linear mixes between neighbours. */
const day = [
  {
    at: 0.0,
    top: "#2b3a67",
    mid: "#b5718a",
    low: "#ffc08a",
    haze: "#f2b39a",
    far: "#8a7a9a",
    near: "#1c2238",
    sun: "#fff0c8",
    glow: 0.9,
    stars: 0.12,
  },
  {
    at: 0.14,
    top: "#4f86b8",
    mid: "#a9c9d6",
    low: "#ffe3b8",
    haze: "#e9d9c4",
    far: "#8fa6b8",
    near: "#22384a",
    sun: "#fff8e2",
    glow: 0.8,
    stars: 0,
  },
  {
    at: 0.34,
    top: "#3f8fc4",
    mid: "#9fd0dd",
    low: "#e8f3e6",
    haze: "#d3e6e2",
    far: "#8fb5c4",
    near: "#1f4650",
    sun: "#fffdf2",
    glow: 0.55,
    stars: 0,
  },
  {
    at: 0.5,
    top: "#4b6fa5",
    mid: "#e0b78f",
    low: "#ffd27a",
    haze: "#f4c98c",
    far: "#a78f8c",
    near: "#3a2f40",
    sun: "#ffe9a8",
    glow: 1,
    stars: 0,
  },
  {
    at: 0.6,
    top: "#33336b",
    mid: "#c25b7c",
    low: "#ff8e5a",
    haze: "#e8806d",
    far: "#7d5578",
    near: "#221a33",
    sun: "#ffbe7a",
    glow: 1,
    stars: 0.1,
  },
  {
    at: 0.72,
    top: "#0d1230",
    mid: "#27305f",
    low: "#5b4a7c",
    haze: "#4a4672",
    far: "#343a66",
    near: "#0b0f22",
    sun: "#ff9c6a",
    glow: 0.4,
    stars: 0.8,
  },
  {
    at: 0.86,
    top: "#080d26",
    mid: "#162450",
    low: "#2f4a7a",
    haze: "#2c4470",
    far: "#22355f",
    near: "#070b1a",
    sun: "#ff9c6a",
    glow: 0.2,
    stars: 1,
  },
  {
    at: 0.94,
    top: "#141c42",
    mid: "#4a4577",
    low: "#a86f86",
    haze: "#86668a",
    far: "#4a4a78",
    near: "#0f1428",
    sun: "#ffd9a0",
    glow: 0.6,
    stars: 0.6,
  },
  {
    at: 1.0,
    top: "#2b3a67",
    mid: "#b5718a",
    low: "#ffc08a",
    haze: "#f2b39a",
    far: "#8a7a9a",
    near: "#1c2238",
    sun: "#fff0c8",
    glow: 0.9,
    stars: 0.12,
  },
];

/** Far to near: where the ridge stands (share of the height), how high it swings, how fast it drifts (pixels per second at 1280). */
const ridges = [
  { base: 0.525, swing: 0.23, scale: 300, drift: 2, sharp: true },
  { base: 0.575, swing: 0.17, scale: 210, drift: 4, sharp: true },
  { base: 0.615, swing: 0.09, scale: 240, drift: 7, sharp: false },
  { base: 0.66, swing: 0.07, scale: 190, drift: 11, sharp: false, trees: 15 },
  { base: 0.705, swing: 0.055, scale: 260, drift: 16, sharp: false, trees: 34 },
];
const shore = 0.735;

const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
const mix = (a, b, f) => a + (b - a) * f;
const mix3 = (a, b, f) => [mix(a[0], b[0], f), mix(a[1], b[1], f), mix(a[2], b[2], f)];
const smooth = (f) => f * f * (3 - 2 * f);
const clamp = (v) => (v < 0 ? 0 : v > 1 ? 1 : v);

/** A fixed pseudo-random number in [0, 1) for a pair of integers. */
function hash(x, seed) {
  let h = Math.imul(x | 0, 374761393) ^ Math.imul(seed + 1, 668265263);
  h = Math.imul(h ^ (h >>> 13), 1274126177);
  return ((h ^ (h >>> 16)) >>> 0) / 4294967296;
}

function noise(x, seed) {
  const i = Math.floor(x);
  return mix(hash(i, seed), hash(i + 1, seed), smooth(x - i));
}

/** Ridge height at a place, 0 to 1: rolling, or folded into peaks. */
function ridgeAt(x, seed, sharp) {
  let sum = 0;
  let weight = 0.5;
  let place = x;
  for (let octave = 0; octave < 5; octave++) {
    const n = noise(place, seed + octave * 17);
    sum += weight * (sharp ? 1 - Math.abs(2 * n - 1) : n);
    place *= 2.07;
    weight *= sharp ? 0.44 : 0.38;
  }
  return sum / (sharp ? 0.89 : 0.8);
}

/** How far a wood of pines rises above its hill at a place, in pixels. */
function treesAt(x, size, seed) {
  const pitch = size * 0.34;
  const cell = Math.floor(x / pitch);
  let rise = 0;
  for (let i = cell - 1; i <= cell + 1; i++) {
    if (hash(i, seed) < 0.24 + 0.5 * noise(i / 9, seed + 5)) continue;
    const height = size * (0.45 + 0.75 * hash(i, seed + 1));
    const middle = (i + 0.5 + 0.6 * (hash(i, seed + 2) - 0.5)) * pitch;
    const off = Math.abs(x - middle) / (height * 0.24);
    if (off >= 1) continue;
    const boughs = 0.12 * ((off * 4) % 1);
    rise = Math.max(rise, height * clamp(1 - off + boughs - 0.06));
  }
  return rise;
}

function paletteAt(share) {
  const next = day.findIndex((key, i) => i > 0 && key.at >= share);
  const a = day[next - 1];
  const b = day[next];
  const f = smooth((share - a.at) / (b.at - a.at));
  const colour = (name) => mix3(rgb(a[name]), rgb(b[name]), f);
  return {
    top: colour("top"),
    mid: colour("mid"),
    low: colour("low"),
    haze: colour("haze"),
    far: colour("far"),
    near: colour("near"),
    sun: colour("sun"),
    glow: mix(a.glow, b.glow, f),
    stars: mix(a.stars, b.stars, f),
  };
}

/** A painter of frames: `paint(share, seconds)` answers width × height × 3 bytes, the same buffer each time. */
export function landscape(width, height) {
  const unit = width / 1280;
  const frame = new Uint8ClampedArray(width * height * 3);
  const tops = ridges.map(() => new Float64Array(width));
  const lake = Math.round(height * shore);
  const stars = Array.from({ length: 240 }, (_, i) => ({
    x: Math.floor(hash(i, 901) * width),
    y: Math.floor(hash(i, 902) ** 1.4 * height * 0.55),
    light: 0.25 + 0.75 * hash(i, 903) ** 3,
    beat: 0.5 + hash(i, 904),
  }));

  function put(x, y, colour, share) {
    const at = (y * width + x) * 3;
    for (let c = 0; c < 3; c++) frame[at + c] = mix(frame[at + c], colour[c], share);
  }

  function paintSky(p, seconds, disc) {
    const radius = 30 * unit;
    for (let y = 0; y < lake; y++) {
      const f = y / (height * 0.66);
      const base = f < 0.5 ? mix3(p.top, p.mid, smooth(f * 2)) : mix3(p.mid, p.low, smooth(clamp(f * 2 - 1)));
      const dy = (y - disc.y) * (y - disc.y);
      for (let x = 0; x < width; x++) {
        const dx = x - disc.x;
        const d = Math.sqrt(dx * dx + dy) / unit;
        const halo = p.glow * disc.light * (0.62 * Math.exp(-d / 85) + 0.34 * Math.exp(-d / 330));
        const body = disc.light * clamp(radius + 0.5 - d * unit);
        const share = Math.min(1, halo + body);
        const at = (y * width + x) * 3;
        for (let c = 0; c < 3; c++) frame[at + c] = base[c] + (disc.colour[c] - base[c]) * share;
      }
    }
    if (p.stars > 0.02) {
      for (const star of stars) {
        const twinkle = 0.72 + 0.28 * Math.sin(seconds * star.beat * 2.2 + star.x);
        put(star.x, star.y, [255, 250, 235], p.stars * star.light * twinkle);
        if (star.light > 0.7)
          for (const [dx, dy] of [
            [1, 0],
            [0, 1],
            [1, 1],
          ])
            if (star.x + dx < width)
              put(star.x + dx, star.y + dy, [255, 250, 235], 0.6 * p.stars * star.light * twinkle);
      }
    }
  }

  function paintRidges(p, seconds) {
    ridges.forEach((ridge, layer) => {
      const top = tops[layer];
      for (let x = 0; x < width; x++) {
        const place = x / unit + seconds * ridge.drift + layer * 5000;
        const rise = ridgeAt(place / ridge.scale, 31 + layer * 101, ridge.sharp);
        const wood = ridge.trees === undefined ? 0 : treesAt(place, ridge.trees, 500 + layer);
        top[x] = height * (ridge.base + ridge.swing * (0.5 - rise)) - wood * unit;
      }
      const depth = layer / (ridges.length - 1);
      const crest = mix3(p.far, p.near, depth ** 1.15);
      const foot = mix3(crest, p.haze, 0.62 * (1 - depth) + 0.1);
      for (let x = 0; x < width; x++) {
        const edge = Math.floor(top[x]);
        const end = lake;
        for (let y = Math.max(0, edge); y < end; y++) {
          const fog = clamp((y - (ridge.base - ridge.swing / 2) * height) / (height * 0.17));
          const at = (y * width + x) * 3;
          const cover = y === edge ? 1 - (top[x] - edge) : 1;
          for (let c = 0; c < 3; c++) frame[at + c] = mix(frame[at + c], mix(crest[c], foot[c], fog), cover);
        }
      }
    });
  }

  /** The lake: the picture above it, upside down, drawn out, rippled and a little darker towards the viewer. */
  function paintLake(p, seconds) {
    for (let y = lake; y < height; y++) {
      const depth = (y - lake) / (height - lake);
      const ripple = (2 + 9 * depth) * unit;
      const source = lake - 1 - (y - lake) * (1.55 + 0.5 * depth);
      const swell = Math.sin(y / unit / (2.4 + 10 * depth) - seconds * 1.1) * (0.6 + 3 * depth) * unit;
      const row = Math.max(0, Math.min(lake - 1, Math.round(source + swell)));
      const dark = 0.1 + 0.3 * depth;
      const shift = ripple * Math.sin(y / unit / (3 + 7 * depth) + seconds * 0.9);
      for (let x = 0; x < width; x++) {
        const from = (row * width + Math.max(0, Math.min(width - 1, Math.round(x + shift)))) * 3;
        const at = (y * width + x) * 3;
        for (let c = 0; c < 3; c++) frame[at + c] = mix(frame[from + c], p.near[c], dark);
      }
      if (y < lake + 2 * unit) for (let x = 0; x < width; x++) put(x, y, p.haze, 0.35);
    }
  }

  return function paint(share, seconds) {
    const p = paletteAt(share);
    // The sun is up until 0.64 of the film; then the moon takes the other half of the sky.
    const sunUp = share < 0.7;
    const course = sunUp ? (share + 0.035) / 0.68 : (share - 0.7) / 0.3;
    const arc = Math.sin(Math.PI * clamp(course));
    const disc = sunUp
      ? {
          x: width * (0.14 + 0.72 * course),
          y: height * (0.6 - 0.46 * arc),
          colour: p.sun,
          light: clamp((0.695 - share) * 40),
        }
      : {
          x: width * (0.2 + 0.5 * course),
          y: height * (0.56 - 0.38 * arc),
          colour: [226, 232, 246],
          light: 0.9 * clamp((share - 0.72) * 20) * clamp((0.99 - share) * 16),
        };
    paintSky(p, seconds, disc);
    paintRidges(p, seconds);
    paintLake(p, seconds);
    return frame;
  };
}

import { expect, test } from "vitest";
import { SEEDS, uploadedTo, WEATHER } from "./siege.ts";
import { makeContent, seeded, Simulator, type SimPeer } from "./simulator.ts";

const film = makeContent(16 * 2 ** 20, 16_384, seeded(1));
const RUN_MS = 20_000;

/** Content bytes that a seeder sends to each of three that want all of it, more than its line carries; `spoil` makes the first bad. */
function shares(seed: number, spoil: (bad: SimPeer, seeder: SimPeer, net: Simulator) => void): number[] {
  const net = new Simulator(seed, WEATHER);
  const seeder = net.join("seeder", film.options);
  seeder.seed(film);
  const viewers = ["bad", "one", "two"].map((id) => net.join(id, film.options, { uplink: Infinity }));
  for (const viewer of viewers) {
    viewer.leech(film.chunks.length);
    net.connect(viewer, seeder, 65_536, true);
  }
  spoil(viewers[0]!, seeder, net);
  net.run(() => false, RUN_MS);
  return viewers.map(({ id }) => uploadedTo(seeder, id));
}

test.each(SEEDS)("who opens its channel anew every second gets no more than others (seed %i)", (seed) => {
  const [bad, ...honest] = shares(seed, (peer, seeder, net) => {
    const again = (): void => {
      peer.step({ type: "unlink", link: seeder.id });
      peer.step({ type: "link", link: seeder.id, maxDatagram: 65_536, reliable: true });
      peer.step({ type: "open", link: seeder.id, swarm: peer.swarm.key });
      net.at(net.now + 1_000, again);
    };
    net.at(1_000, again);
  });
  expect(bad).toBeLessThan(1.5 * Math.min(...honest));
});

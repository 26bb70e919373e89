import { type Deployment, needed, SHIPPED, stations } from "./scale/model.ts";
import { simulate } from "./scale/queueing.ts";

/**
 * `node bench/scale.ts`: what is full first as it ships, what so many charges a minute need, and a simulation of each that fits on one
 * machine. The same figures every time.
 */
const PODS = 1_000;
const SECONDS = 30;
const SEED = 1;
const PER_MINUTE = [1_000, 100_000, 10_000_000];
/** More a second than this are not simulated: they would take this machine longer than they take themselves. */
const MOST_SIMULATED = 4_000;

const text = ({ shards, stripes, gateways, queues, databases }: Deployment): string =>
  `${shards} shards, ${stripes} stripes, ${gateways} gateways, ${queues} queues, ${databases} databases`;

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const show = (made: Deployment, perSecond: number): void => {
  const { perSecond: done, p50S, p99S, busiest } = simulate(made, PODS, perSecond, SECONDS, SEED);
  const busy = Object.entries(busiest).map(([kind, share]) => `${kind} ${share.toFixed(2)}`);
  print(
    `  simulated: ${done.toFixed(0)} a second, p50 ${p50S.toFixed(2)} s, p99 ${p99S.toFixed(2)} s; busiest ${busy.join(", ")}`,
  );
};

print(`as it ships (${text(SHIPPED)}), ${PODS} pods by Zipf 1.0, charges a second at which each is full:`);
for (const { name, capacity } of stations(SHIPPED, PODS))
  print(`  ${name.padEnd(26)}${capacity.toFixed(0).padStart(8)}`);
for (const perMinute of PER_MINUTE) {
  const perSecond = perMinute / 60;
  const { made, short } = needed(perSecond, PODS);
  print(`${perMinute} a minute, ${perSecond.toFixed(0)} a second: ${text(made)}`);
  if (short.length > 0)
    print(`  and no number of objects helps the ${short.join(" and the ")}: one pod is one actor and two shards`);
  if (perSecond <= MOST_SIMULATED) show(made, perSecond);
}
print(`100000 a minute on what ships:`);
show(SHIPPED, 100_000 / 60);

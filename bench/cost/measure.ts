import {
  type Cause,
  COUNTS,
  type Count,
  type MeterReport,
  since,
  type Tally,
  totalOf,
} from "../../objects/kit/meter/tally.ts";
import { poll } from "../../tests/support/client.ts";
import type { Server } from "../../tests/support/server.ts";
import { FLOWS, type Flow, type Ground, meetEverybody, meterOf, prepare } from "./flows.ts";

/** Switches the meter on; see `objects/kit/meter`. On a busy machine the liquidity providers are given time: what is counted is no race. */
export const METERED = { CROWDPAY_METER: "on", CROWDPAY_FX: JSON.stringify({ deadline_ms: 4_000 }) };

/** Longer than the relay gathers before it sends: after so long without a count nothing is left to follow, milliseconds. */
const QUIET_MS = 1_000;

export type Measured = {
  flow: Flow;
  /** What one unit asks for: of each count the lowest round. What only a first use of a stripe costs is not the payment's. */
  unit: Tally;
  /** The round that wrote least, by actor. */
  byActor: Record<string, Tally>;
  /** Of the same round, who was called how often: by `<class>.<method>`. */
  methods: Record<string, number>;
  /** Everything counted for another cause while it ran, all rounds. */
  besides: Record<Exclude<Cause, "asked">, Tally>;
};

const read = async (server: Server): Promise<MeterReport> => {
  const { status, body } = await meterOf(server).get<MeterReport>("/meter");
  if (status !== 200) throw new Error(`the meter answered ${status}: is the server started with CROWDPAY_METER=on?`);
  return body;
};

/** The counts once all that was sent has been consumed and nothing more follows. */
export const settled = async (server: Server): Promise<MeterReport> => {
  let last = "";
  let unchangedSince = performance.now();
  return poll(
    async () => {
      const report = await read(server);
      const asked = totalOf(report, ["asked", "woken"]);
      const text = JSON.stringify(asked);
      if (text !== last) unchangedSince = performance.now();
      last = text;
      return report;
    },
    (report) => {
      const { queue_writes, queue_deletes } = totalOf(report);
      return performance.now() - unchangedSince >= QUIET_MS && queue_deletes >= queue_writes;
    },
    60_000,
  );
};

const perUnit = (tally: Tally, units: number): Tally =>
  Object.fromEntries(COUNTS.map((count) => [count, tally[count] / units])) as Tally;

const measureFlow = async (server: Server, ground: Ground, flow: Flow): Promise<Measured> => {
  const begun = await settled(server);
  let before = begun;
  const rounds: MeterReport[] = [];
  for (let round = 0; round < flow.rounds; round++) {
    await flow.run(ground);
    const after = await settled(server);
    rounds.push(since(before, after));
    before = after;
  }
  const asked = rounds.map((round) => totalOf(round, ["asked"]));
  const lowest = (count: Count) => Math.min(...asked.map((tally) => tally[count])) / flow.units;
  const least = rounds.reduce((left, right) =>
    totalOf(right, ["asked"]).rows_written < totalOf(left, ["asked"]).rows_written ? right : left,
  );
  const all = since(begun, before);
  return {
    flow,
    unit: Object.fromEntries(COUNTS.map((count) => [count, lowest(count)])) as Tally,
    byActor: Object.fromEntries(
      Object.entries(least.asked).map(([actor, tally]) => [actor, perUnit(tally, flow.units)]),
    ),
    methods: Object.fromEntries(
      Object.entries(least.methods).flatMap(([method, calls]) => (calls > 0 ? [[method, calls / flow.units]] : [])),
    ),
    besides: { timed: totalOf(all, ["timed"]), woken: totalOf(all, ["woken"]) },
  };
};

/** Measures each flow, one after another, against a server that counts. */
export const measureAll = async (server: Server, flows: readonly Flow[] = FLOWS): Promise<Measured[]> => {
  const ground = await prepare(server);
  await meetEverybody(ground);
  const measured: Measured[] = [];
  for (const flow of flows) measured.push(await measureFlow(server, ground, flow));
  return measured;
};

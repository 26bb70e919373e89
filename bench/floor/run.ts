import { SHARDS } from "../../schema/ids.ts";
import { seeded } from "../../tests/support/seeded.ts";
import { bundle } from "../../tools/bundle.ts";
import { address, workerOptions } from "../../tools/local-workers.ts";
import { Miniflare } from "../../tools/miniflare.ts";
import { freePort, HOST } from "../../tools/ports.ts";
import { scratchFolder } from "../ending.ts";
import type { Operation } from "../load/loops.ts";
import { refusal } from "../load/wire.ts";
import type { RunOptions } from "../options.ts";
import { loaded, type Outcome } from "../run.ts";
import type { LoadScenario } from "../scenarios/scenario.ts";
import type { Plan } from "./plans.ts";

const FLOOR = { name: "floor", configPath: "bench/floor/wrangler.toml", folders: ["bench/floor", "objects"] };

/** The bare actors, served as the product is, on a state of their own. */
const startFloor = async (): Promise<{ url: string; close(): Promise<void> }> => {
  const state = scratchFolder("crowdpay-floor-");
  const made = await bundle(FLOOR);
  const port = await freePort();
  const runtime = new Miniflare({
    host: HOST,
    port: 0,
    cf: false,
    telemetry: { enabled: false },
    resourcePersistencePath: state.path,
    workers: [workerOptions(made, port, {})],
  });
  await runtime.ready;
  const close = async () => {
    await runtime.dispose();
    state.remove();
  };
  return { url: address(port), close };
};

/** What the runtime itself can do of a scenario: its steps by bare actors, under the same load. No money moves, so there is nothing to check. */
export const runFloor = async (scenario: LoadScenario, options: RunOptions): Promise<Outcome> => {
  const { name, steps, unit, units } = scenario;
  if (steps === undefined) throw new Error(`nobody says what ${name} cannot do without`);
  const { url, close } = await startFloor();
  const random = seeded(options.seed);
  const operation: Operation = {
    request: (index) => {
      const body: Plan = { shard: index % SHARDS, steps: steps(random, index) };
      return { method: "POST", path: "/", token: "", body };
    },
    fault: (reply) => (reply.status === 201 ? null : refusal(reply)),
    pending: () => false,
  };
  try {
    const found = await loaded(url, { operation, check: async () => [] }, scenario, options);
    const about = "the same calls and commits by bare actors";
    return { scenario: { name, about, kind: "load" }, unit, units, timed: [], notes: [], ...found };
  } finally {
    await close();
  }
};

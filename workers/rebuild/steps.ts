import * as compare from "./compare.ts";
import { clearSome, exchangeStatements, isBehind } from "./exchange.ts";
import { catchUp } from "./fill.ts";
import type { RebuildPorts } from "./ports.ts";
import { beat, endRebuild, epochFor, keepStep, moveEpoch, type Rebuild, Superseded } from "./record.ts";
import * as sources from "./sources.ts";

/** Looks at a page, and tries of the exchange, while traffic keeps one side a moment ahead of the other. */
const MAX_LOOKS = 100;
const PAUSE_MS = 20;
/** After this many looks that found a lag it is no passing one: a message was lost, and the logs are asked. */
const PATIENT_LOOKS = 5;
/** Differences that are named; all are counted. */
const MAX_NAMED = 100;

const positionOf = <P>(rebuild: Rebuild): P | null => JSON.parse(rebuild.position) as P | null;

const clear = async (ports: RebuildPorts, rebuild: Rebuild): Promise<Rebuild> => {
  const gone = await clearSome(ports.db, await epochFor(ports.db, rebuild));
  if (gone > 0) return keepStep(ports.db, rebuild, {}, ports.now());
  // From this commit on new events go to the next tables too, which are empty and whole.
  const first = [moveEpoch(ports.db, rebuild, "shadowed")];
  return keepStep(ports.db, rebuild, { phase: "building", position: sources.FIRST }, ports.now(), first);
};

const build = async (ports: RebuildPorts, rebuild: Rebuild): Promise<Rebuild> => {
  const { next, streams } = await sources.fillPage(ports, positionOf<sources.Position>(rebuild) ?? sources.FIRST);
  const met = rebuild.streams + streams;
  if (next !== null) return keepStep(ports.db, rebuild, { position: next, streams: met }, ports.now());
  await catchUp(ports);
  const forked = await compare.forkedStreams(ports.db);
  const change = { phase: "comparing", position: compare.FIRST, streams: met, ...counting(rebuild, forked) } as const;
  return keepStep(ports.db, rebuild, change, ports.now());
};

const counting = (rebuild: Rebuild, found: readonly compare.Difference[]) => ({
  differ: rebuild.differ + found.length,
  differences: [...rebuild.differences, ...found].slice(0, MAX_NAMED),
});

const compareOn = async (ports: RebuildPorts, rebuild: Rebuild): Promise<Rebuild> => {
  const at = positionOf<compare.Position>(rebuild) ?? compare.FIRST;
  for (let look = 1; look <= MAX_LOOKS; look++) {
    const page = await compare.comparePage(ports.db, at);
    if (page.settled) {
      const rows = rebuild.rows + page.rows;
      const found = counting(rebuild, page.differences);
      const where = page.next === null ? { phase: "switching" as const } : {};
      return keepStep(ports.db, rebuild, { ...where, position: page.next, rows, ...found }, ports.now());
    }
    await scheduler.wait(PAUSE_MS);
    if (look % PATIENT_LOOKS === 0) await catchUp(ports);
  }
  throw new Error("the two generations were never seen at the same checkpoints");
};

const exchange = async (ports: RebuildPorts, rebuild: Rebuild): Promise<Rebuild> => {
  for (let look = 1; look <= MAX_LOOKS; look++) {
    await epochFor(ports.db, rebuild);
    try {
      const first = exchangeStatements(ports.db, rebuild);
      return await keepStep(ports.db, rebuild, { phase: "sweeping", position: null }, ports.now(), first);
    } catch (error) {
      if (!isBehind(error)) throw error;
    }
    await catchUp(ports);
  }
  throw new Error("the next tables were always behind");
};

const sweepOld = async (ports: RebuildPorts, rebuild: Rebuild): Promise<Rebuild> => {
  const gone = await clearSome(ports.db, await epochFor(ports.db, rebuild));
  return gone > 0
    ? keepStep(ports.db, rebuild, {}, ports.now())
    : endRebuild(ports.db, rebuild, { phase: "done" }, ports.now());
};

/**
 * Takes a rebuild's next step and keeps it. Every step may be taken again: one that is cut off anywhere leaves the tables that
 * serve as they were. Throws `Superseded` when the rebuild is no longer this driver's, else whatever stopped the step.
 */
export const takeStep = (given: Omit<RebuildPorts, "beat">, rebuild: Rebuild): Promise<Rebuild> => {
  const ports: RebuildPorts = { ...given, beat: () => beat(given.db, rebuild, given.now()) };
  switch (rebuild.phase) {
    case "clearing":
      return clear(ports, rebuild);
    case "building":
      return build(ports, rebuild);
    case "comparing":
      return compareOn(ports, rebuild);
    case "switching":
      return exchange(ports, rebuild);
    case "sweeping":
      return sweepOld(ports, rebuild);
    default:
      throw new Superseded(`${rebuild.id} has ended`);
  }
};

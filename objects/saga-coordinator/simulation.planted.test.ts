import { afterEach, expect, it, vi } from "vitest";
import { reject } from "../../schema/rejections.ts";
import { storm } from "./testing/stories.ts";

/** Mistakes one could make in the coordinator. The simulation is worth something only if it notices them. */
const planted = vi.hoisted(() => ({ bug: "" }));
vi.spyOn(console, "error").mockReturnValue(undefined);

const declined = {
  outcome: "declined" as const,
  declined: { rejection: reject("conflict", "planted").rejection, code: "payment_declined", decline_reason: null },
};

vi.mock("./calls/provider.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("./calls/provider.ts")>();
  const callProvider: typeof original.callProvider = async (saga, port) => {
    const notFound = { ...port, provider: () => Promise.resolve({ outcome: "not_found" as const }) };
    if (planted.bug === "a restart forgets to ask" && saga.steps[saga.cursor]?.phase === "query") {
      return original.callProvider(saga, notFound);
    }
    const move = await original.callProvider(saga, port);
    if (planted.bug === "unknown is a decline" && move.outcome === "unknown" && move.park === undefined)
      return declined;
    if (planted.bug === "not found is a decline" && move.nextPhase === "forward") return declined;
    return move;
  };
  return { ...original, callProvider };
});

vi.mock("./decide.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("./decide.ts")>();
  const advance: typeof original.advance = (saga, report, now, cutEpoch) => {
    if (planted.bug !== "the epoch is not looked at") return original.advance(saga, report, now, cutEpoch);
    return original.advance(saga, { ...report, epoch: saga.epoch, step: saga.cursor }, now, cutEpoch);
  };
  const takeUp: typeof original.takeUp = (saga, now) => {
    const taken = original.takeUp(saga, now);
    return planted.bug === "a retry is never due" && saga.steps[saga.cursor]?.next_at !== null ? null : taken;
  };
  return { ...original, advance, takeUp };
});

vi.mock("./calls/accounts.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("./calls/accounts.ts")>();
  const voidAt: typeof original.voidAt = async (saga, accounts, port) => {
    if (planted.bug === "only the first account is voided") return original.voidAt(saga, accounts.slice(0, 1), port);
    return planted.bug === "nothing is voided" ? { outcome: "done" } : original.voidAt(saga, accounts, port);
  };
  const postedLegs: typeof original.postedLegs = (saga) => {
    const legs = original.postedLegs(saga);
    if (planted.bug !== "a cut never hears of accounts that a rate made known") return legs;
    return legs.filter(({ account }) => !/^(fx|lp|rounding):/.test(account));
  };
  const postEverywhere: typeof original.postEverywhere = async (saga, except, port) => {
    const move = await original.postEverywhere(saga, except, port);
    if (planted.bug !== "a refused credit goes nowhere" || move.redirects === undefined) return move;
    return { outcome: "done", result: move.result ?? {} };
  };
  return { ...original, voidAt, postedLegs, postEverywhere };
});

vi.mock("./calls/desk.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("./calls/desk.ts")>();
  const releaseRate: typeof original.releaseRate = async (saga, port) =>
    planted.bug === "an accepted rate is not given back" ? { outcome: "done" } : original.releaseRate(saga, port);
  const convertAtRate: typeof original.convertAtRate = async (saga, port) =>
    planted.bug === "the desk is not told of a conversion" ? { outcome: "done" } : original.convertAtRate(saga, port);
  const executeHedge: typeof original.executeHedge = (saga, port) => {
    const renamed: typeof port = {
      ...port,
      hedge: (call) => port.hedge({ ...call, hedge: `${call.hedge} ${saga.steps[saga.cursor]?.attempts}` }),
    };
    return original.executeHedge(saga, planted.bug === "each attempt is another hedge" ? renamed : port);
  };
  // The second time it asks, it asks for itself: what was accepted before is somebody else's.
  const acceptRate: typeof original.acceptRate = (saga, port) => {
    const isAgain = (saga.steps[saga.cursor]?.attempts ?? 0) > 1;
    if (planted.bug !== "an accept without an answer is another accept" || !isAgain) {
      return original.acceptRate(saga, port);
    }
    return original.acceptRate(saga, { ...port, desk: (op) => port.desk({ ...op, saga: `${op.saga} again` }) });
  };
  return { ...original, releaseRate, convertAtRate, executeHedge, acceptRate };
});

vi.mock("./begin-hedge.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("./begin-hedge.ts")>();
  const hedgeBegunBy: typeof original.hedgeBegunBy = (before, after) =>
    planted.bug === "a conversion is not hedged" ? null : original.hedgeBegunBy(before, after);
  return { ...original, hedgeBegunBy };
});

afterEach(() => {
  planted.bug = "";
});

/** The first of `seeds` histories in which something was noticed. */
const noticed = async (seeds: number): Promise<string | null> => {
  for (let seed = 1; seed <= seeds; seed++) {
    const { violations } = await storm(seed);
    if (violations.length > 0) return violations[0] ?? null;
  }
  return null;
};

const SEEDS = 400;

it.each([
  "unknown is a decline",
  "not found is a decline",
  "the epoch is not looked at",
  "a retry is never due",
  "only the first account is voided",
  "nothing is voided",
  "an accepted rate is not given back",
  "the desk is not told of a conversion",
  "an accept without an answer is another accept",
  "each attempt is another hedge",
  "a conversion is not hedged",
  "a cut never hears of accounts that a rate made known",
  "a refused credit goes nowhere",
])("the simulation notices when %s", { timeout: 120_000 }, async (bug) => {
  planted.bug = bug;
  expect(await noticed(SEEDS)).not.toBeNull();
});

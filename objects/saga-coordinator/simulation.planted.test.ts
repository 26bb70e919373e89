import { afterEach, expect, it, vi } from "vitest";
import { reject } from "../../schema/rejections.ts";
import { storm } from "./testing/stories.ts";

/** Mistakes one could make in the coordinator. The simulation is worth something only if it notices them. */
const planted = vi.hoisted(() => ({ bug: "" }));
for (const said of ["error", "log"] as const) vi.spyOn(console, said).mockReturnValue(undefined);

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
  const advance: typeof original.advance = (saga, report, ...rest) => {
    if (planted.bug !== "the epoch is not looked at") return original.advance(saga, report, ...rest);
    return original.advance(saga, { ...report, epoch: saga.epoch, step: saga.cursor }, ...rest);
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
  return { ...original, voidAt, postedLegs };
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

vi.mock("./stray-captures.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("./stray-captures.ts")>();
  const strayBookedBy: typeof original.strayBookedBy = (before, after) =>
    planted.bug === "a capture that came to light is not booked" ? null : original.strayBookedBy(before, after);
  const strayIn: typeof original.strayIn = (saga, item) =>
    planted.bug === "nobody heeds a capture of a charge that was taken back" ? null : original.strayIn(saga, item);
  return { ...original, strayBookedBy, strayIn };
});

vi.mock("./calls/pod.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("./calls/pod.ts")>();
  const announceStanding: typeof original.announceStanding = async (saga, port) => {
    if (planted.bug !== "a pod never hears that a charge was taken up again" || saga.status === "parked") {
      await original.announceStanding(saga, port);
    }
  };
  return { ...original, announceStanding };
});

vi.mock("../../schema/saga-operations.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../schema/saga-operations.ts")>();
  const mayCompensate: typeof original.mayCompensate = (saga) =>
    planted.bug === "operators take back what may be captured"
      ? saga.failure === null && saga.status !== "completed"
      : original.mayCompensate(saga);
  const operationsOf: typeof original.operationsOf = (saga) => {
    const possible = original.operationsOf(saga);
    return mayCompensate(saga) && !possible.includes("compensate") ? [...possible, "compensate"] : possible;
  };
  return { ...original, mayCompensate, operationsOf };
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
  "a capture that came to light is not booked",
  "nobody heeds a capture of a charge that was taken back",
  "a pod never hears that a charge was taken up again",
  "operators take back what may be captured",
])("the simulation notices when %s", { timeout: 120_000 }, async (bug) => {
  planted.bug = bug;
  expect(await noticed(SEEDS)).not.toBeNull();
});

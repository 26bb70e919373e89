import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { isLive, type Saga } from "../../schema/sagas.ts";
import { cancel, parkBroken, resolveWait, takeUp } from "./decide.ts";
import { compensatable, define, pivot, retriable } from "./definitions/definition.ts";
import { makeKnown } from "./definitions/index.ts";
import { beginFamily, changeFamily } from "./family.ts";
import { operate } from "./operate.ts";
import { runs } from "./steps/sub-saga.ts";
import { APPROVED, FOLLOWED, firstOf, inputFor, KIND_CALLS, type KindInput, SPONSORED } from "./testing/kinds.ts";
import type { Shard } from "./testing/shard.ts";
import { fund } from "./testing/stories.ts";
import { World } from "./testing/world.ts";

vi.spyOn(console, "error").mockReturnValue(undefined);

const LATE_MS = 3_600_000;

/** What follows the decision is another transfer that has to be approved, within an hour. */
const IMPATIENT = define({
  ...FOLLOWED,
  version: 960,
  steps: [
    pivot("decide", { posts: true }),
    retriable("follow_up", {
      ...runs({ definition: APPROVED, first: (saga) => within(saga) }),
      deadlineMs: LATE_MS,
    }),
    retriable("post", { posts: true }),
  ],
});
/** Would begin a saga in another shard. */
const STRAYING = define({
  ...FOLLOWED,
  version: 961,
  steps: [
    compensatable("reserve"),
    pivot("decide", { posts: true }),
    retriable("follow_up", runs({ definition: APPROVED, first: (saga) => ({ ...within(saga), id: "sag_elsewhere" }) })),
    retriable("post", { posts: true }),
  ],
});
const within = (saga: Saga) => {
  const { child } = saga.input as unknown as KindInput;
  return { id: child?.saga ?? "", input: child?.input ?? {} };
};
/** Would do so once the first saga has ended. */
const TRIPPING = define({
  ...FOLLOWED,
  version: 962,
  steps: [
    pivot("decide", { posts: true }),
    retriable("first", runs({ definition: APPROVED, first: (saga) => within(saga) })),
    retriable("second", runs({ definition: APPROVED, first: (saga) => ({ ...within(saga), id: "sag_elsewhere" }) })),
    retriable("post", { posts: true }),
  ],
});
/** Could not undo its step. */
const UNDOING_ELSEWHERE = define({
  ...FOLLOWED,
  version: 963,
  steps: [
    compensatable("reserve"),
    compensatable(
      "advance",
      runs(
        { definition: APPROVED, first: (saga) => within(saga) },
        { definition: APPROVED, first: (saga) => ({ ...within(saga), id: "sag_elsewhere" }) },
      ),
    ),
    pivot("decide", { posts: true }),
    retriable("post", { posts: true }),
  ],
});
makeKnown([IMPATIENT, STRAYING, TRIPPING, UNDOING_ELSEWHERE]);

let world: World;
let shard: Shard;
beforeEach(() => {
  world = new World({ seed: 5, calls: KIND_CALLS });
  fund(world);
  for (const name of ["carol", "dave"]) world.accounts.get(`wallet:${name}:EUR`).opening = 100_000n;
  [shard] = world.shards as [Shard];
});
afterEach(() => world.close());

const by = { by: "op", text: "seen" };
const inTurn = <T>(run: Parameters<typeof shard.parts.actor.turn<T>>[0]): T => shard.parts.actor.turn(run);
const parent = (): Saga => shard.sagas.find((saga) => saga.parent === undefined) as Saga;
const child = (): Saga => shard.sagas.find((saga) => saga.parent !== undefined) as Saga;
const began = (definition: typeof SPONSORED): void => {
  const next = () => ({
    saga: world.ids.next("sag", world.sim.now, 0),
    transfer: world.ids.next("trf", world.sim.now, 0),
  });
  const { saga } = next();
  const family = inTurn((turn) => beginFamily(turn, definition, firstOf(saga, inputFor(next, 0))));
  const { driver } = shard.parts;
  world.at(shard, () => {
    const own = driver.follow(family, saga);
    if (own !== null) void driver.drive(own);
  });
};
const settles = (): Promise<boolean> => world.run(500, () => false);
/** One change, in a turn of its own, with all that follows from it in that turn. */
const changed = (saga: Saga, change: (saga: Saga) => Saga | null): Saga[] => {
  const after = change(saga);
  if (after === null) throw new Error("nothing came of it");
  return inTurn((turn) => changeFamily(turn, saga, after)).map((one) => one.saga);
};
const retried = (saga: Saga): Saga | null => {
  const facts = { by: "op", now: world.sim.now, cutEpoch: 1, straySaga: "" };
  const operated = operate(saga, { action: "retry", note: null }, facts);
  return operated.ok ? operated.saga : null;
};
const approve = (saga: Saga): Saga | null => resolveWait(saga, "approval", "approve", by, world.sim.now, 1);
const decline = (saga: Saga): Saga | null => resolveWait(saga, "approval", "decline", by, world.sim.now, 1);

describe("one commit", () => {
  it("begins a saga and the saga that is its first step, and forgets neither", () => {
    began(SPONSORED);
    expect(shard.sagas).toHaveLength(2);
    expect(child().parent).toBe(parent().id);
    expect(shard.forgotten()).toEqual([]);
  });

  it("takes a saga back and with it the one that is its step", async () => {
    began(SPONSORED);
    await settles();
    const moved = changed(parent(), (saga) => cancel(saga, world.sim.now));
    expect(moved.map(({ id, status }) => [id, status])).toEqual([
      [parent().id, "compensating"],
      [child().id, "compensating"],
    ]);
    expect(child().failure).toMatchObject({ cause: "refused" });
  });

  it("takes back a step's saga that was parked before its pivot", async () => {
    began(SPONSORED);
    await settles();
    changed(child(), (saga) => parkBroken(saga, "TypeError", world.sim.now));
    expect([parent().status, child().status]).toEqual(["waiting", "parked"]);
    changed(parent(), (saga) => cancel(saga, world.sim.now));
    expect(child()).toMatchObject({ status: "compensating", parked_reason: null });
  });

  it("tells a saga that the one which is its step can only go forward", async () => {
    began(SPONSORED);
    await settles();
    changed(child(), approve);
    expect(parent().steps[0]?.result).toMatchObject({ child: "stands" });
    expect(cancel(parent(), world.sim.now)).toBeNull();
  });

  it("ends a step with its saga", async () => {
    began(IMPATIENT);
    await settles();
    changed(child(), approve);
    world.at(shard, () => void shard.parts.driver.drive(child()));
    await settles();
    expect([child().status, parent().status]).toEqual(["completed", "completed"]);
  });

  it("begins nothing that it could not begin itself: the saga is parked for its bug", async () => {
    began(STRAYING);
    await settles();
    expect(shard.sagas).toHaveLength(1);
    expect(parent()).toMatchObject({ status: "parked", parked_reason: "internal: Error" });
  });
});

describe("a bug in the rules of a saga", () => {
  it("parks it, and not the saga whose end it was told of", async () => {
    began(TRIPPING);
    await settles();
    changed(child(), approve);
    world.at(shard, () => void shard.parts.driver.drive(child()));
    await settles();
    expect(shard.sagas.map(({ status }) => status).sort()).toEqual(["completed", "parked"]);
    expect([child().status, parent().parked_reason]).toEqual(["completed", "internal: Error"]);
  });

  it("whose version is gone does not hold up the saga that is its step", async () => {
    began(SPONSORED);
    await settles();
    const { id, ...rest } = parkBroken(parent(), "Error", world.sim.now);
    const doc = JSON.stringify({ id, ...rest, version: 999 });
    shard.disk.storage.sql.exec("UPDATE sagas SET doc = ? WHERE id = ?", doc, id);
    changed(child(), approve);
    world.at(shard, () => void shard.parts.driver.drive(child()));
    await settles();
    expect([child().status, parent().status]).toEqual(["completed", "parked"]);
  });

  it("is found as a step begins, when it is in what would undo that step", async () => {
    began(UNDOING_ELSEWHERE);
    await settles();
    expect(shard.sagas).toHaveLength(1);
    expect(parent()).toMatchObject({ status: "parked", parked_reason: "internal: Error" });
  });
});

describe("a saga that is parked over its step", () => {
  const overdue = async (): Promise<void> => {
    began(IMPATIENT);
    await settles();
    changed(parent(), (saga) => takeUp(saga, world.sim.now + LATE_MS));
    expect(parent()).toMatchObject({ status: "parked", parked_reason: "follow_up: not done in time" });
  };

  it("is not taken up as the step's saga passes its pivot, and is when that has completed", async () => {
    await overdue();
    changed(child(), approve);
    expect(parent().status).toBe("parked");
    world.at(shard, () => void shard.parts.driver.drive(child()));
    await settles();
    expect([child().status, parent().status]).toEqual(["completed", "completed"]);
  });

  it("stays parked, for another reason, when that was declined", async () => {
    await overdue();
    changed(child(), decline);
    world.at(shard, () => void shard.parts.driver.drive(child()));
    await settles();
    expect([child().status, parent().status]).toEqual(["compensated", "parked"]);
    expect(parent().parked_reason).toBe("follow_up: conflict");
  });

  it("for a bug of its own hears nothing, and learns of it when it is tried again", async () => {
    began(IMPATIENT);
    await settles();
    changed(parent(), (saga) => parkBroken(saga, "TypeError", world.sim.now));
    changed(child(), approve);
    world.at(shard, () => void shard.parts.driver.drive(child()));
    await settles();
    expect([child().status, parent().status]).toEqual(["completed", "parked"]);
    const [again] = changed(parent(), retried);
    world.at(shard, () => void (again !== undefined && shard.parts.driver.drive(again)));
    await settles();
    expect(parent().status).toBe("completed");
  });
});

it("a saga that was taken back parks nobody: all that it began ends", async () => {
  began(SPONSORED);
  await settles();
  const moved = changed(parent(), (saga) => cancel(saga, world.sim.now));
  world.at(shard, ({ parts: { driver } }) => {
    for (const saga of moved) void driver.drive(saga);
  });
  await world.run(60_000, () => !isLive(parent()));
  expect(shard.sagas.map(({ status }) => status)).toEqual(["compensated", "compensated"]);
});

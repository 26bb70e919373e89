import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { chargeInput } from "../../schema/charges.ts";
import type { InboxItem } from "../../schema/rpc/coordinator.ts";
import type { ProviderState } from "../../schema/rpc/gateway.ts";
import type { Saga } from "../../schema/sagas.ts";
import { advance, cancel, parkBroken } from "./decide.ts";
import { strayIn } from "./stray-captures.ts";
import { beginCharge, CHARGE, DONE, SAGA, T0, told, upTo } from "./testing/fixtures.ts";
import type { Shard } from "./testing/shard.ts";
import { charge, fund, transfer } from "./testing/stories.ts";
import { World } from "./testing/world.ts";
import { applyWebhook, contradicts, sagaOfCharge, type Taken, takeWebhook } from "./webhooks.ts";

for (const said of ["error", "log"] as const) vi.spyOn(console, said).mockReturnValue(undefined);

const item = (state: ProviderState | null, change: Partial<InboxItem> = {}): InboxItem => ({
  provider: "sandbox",
  event: "evt_1",
  type: `payment.${state}`,
  reference: CHARGE,
  state,
  amount: { amount: "100.00", currency: "EUR" },
  provider_ref: "pay_1",
  decline_reason: state === "failed" ? "do_not_honor" : null,
  payload: "{}",
  ...change,
});
const capturing = upTo(beginCharge("instrument"), "capture");
const apply = (saga: Saga, webhook: InboxItem) => applyWebhook(saga, webhook, T0, 3);

describe("a webhook", () => {
  it("finds its saga by the charge's id", () => {
    expect(sagaOfCharge(CHARGE)).toBe(SAGA);
    expect([sagaOfCharge("chg_x"), sagaOfCharge(SAGA)]).toEqual([null, null]);
  });

  it("that comes before the answer to the call settles the capture; the answer then finds another epoch", () => {
    const after = apply(capturing, item("captured")) as Saga;
    expect([after.steps[after.cursor]?.name, after.tag]).toEqual(["post", 3]);
    expect(advance(after, { step: capturing.cursor, epoch: capturing.epoch, ...DONE }, T0, 3)).toBeNull();
  });

  it("that comes after it has nothing left to settle", () => {
    const posting = told(capturing, DONE);
    for (const state of ["captured", "failed", "voided"] as const) expect(apply(posting, item(state))).toBeNull();
  });

  it.each(["failed", "voided"] as const)("of a payment that %s takes the charge back", (state) => {
    expect(apply(capturing, item(state))).toMatchObject({ status: "compensating", failure: { cause: "failed" } });
  });

  it("of another amount stops for a person", () => {
    expect(apply(capturing, item("captured", { amount: { amount: "1.00", currency: "EUR" } }))).toMatchObject({
      status: "parked",
    });
  });

  it.each(["pending", "authorised", null] as const)(
    "of a payment that is %s leaves the call in flight alone",
    (state) => {
      expect(apply(capturing, item(state))).toBeNull();
    },
  );

  it.each([
    ["asked about", { outcome: "unknown", nextPhase: "query" }],
    ["taken out of use", { outcome: "unknown", nextPhase: "void" }],
    ["waited for", { outcome: "pending", nextPhase: "wait", retryInMs: 5_000 }],
  ] as const)("settles a capture that is being %s", (_name, move) => {
    expect(apply(told(capturing, move), item("captured"))?.status).toBe("running");
  });

  it.each<[string, Saga]>([
    ["before the capture", upTo(beginCharge("instrument"), "reserve")],
    ["on the way back", cancel(upTo(beginCharge("instrument"), "reserve"), T0) as Saga],
  ])("%s changes nothing", (_name, saga) => {
    expect(apply(saga, item("captured"))).toBeNull();
  });
});

/** A capture of another amount, over which a saga was parked. */
const WRONG = { amount: { amount: "120.00", currency: "EUR" } };
const parkedWrong = apply(capturing, item("captured", WRONG)) as Saga;
const unknownForADay = told(
  told(capturing, { outcome: "unknown", nextPhase: "query" }),
  { outcome: "unknown" },
  T0 + 86_400_001,
);
const declined = told(capturing, {
  outcome: "declined",
  declined: { rejection: { code: "conflict", detail: "declined" }, code: "payment_declined", decline_reason: null },
});
const compensated = [DONE, DONE, DONE].reduce((saga, move) => told(saga, move), declined);
const posting = told(capturing, { outcome: "done", result: { provider_ref: "pay_1" } });
const succeeded = [DONE, DONE].reduce((saga, move) => told(saga, move), posting);

it.each(["0.00", "92233720368547758.08"])(
  "a capture of %s, which no account can book, is no money that was found",
  (amount) => {
    const captured = item("captured", { amount: { amount, currency: "EUR" } });
    expect(strayIn(compensated, captured)).toBeNull();
    expect(strayIn(compensated, item("captured"))).not.toBeNull();
  },
);

describe("whatever a provider says, whenever", () => {
  const WEBHOOKS = {
    captured: item("captured"),
    "captured, another amount": item("captured", WRONG),
    "captured, no amount": item("captured", { amount: null }),
    "captured, another payment": item("captured", { provider_ref: "pay_2" }),
    failed: item("failed"),
    voided: item("voided"),
    pending: item("pending"),
    "of no state": item(null),
  };
  type Said = keyof typeof WEBHOOKS;

  /** What it does to the saga: the step it goes on at, how it ends, that it stays; and whether somebody has to look, or money is found. */
  it.each<[string, Saga, Partial<Record<Said, string>>]>([
    ["before the capture", upTo(beginCharge("instrument"), "reserve"), {}],
    [
      "at the capture",
      capturing,
      {
        captured: "post",
        "captured, another amount": "parked",
        "captured, no amount": "post",
        "captured, another payment": "post",
        failed: "goes back",
        voided: "goes back",
      },
    ],
    [
      "parked, nobody knowing how it ended",
      unknownForADay,
      {
        captured: "post",
        "captured, another amount": "parked",
        "captured, no amount": "post",
        "captured, another payment": "post",
        failed: "goes back",
        voided: "goes back",
      },
    ],
    [
      "parked over another amount",
      parkedWrong,
      {
        captured: "alarm",
        "captured, no amount": "alarm",
        "captured, another payment": "alarm",
        failed: "alarm",
        voided: "alarm",
      },
    ],
    ["parked by a bug", parkBroken(capturing, "TypeError", T0), {}],
    [
      "going back",
      declined,
      {
        captured: "alarm found",
        "captured, another amount": "alarm found",
        "captured, no amount": "alarm",
        "captured, another payment": "alarm found",
      },
    ],
    [
      "taken back",
      compensated,
      {
        captured: "alarm found",
        "captured, another amount": "alarm found",
        "captured, no amount": "alarm",
        "captured, another payment": "alarm found",
      },
    ],
    ["while it is posted", posting, { "captured, another payment": "alarm", failed: "alarm", voided: "alarm" }],
    ["when it has succeeded", succeeded, { "captured, another payment": "alarm", failed: "alarm", voided: "alarm" }],
  ])("%s", (_when, saga, expected) => {
    const whatHappens = (webhook: InboxItem): string => {
      const after = apply(saga, webhook);
      const moved =
        after === null
          ? []
          : [
              after.failure !== null
                ? "goes back"
                : after.status === "parked"
                  ? "parked"
                  : (after.steps[after.cursor]?.name ?? ""),
            ];
      const found = strayIn(saga, webhook) === null ? [] : ["found"];
      return [...moved, ...(contradicts(saga, webhook) ? ["alarm"] : []), ...found].join(" ");
    };
    const seen = Object.entries(WEBHOOKS).map(([said, webhook]) => [said, whatHappens(webhook)]);
    expect(Object.fromEntries(seen.filter(([, happens]) => happens !== ""))).toEqual(expected);
  });

  it("ends the same in whatever order a capture is told, with its own pending before or after it, and twice", () => {
    const orders: ProviderState[][] = [
      ["captured"],
      ["pending", "captured"],
      ["captured", "pending"],
      ["captured", "captured"],
      ["authorised", "pending", "captured", "captured", "authorised"],
    ];
    const ends = orders.map((states) =>
      states.reduce<Saga>((saga, state) => apply(saga, item(state)) ?? saga, capturing),
    );
    for (const end of ends) expect(end).toEqual(ends[0]);
    expect(ends[0]?.steps[ends[0].cursor]?.name).toBe("post");
  });
});

describe("the inbox", () => {
  let world: World;
  let shard: Shard;
  beforeEach(() => {
    world = new World({ seed: 3 });
    fund(world);
    [shard] = world.shards as [Shard];
  });
  afterEach(() => world.close());

  const take = async (webhook: InboxItem): Promise<Taken> => {
    let taken: Taken | null = null;
    world.at(shard, () => void takeWebhook(shard.parts.driver, webhook).then((fate) => (taken = fate)));
    await world.run(1_000, () => taken !== null);
    if (taken === null) throw new Error("the webhook was not taken");
    return taken;
  };
  const rows = () => shard.disk.storage.sql.exec("SELECT event, saga, fate FROM inbox ORDER BY event").toArray();
  const begun = async (run: () => void): Promise<Saga> => {
    run();
    await world.run(60_000, () => shard.sagas.length > 0 && shard.isIdle);
    return shard.sagas[0] as Saga;
  };
  const chargeOf = (saga: Saga): string => chargeInput(saga).charge;

  it("takes each of the provider's events once, and keeps what comes too late", async () => {
    const saga = await begun(() => charge(world, shard, "tok_ok", 2_000n, 0));
    await world.run(5_000, () => false);
    const before = rows().length;
    const late = item("captured", { reference: chargeOf(saga), event: "evt_late" });
    expect([(await take(late)).fate, (await take(late)).fate]).toEqual(["stored", "duplicate"]);
    expect(rows().slice(before)).toEqual([{ event: "evt_late", saga: saga.id, fate: "kept" }]);
  });

  it("keeps nothing of what says no more than the journal does, however often", async () => {
    const saga = await begun(() => charge(world, shard, "tok_ok", 2_000n, 0));
    await world.run(5_000, () => false);
    const [before, entries] = [rows(), shard.disk.journal.length];
    const { provider_ref } = saga.steps.find(({ name }) => name === "capture")?.result ?? {};
    const told = { reference: chargeOf(saga), provider_ref: String(provider_ref) };
    const same = item("captured", { ...told, amount: chargeInput(saga).amount });
    expect([(await take(same)).fate, (await take(same)).fate]).toEqual(["known", "known"]);
    expect([rows(), shard.disk.journal.length]).toEqual([before, entries]);
    const more = item("captured", { ...told, amount: { amount: "20.01", currency: "EUR" }, event: "evt_more" });
    expect((await take(more)).fate).toBe("stored");
  });

  it("says aloud when money moved for a charge that was taken back, and books it to suspense once", async () => {
    const saga = await begun(() => charge(world, shard, "tok_declined", 2_000n, 0));
    const found = { reference: chargeOf(saga), amount: { amount: "20.00", currency: "EUR" } };
    await take(item("captured", { ...found, event: "evt_odd" }));
    await take(item("captured", { ...found, event: "evt_odd" }));
    expect(shard.disk.journal.filter(({ type }) => type === "webhook.unmatched")).toHaveLength(1);
    await take(item("captured", { ...found, event: "evt_again" }));
    await world.run(60_000, () => shard.isIdle);
    const [charged, booking] = shard.sagas;
    expect([charged?.status, booking?.status, shard.sagas.length]).toEqual(["compensated", "completed", 2]);
    const balances = [...world.accounts.all.values()].filter(({ name }) => /^(psp|suspense):/.test(name));
    expect(balances.map(({ name, balance }) => `${name.split(":")[0]} ${balance}`).sort()).toEqual([
      "psp 2000",
      "suspense 2000",
    ]);
  });

  it("takes a saga up again that was parked because nobody knew, and tells its pod", async () => {
    charge(world, shard, "tok_5xx_for_ever", 2_000n, 0);
    await world.run(1_000, () => shard.sagas.length > 0);
    world.network.silence(3 * 86_400_000);
    await world.run(3 * 86_400_000, () => shard.isIdle && shard.hasTold);
    const parked = shard.sagas[0] as Saga;
    expect(parked).toMatchObject({ status: "parked", stops: 1 });
    world.network.heal();
    await take(item("captured", { reference: chargeOf(parked), amount: { amount: "20.00", currency: "EUR" } }));
    await world.run(60_000, () => shard.isIdle && shard.hasTold);
    expect(shard.sagas[0]).toMatchObject({ status: "completed", stops: 2 });
    expect(world.pods.get(chargeInput(parked).pod).told.get(parked.id)).toEqual({ number: 2, parked: false });
  });

  it.each<[string, (saga: Saga) => InboxItem]>([
    ["a charge nobody knows", () => item("captured", { reference: "chg_01ARZ3NDEKTSV4RRFFQ69G5FAV00" })],
    ["a reference that is none", () => item("captured", { reference: "chg_" })],
    ["a charge of another provider", (saga) => item("captured", { reference: chargeOf(saga), provider: "elsewhere" })],
  ])("does not take what names %s", async (_name, webhook) => {
    const saga = await begun(() => charge(world, shard, "tok_async", 2_000n, 0));
    const before = rows().length;
    expect(await take(webhook(saga))).toEqual({ fate: "unroutable", moved: null });
    expect(rows()).toHaveLength(before);
  });

  it("does not take what names a charge that no provider was asked for, or no charge at all", async () => {
    const saga = await begun(() => charge(world, shard, "wallet", 2_000n, 0));
    expect((await take(item("captured", { reference: chargeOf(saga) }))).fate).toBe("unroutable");
    transfer(world, shard, "one", 2_000n, 0);
    await world.run(60_000, () => shard.sagas.length > 1 && shard.isIdle);
    const made = shard.sagas.find(({ kind }) => kind === "ledger_transfer") as Saga;
    const reference = made.id.replace("sag_", "chg_");
    expect((await take(item("captured", { reference }))).fate).toBe("unroutable");
  });
});

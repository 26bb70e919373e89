import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { stripesOf } from "../../schema/accounts.ts";
import { canonicalJson, SYSTEM } from "../../schema/events.ts";
import { fromMinor } from "../../schema/money.ts";
import { reject } from "../../schema/rejections.ts";
import type { ChargeAnswer, CreateCharge, TransferAnswer } from "../../schema/rpc/coordinator.ts";
import { isLive } from "../../schema/sagas.ts";
import { MAX_LIVE } from "./intake.ts";
import type { PodModel } from "./testing/people.ts";
import type { Shard } from "./testing/shard.ts";
import { fund, PAYER, POD, TRANSFERS, type TransferStory } from "./testing/stories.ts";
import { World } from "./testing/world.ts";

vi.spyOn(console, "error").mockReturnValue(undefined);

let world: World;
let shard: Shard;

beforeEach(() => {
  world = new World({ seed: 5 });
  fund(world);
  [shard] = world.shards as [Shard];
});
afterEach(() => world.close());

const meta = (correlation: string) => ({ principal: SYSTEM, correlation, causation: null });

const command = (change: Partial<CreateCharge> = {}): CreateCharge => ({
  pod: POD,
  payer: PAYER,
  amount: fromMinor(2_000n, "EUR"),
  source: { type: "instrument", token: "tok_ok" },
  settle_currency: "EUR",
  description: null,
  ...change,
});

type Asked<A> = { answer: A | null };

/** Sends a call now; its answer is there once the world has run on. */
const ask = <A>(send: () => Promise<A>): Asked<A> => {
  const asked: Asked<A> = { answer: null };
  world.at(shard, () => {
    void send().then((answer) => {
      asked.answer = structuredClone(answer);
    });
  });
  return asked;
};

const charge = (request: string, waitMs = 10_000, body = command(), key = "k"): Asked<ChargeAnswer> =>
  ask(() => {
    const scope = { subject: PAYER, command: "charge.create", key, request: canonicalJson(body) };
    return shard.parts.intake.charge(body, scope, waitMs, meta(request), null);
  });

const transfer = (
  request: string,
  id: string,
  story: TransferStory,
  minor = 2_000n,
  waitMs = 10_000,
): Asked<TransferAnswer> =>
  ask(() => {
    const body = { id, legs: TRANSFERS[story](minor), reason: "r", metadata: { reason: "r" } };
    return shard.parts.intake.transfer(body, waitMs, meta(request));
  });

const run = (ms: number) => world.run(ms, () => false);
const answered = async <A>(asked: Asked<A>): Promise<A> => {
  await world.run(120_000, () => asked.answer !== null);
  if (asked.answer === null) throw new Error("no answer");
  return asked.answer;
};
const withoutReplay = (answer: ChargeAnswer | TransferAnswer) => ({ ...answer, replayed: null });
const provider = (token: string) => command({ source: { type: "instrument", token } });

describe("the first answer", () => {
  it("is the charge as it ended, and the same for ever after", async () => {
    const first = await answered(charge("r1"));
    expect(first).toMatchObject({ kind: "resource", status: 201, replayed: false, charge: { status: "succeeded" } });
    const second = await answered(charge("r2"));
    expect(second).toMatchObject({ status: 201, replayed: true });
    expect(withoutReplay(second)).toEqual(withoutReplay(first));
    expect(world.provider.payments).toHaveLength(1);
  });

  it("stays 202 once patience ended, with the charge as it is now", async () => {
    const first = await answered(charge("r1", 0, provider("tok_async")));
    expect(first).toMatchObject({ status: 202, charge: { status: "processing" } });
    await run(10_000);
    const second = await answered(charge("r2", 0, provider("tok_async")));
    expect(second).toMatchObject({ status: 202, replayed: true, charge: { status: "succeeded" } });
  });

  it("is 202 at once for a charge that a person must look at", async () => {
    const asked = charge("r1", 30_000, command({ amount: fromMinor(700_000n, "EUR") }));
    await run(1_000);
    expect(asked.answer).toMatchObject({ status: 202, charge: { status: "requires_review" } });
  });

  it("is held past the caller's patience until somebody may be told of the charge", async () => {
    world.network.faults = { ...world.network.faults, lost: 1 };
    const asked = charge("r1", 0, command({ source: { type: "wallet" } }));
    await run(5_000);
    expect(asked.answer).toBeNull();
    world.network.heal();
    expect(await answered(asked)).toMatchObject({ kind: "resource" });
  });

  it("is that of the end, when patience and charge end together", async () => {
    for (let waitMs = 0; waitMs < 400; waitMs += 20) {
      const key = `k${waitMs}`;
      const first = await answered(charge(`a${key}`, waitMs, command(), key));
      await run(5_000);
      const second = await answered(charge(`b${key}`, 0, command(), key));
      expect([second.kind, "status" in second && second.status]).toEqual([
        first.kind,
        "status" in first && first.status,
      ]);
    }
  });

  it("is 202 for a charge that stopped for a person", async () => {
    const answer = await answered(charge("r1", 10_000, provider("tok_wrong_amount")));
    expect(answer).toMatchObject({ status: 202, charge: { status: "processing" } });
    expect(shard.sagas[0]).toMatchObject({ status: "parked" });
  });

  it("names the first field that differs, for another command under the key", async () => {
    await answered(charge("r1"));
    const other = await answered(charge("r2", 0, command({ amount: fromMinor(2_001n, "EUR") })));
    expect(other).toMatchObject({
      kind: "problem",
      rejection: { code: "idempotency_mismatch", field: "/amount/amount" },
    });
  });
});

describe("while the first answer is not fixed", () => {
  it("another caller is told so, for as long as somebody waits", async () => {
    const first = charge("r1", 10_000, provider("tok_async"));
    await run(500);
    const second = charge("r2", 10_000, provider("tok_async"));
    await run(100);
    expect(second.answer).toMatchObject({
      kind: "problem",
      rejection: { code: "idempotency_in_progress", retry_after: 1 },
    });
    expect(await answered(first)).toMatchObject({ status: 201, replayed: false });
  });

  it("the same caller's second try joins", async () => {
    const first = charge("r1", 10_000, provider("tok_async"));
    await run(500);
    const second = charge("r1", 10_000, provider("tok_async"));
    expect(withoutReplay(await answered(second))).toEqual(withoutReplay(await answered(first)));
  });

  it("whoever comes after the caller died takes its place", async () => {
    const first = charge("r1", 10_000, provider("tok_async"));
    await run(500);
    world.crash(shard, "kept", 100);
    await run(500);
    const second = await answered(charge("r2", 10_000, provider("tok_async")));
    expect([first.answer, second]).toMatchObject([
      null,
      { status: 201, replayed: false, charge: { status: "succeeded" } },
    ]);
    expect(world.provider.payments).toHaveLength(1);
  });
});

describe("a refusal", () => {
  it("from the begin on is kept, word for word and with the first call's id", async () => {
    (world.pods.get(POD) as PodModel).frozen = true;
    const first = await answered(charge("r1"));
    expect(first).toMatchObject({
      kind: "problem",
      rejection: { code: "pod_not_active" },
      request_id: "r1",
      replayed: false,
    });
    (world.pods.get(POD) as PodModel).frozen = false;
    const second = await answered(charge("r2"));
    expect(second).toMatchObject({ replayed: true });
    expect(withoutReplay(second)).toEqual(withoutReplay(first));
  });

  it("carries the first call's id to whoever took its place, too", async () => {
    world.network.faults = { ...world.network.faults, lost: 1 };
    (world.pods.get(POD) as PodModel).frozen = true;
    charge("r1", 0, command({ source: { type: "wallet" } }));
    await run(500);
    world.crash(shard, "lost", 100);
    await run(500);
    const second = charge("r2", 0, command({ source: { type: "wallet" } }));
    world.network.heal();
    expect(await answered(second)).toMatchObject({ kind: "problem", request_id: "r1" });
    expect(await answered(charge("r3", 0, command({ source: { type: "wallet" } })))).toMatchObject({
      request_id: "r1",
      replayed: true,
    });
  });

  it("leaves no charge, and nothing held", async () => {
    const broke = command({ source: { type: "wallet" }, amount: fromMinor(400_000n, "EUR") });
    const answer = await answered(charge("r1", 10_000, broke));
    expect(answer).toMatchObject({
      kind: "problem",
      rejection: { code: "insufficient_funds", available: { amount: "1000.00" } },
    });
    expect(shard.sagas[0]).toMatchObject({ status: "compensated", failure: { cause: "refused" } });
  });

  it("before the begin is not kept: the key may be used again", async () => {
    // The gateway's word on an instrument is lost: then the capture will tell.
    world.network.faults = { ...world.network.faults, lost: 1 };
    const unreachable = transfer("r1", "trf_03QCPC7X67FEHZNQZFDX95A19F", "one");
    await run(1_000);
    expect(unreachable.answer).toMatchObject({ kind: "problem", rejection: { code: "upstream_unavailable" } });
    world.network.heal();
    expect(await answered(transfer("r2", "trf_03QCPC7X67FEHZNQZFDX95A19F", "one"))).toMatchObject({
      kind: "resource",
      replayed: false,
    });
  });
});

describe("a transfer", () => {
  const id = () => world.ids.next("trf", world.sim.now);

  it("is made once under its id, and answered the same", async () => {
    const transferId = id();
    const first = await answered(transfer("r1", transferId, "two"));
    expect(first).toMatchObject({ kind: "resource", transfer: { id: transferId, status: "posted" } });
    expect(withoutReplay(await answered(transfer("r2", transferId, "two")))).toEqual(withoutReplay(first));
    expect(world.accounts.get("wallet:alice:EUR").balance).toBe(98_000n);
  });

  it("that failed has failed for ever", async () => {
    const transferId = id();
    const first = await answered(transfer("r1", transferId, "one", 333_300n));
    expect(first).toMatchObject({ kind: "problem", rejection: { code: "insufficient_funds" } });
    world.accounts.get("wallet:alice:EUR").opening = 1_000_000n;
    expect(withoutReplay(await answered(transfer("r2", transferId, "one", 333_300n)))).toEqual(withoutReplay(first));
  });

  it("with another body under its id is refused, whatever else is wrong with it", async () => {
    const transferId = id();
    await answered(transfer("r1", transferId, "one"));
    await run(31 * 86_400_000);
    const other = await answered(transfer("r2", transferId, "one", 2_001n));
    expect(other).toMatchObject({ rejection: { code: "idempotency_mismatch", field: "/legs/0/amount/amount" } });
    expect(await answered(transfer("r3", transferId, "one"))).toMatchObject({ kind: "resource", replayed: true });
    expect(await answered(transfer("r4", "trf_03QC000000FEHZNQZFDX95A19F", "one"))).toMatchObject({
      rejection: { code: "transfer_id_expired" },
    });
  });

  it("that is decided and not posted everywhere is under way", async () => {
    const transferId = id();
    const asked = transfer("r1", transferId, "one", 2_000n, 0);
    await world.run(10_000, () => world.accounts.get("wallet:alice:EUR").balance < 100_000n);
    world.network.faults = { ...world.network.faults, lost: 1 };
    await run(40_000);
    expect(asked.answer).toEqual({ kind: "processing", id: transferId, saga: shard.sagas[0]?.id });
    world.network.heal();
    await run(120_000);
    expect(await answered(transfer("r2", transferId, "one"))).toMatchObject({ kind: "resource" });
  });
});

describe("a charge at a quote", () => {
  const EUR20 = fromMinor(2_000n, "EUR");
  /** So much that a person looks at it first. */
  const EUR6000 = fromMinor(600_000n, "EUR");
  const at = (quote: string, settle_currency: string | null = null) =>
    command({ source: { type: "wallet" }, settle_currency, quote });
  const quoteOf = (owner: string) => world.desk.quote(owner, POD, EUR20, "USD", 60_000);

  it("settles in the quote's currency, which is its default under the key too", async () => {
    const quote = quoteOf(PAYER);
    const first = await answered(charge("r1", 10_000, at(quote)));
    expect(first).toMatchObject({ status: 201, charge: { status: "succeeded", settled: { currency: "USD" } } });
    for (const spelled of [at(quote), at(quote, "USD")]) {
      expect(withoutReplay(await answered(charge("r2", 0, spelled)))).toEqual(withoutReplay(first));
    }
    expect(await answered(charge("r3", 0, at(quote, "JPY")))).toMatchObject({
      rejection: { code: "idempotency_mismatch", field: "/settle_currency" },
    });
  });

  it.each<[string, () => CreateCharge, string]>([
    ["that is somebody else's, whose currency is asked", () => at(quoteOf("bob")), "not_found"],
    ["that is somebody else's", () => at(quoteOf("bob"), "USD"), "not_found"],
    ["that contradicts the settle currency", () => at(quoteOf(PAYER), "JPY"), "currency_mismatch"],
    ["where nothing is converted", () => at(quoteOf(PAYER), "EUR"), "currency_mismatch"],
    ["for another amount", () => ({ ...at(quoteOf(PAYER)), amount: fromMinor(2_001n, "EUR") }), "amount_out_of_range"],
    ["that is over", () => at(world.desk.quote(PAYER, POD, EUR20, "USD", 0), "USD"), "quote_expired"],
  ])("%s is a problem and no charge", async (_name, body, code) => {
    expect(await answered(charge("r1", 10_000, body()))).toMatchObject({ kind: "problem", rejection: { code } });
    expect(shard.sagas.filter(isLive)).toEqual([]);
    expect([...world.desk.deals.values()]).toEqual([]);
  });

  it.each<[string, () => CreateCharge, string]>([
    ["that is somebody else's", () => at(world.desk.quote("bob", POD, EUR6000, "USD", 60_000), "USD"), "not_found"],
    ["for another amount", () => at(quoteOf(PAYER), "USD"), "amount_out_of_range"],
    ["for another pair", () => at(world.desk.quote(PAYER, POD, EUR6000, "JPY", 60_000), "USD"), "currency_mismatch"],
    ["for another pod", () => at(world.desk.quote(PAYER, "pod_x", EUR6000, "USD", 60_000), "USD"), "currency_mismatch"],
  ])("%s is a problem where a person would have to look first, too", async (_name, body, code) => {
    const big = { ...body(), amount: EUR6000 };
    expect(await answered(charge("r1", 10_000, big))).toMatchObject({ kind: "problem", rejection: { code } });
  });

  it("keeps a refusal of the quote under the key, but not that there is none", async () => {
    await answered(charge("r1", 0, at(world.desk.quote(PAYER, POD, EUR20, "USD", 0), "USD"), "expired"));
    const again = at("fxq_1", "USD");
    expect(await answered(charge("r2", 0, again, "expired"))).toMatchObject({ request_id: "r1", replayed: true });
    const another = { ...at(quoteOf(PAYER)), amount: EUR6000 };
    await answered(charge("r1", 0, another, "misfit"));
    for (const spelled of [another, { ...another, settle_currency: "USD" }]) {
      expect(await answered(charge("r2", 0, spelled, "misfit"))).toMatchObject({
        rejection: { code: "amount_out_of_range" },
        request_id: "r1",
        replayed: true,
      });
    }
    expect(await answered(charge("r2", 0, command(), "misfit"))).toMatchObject({
      rejection: { code: "idempotency_mismatch" },
    });
    await answered(charge("r3", 0, at(quoteOf("bob"), "USD"), "unknown"));
    expect(await answered(charge("r4", 10_000, command(), "unknown"))).toMatchObject({ status: 201 });
  });

  it("gives an accepted rate back when the wallet is empty", async () => {
    const body = { ...at("", "USD"), amount: fromMinor(200_000n, "EUR") };
    const quote = world.desk.quote(PAYER, POD, body.amount, "USD", 60_000);
    expect(await answered(charge("r1", 10_000, { ...body, quote }))).toMatchObject({
      rejection: { code: "insufficient_funds" },
    });
    expect([...world.desk.deals.values()]).toMatchObject([{ state: "released" }]);
  });
});

describe("without a firm rate", () => {
  it("there is a charge, and it failed", async () => {
    world.desk.isDry = true;
    const first = await answered(charge("r1", 10_000, command({ settle_currency: "USD" })));
    expect(first).toMatchObject({
      status: 201,
      charge: { status: "failed", failure: { code: "no_firm_liquidity" }, settled: null },
    });
    expect(world.pods.get(POD).permits.values().next().value).toMatchObject({ state: "failed" });
    world.desk.isDry = false;
    expect(withoutReplay(await answered(charge("r2", 0, command({ settle_currency: "USD" }))))).toEqual(
      withoutReplay(first),
    );
  });
});

describe("while an account's log is broken", () => {
  const { rejection } = reject("upstream_unavailable", "the log of an account fails verification at seq 3");
  const shut = (account: string) => {
    world.accounts.get(account).shut = rejection;
    return () => {
      world.accounts.get(account).shut = null;
    };
  };

  it("a charge that needs it is refused at once, no answer fixed, and succeeds under its key once the log is mended", async () => {
    const mend = shut(`pod:${POD}:EUR`);
    for (const request of ["r1", "r2"]) {
      const before = world.sim.now;
      const refused = await answered(charge(request, 30_000));
      expect(refused).toMatchObject({ kind: "problem", rejection, request_id: request, replayed: false });
      expect(world.sim.now - before).toBeLessThan(5_000);
    }
    mend();
    await run(60_000);
    const told = await answered(charge("r3"));
    expect(told).toMatchObject({ kind: "resource", status: 201, charge: { status: "succeeded" } });
    expect(await answered(charge("r4"))).toMatchObject({ replayed: true, status: 201 });
  });

  it("so is a transfer, which is posted once when the log is mended", async () => {
    const id = world.ids.next("trf", world.sim.now);
    const account = "wallet:alice:EUR";
    const before = world.accounts.get(account).balance;
    const mend = shut(account);
    expect(await answered(transfer("r1", id, "one"))).toMatchObject({ kind: "problem", rejection });
    mend();
    await run(60_000);
    expect(await answered(transfer("r2", id, "one"))).toMatchObject({ kind: "resource", transfer: { id } });
    expect(before - world.accounts.get(account).balance).toBe(2_000n);
  });

  it("a charge whose caller knows of it is processing, not refused", async () => {
    for (const fee of stripesOf("fee:EUR")) shut(fee);
    const answer = await answered(charge("r1", 5_000));
    expect(answer).toMatchObject({ kind: "resource", status: 202, charge: { status: "processing" } });
  });
});

describe("a shard that is nearly full", () => {
  const { rejection } = reject("overloaded", "nearly full", { retry_after: 60 });

  it("begins nothing new, but answers again what it answered", async () => {
    const first = await answered(charge("r1"));
    shard.parts.actor.nearlyFull = rejection;
    expect(await answered(charge("r2", 10_000, command(), "another"))).toMatchObject({ kind: "problem", rejection });
    const id = world.ids.next("trf", world.sim.now);
    expect(await answered(transfer("r3", id, "one"))).toMatchObject({ kind: "problem", rejection });
    expect(withoutReplay(await answered(charge("r4")))).toEqual(withoutReplay(first));
    shard.parts.actor.nearlyFull = null;
    // Nothing was kept of the refusals.
    expect(await answered(charge("r5", 10_000, command(), "another"))).toMatchObject({ status: 201, replayed: false });
    expect(await answered(transfer("r6", id, "one"))).toMatchObject({ kind: "resource" });
  });
});

describe("a shard with too much under way", () => {
  /** Sagas that are live and nothing more, as many as it takes for `live` in all. */
  const fill = (live: number): void => {
    const { actor } = shard.parts;
    const old = Array.from({ length: live }, (_, at) => `old-${String(at).padStart(5, "0")}`);
    actor.state = { ...actor.state, live: [...old, ...actor.state.live] };
  };
  const empty = (): void => {
    const { actor } = shard.parts;
    actor.state = { ...actor.state, live: actor.state.live.filter((id) => !id.startsWith("old-")) };
  };
  const FULL = { kind: "problem", rejection: { code: "overloaded", retry_after: 2 } };

  it("takes the last that fits and refuses the next, of every kind, keeping nothing under its key", async () => {
    fill(MAX_LIVE - 1);
    const last = charge("r1", 0, command({ amount: fromMinor(700_000n, "EUR") }));
    expect(await answered(last)).toMatchObject({ kind: "resource", status: 202 });
    expect(await answered(charge("r2", 10_000, command(), "k2"))).toMatchObject(FULL);
    const id = world.ids.next("trf", world.sim.now);
    expect(await answered(transfer("r3", id, "one"))).toMatchObject(FULL);
    empty();
    expect(await answered(charge("r4", 10_000, command(), "k2"))).toMatchObject({ status: 201, replayed: false });
    expect(await answered(transfer("r5", id, "one"))).toMatchObject({ kind: "resource", replayed: false });
  });

  it("ends what it has begun, answers for it, and begins what that needs", async () => {
    const early = charge("r1", 0, command({ settle_currency: "USD" }));
    await world.run(1_000, () => shard.sagas.length > 0);
    fill(MAX_LIVE);
    expect(await answered(early)).toMatchObject({ kind: "resource" });
    await run(60_000);
    expect(await answered(charge("r2", 10_000, command({ settle_currency: "USD" })))).toMatchObject({ replayed: true });
    const own = shard.sagas.filter(({ id }) => id?.startsWith("sag_"));
    expect(own.map(({ kind, status }) => `${kind} ${status}`).sort()).toEqual(["charge completed", "hedge completed"]);
  });

  it("counts only those that began when many come at once", async () => {
    fill(MAX_LIVE - 2);
    const all = Array.from({ length: 5 }, (_, at) =>
      charge(`r${at}`, 0, command({ amount: fromMinor(700_000n, "EUR") }), `k${at}`),
    );
    const answers = await Promise.all(all.map(answered));
    expect(answers.map((answer) => (answer.kind === "problem" ? answer.rejection.code : answer.status)).sort()).toEqual(
      [202, 202, "overloaded", "overloaded", "overloaded"],
    );
  });
});

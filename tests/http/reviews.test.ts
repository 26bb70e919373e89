import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkAll, faultsIn } from "../support/checker.ts";
import { type Answer, type Api, api, poll } from "../support/client.ts";
import { type Server, startServer } from "../support/server.ts";
import {
  charge as askFor,
  type Charge as BareCharge,
  fundWallet,
  must,
  type OpenPod,
  openPod,
  operator,
  person,
  type Role,
} from "../support/story.ts";

let server: Server;
let admin: Api;
beforeAll(async () => {
  server = await startServer({ env: { CROWDPAY_CLOCK: "manual" } });
  admin = await operator(server);
});
afterAll(() => server?.[Symbol.asyncDispose]());

type Charge = BareCharge & { risk: { outcome: string; reasons: string[]; score?: number } };
type Problem = { code: string; reason?: string };
type List<T> = { data: T[]; next: string | null };

let keys = 0;
/** A charge under a key of its own. */
const charge = (caller: Api, pod: OpenPod, amount: string, from = "tok_ok"): Promise<Answer<Charge & Problem>> =>
  askFor(caller, pod, { amount, from, key: `key-${keys++}`, wait: 20 }) as Promise<Answer<Charge & Problem>>;

/** A charge of the owner's that waits for review: a thousand, by a member since just now. */
const inReview = async (pod: OpenPod, caller = pod.owner, from = "tok_ok"): Promise<Charge> => {
  const waiting = must(await charge(caller, pod, "1000.00", from), 202);
  expect(waiting.status).toBe("requires_review");
  return waiting;
};

const advance = async (duration: string): Promise<void> => {
  must(await admin.post("/v1/test/clock", { advance: duration }), 200);
};
const readCharge = async (pod: OpenPod, { id }: Pick<Charge, "id">): Promise<Charge> =>
  must(await pod.owner.get<Charge>(`/v1/charges/${id}`), 200);
const review = (by: Api, { id }: Charge, decision: string, note = "looked at"): Promise<Answer<Charge & Problem>> =>
  by.post(`/v1/charges/${id}/review`, { decision, note });
const cancel = (by: Api, { id }: Charge): Promise<Answer<Charge & Problem>> => by.post(`/v1/charges/${id}/cancel`, {});
const expectConflict = ({ status, body }: Answer<Problem>): void => {
  expect([status, body.code]).toEqual([409, "conflict"]);
};

const eventsAbout = async (pod: OpenPod, { id }: Charge): Promise<string[]> => {
  type Row = { event: { type: string; data: { charge?: string } } };
  const { data } = must(await pod.owner.get<List<Row>>(`/v1/pods/${pod.id}/events?limit=200`), 200);
  const about = data.filter(({ event }) => event.data.charge === id).map(({ event }) => event.type);
  return about.filter((type) => type.startsWith("charge."));
};

const expectMoneyIn = async (pod: OpenPod, posted: string): Promise<void> => {
  const { balances } = must(await pod.owner.get<{ balances: unknown }>(`/v1/pods/${pod.id}`), 200);
  expect(balances).toEqual([{ currency: "EUR", posted, pending: "0.00", pending_in: "0.00", available: posted }]);
};

const capturesOf = async (pod: OpenPod): Promise<string[]> => {
  const books = await api(server.sandboxUrl).get<List<{ charge: string; status: string }>>(`/books?pod=${pod.id}`);
  return must(books, 200).data.flatMap(({ charge: id, status }) => (status === "captured" ? [id] : []));
};

describe("the shipped rules, to the cent", () => {
  /** A pod whose member `settled` has been one for two days. */
  const podWithHistory = async (members: readonly string[] = []): Promise<OpenPod> => {
    const pod = await openPod(server, { owner: "settled", members: [...members, "newcomer"] });
    await advance("P2D");
    return pod;
  };
  const outcome = async (answer: Promise<Answer<Charge & Problem>>): Promise<unknown[]> => {
    const { status, body } = await answer;
    return [status, body.code ?? body.status, body.risk?.outcome, body.risk?.reasons];
  };
  const APPROVED = [201, "succeeded", "approve", []];
  const reviewed = (...reasons: string[]) => [202, "requires_review", "review", reasons];
  const DECLINED = [422, "risk_declined", undefined, undefined];

  test("a thousand is looked at when its payer is new, and a cent less is not", async () => {
    const pod = await openPod(server);
    expect(await outcome(charge(pod.owner, pod, "999.99"))).toEqual(APPROVED);
    expect(await outcome(charge(pod.owner, pod, "1000.00"))).toEqual(reviewed("new_member_amount"));
    expect(await outcome(charge(pod.owner, pod, "5000.00"))).toEqual(reviewed("amount_review", "new_member_amount"));
  });

  test("five thousand is looked at whoever pays, and fifty thousand is declined and leaves no charge", async () => {
    const pod = await podWithHistory();
    expect(await outcome(charge(pod.owner, pod, "1000.00"))).toEqual(APPROVED);
    expect(await outcome(charge(pod.owner, pod, "4999.99"))).toEqual(APPROVED);
    const large = must(await charge(pod.owner, pod, "5000.00"), 202);
    expect(large.risk).toEqual({ outcome: "review", reasons: ["amount_review"] });
    const larger = must(await charge(pod.owner, pod, "49999.99"), 202);
    expect(await outcome(charge(pod.owner, pod, "50000.00"))).toEqual(DECLINED);
    const ids = must(await pod.owner.get<List<Charge>>(`/v1/pods/${pod.id}/charges`), 200).data.map(({ id }) => id);
    for (const one of [large, larger]) must(await cancel(pod.owner, one), 200);
    expect(ids.length).toBeLessThanOrEqual(4);
    await expectMoneyIn(pod, "5909.99");
  });

  test("over a hundred thousand in a day is looked at, by one person in all their pods, until the day is over", async () => {
    const [pod, other] = [await podWithHistory(["heavy"]), await podWithHistory(["heavy"])];
    const heavy = pod.as("heavy");
    const paid = await Promise.all(
      Array.from({ length: 25 }, (_, index) => charge(heavy, index % 2 === 0 ? pod : other, "4000.00")),
    );
    expect(new Set(paid.map(({ body }) => body.status))).toEqual(new Set(["succeeded"]));
    expect(await outcome(charge(heavy, pod, "0.01"))).toEqual(reviewed("velocity_24h"));
    expect(await outcome(charge(heavy, other, "0.01"))).toEqual(reviewed("velocity_24h"));
    expect(await outcome(charge(pod.owner, pod, "0.01"))).toEqual(APPROVED);
    await advance("PT24H10M");
    expect(await outcome(charge(heavy, pod, "4000.00"))).toEqual(APPROVED);
  });

  test("what was declined or cancelled does not count towards it", async () => {
    const pod = await podWithHistory(["lucky"]);
    const lucky = pod.as("lucky");
    for (let round = 0; round < 3; round++) {
      must(await cancel(lucky, must(await charge(lucky, pod, "49999.99"), 202)), 200);
    }
    expect(must(await charge(lucky, pod, "4999.00", "tok_declined"), 201).status).toBe("failed");
    expect(await outcome(charge(lucky, pod, "4999.99"))).toEqual(APPROVED);
  });

  test("an instrument declined twenty times in ten minutes is not asked again, by that person", async () => {
    const pod = await podWithHistory(["stubborn"]);
    const stubborn = pod.as("stubborn");
    const tries = await Promise.all(Array.from({ length: 20 }, () => charge(stubborn, pod, "1.00", "tok_declined")));
    expect(tries.map(({ body }) => body.status)).toEqual(tries.map(() => "failed"));
    expect(await outcome(charge(stubborn, pod, "1.00", "tok_declined"))).toEqual(DECLINED);
    expect(await outcome(charge(stubborn, pod, "1.00"))).toEqual(APPROVED);
    expect((await charge(pod.owner, pod, "1.00", "tok_declined")).body.status).toBe("failed");
    await advance("PT11M");
    expect((await charge(stubborn, pod, "1.00", "tok_declined")).body.status).toBe("failed");
  });

  test("the score is the operator's alone", async () => {
    const pod = await openPod(server);
    const waiting = await inReview(pod);
    expect(waiting.risk).toEqual({ outcome: "review", reasons: ["new_member_amount"] });
    expect((await readCharge(pod, waiting)).risk).toEqual(waiting.risk);
    const seen = must(await admin.get<Charge>(`/v1/charges/${waiting.id}`), 200);
    expect(seen.risk).toEqual({ ...waiting.risk, score: expect.any(Number) });
  });
});

describe("a charge that waits for review", () => {
  test("has moved nothing, and reserves nothing in the pool", async () => {
    const pod = await openPod(server);
    const waiting = await inReview(pod);
    await expectMoneyIn(pod, "0.00");
    expect(await capturesOf(pod)).toEqual([]);
    expect(await eventsAbout(pod, waiting)).toEqual(["charge.created", "charge.requires_review"]);
    expect(waiting.settled).toBeUndefined();
  });

  test("is captured once when it is approved", async () => {
    const pod = await openPod(server);
    const waiting = await inReview(pod);
    const approved = must(await review(admin, waiting, "approve"), 200);
    expect(approved).toMatchObject({ status: "succeeded", settled: { amount: "985.00", currency: "EUR" } });
    expect((await readCharge(pod, waiting)).status).toBe("succeeded");
    await expectMoneyIn(pod, "985.00");
    expect(await capturesOf(pod)).toEqual([waiting.id]);
    expect(await eventsAbout(pod, waiting)).toEqual(["charge.created", "charge.requires_review", "charge.succeeded"]);
    for (const decision of ["approve", "decline"]) expectConflict(await review(admin, waiting, decision));
    expectConflict(await cancel(pod.owner, waiting));
  });

  test("fails and was never captured when it is declined", async () => {
    const pod = await openPod(server);
    const waiting = await inReview(pod);
    const declined = must(await review(admin, waiting, "decline", "not our customer's name"), 200);
    expect(declined).toMatchObject({ status: "failed", failure: { code: "risk_declined" } });
    expect((await readCharge(pod, waiting)).failure).toEqual({ code: "risk_declined" });
    await expectMoneyIn(pod, "0.00");
    expect(await capturesOf(pod)).toEqual([]);
    expect(await eventsAbout(pod, waiting)).toEqual(["charge.created", "charge.requires_review", "charge.failed"]);
    for (const decision of ["approve", "decline"]) expectConflict(await review(admin, waiting, decision));
    expectConflict(await cancel(pod.owner, waiting));
  });

  test("may still be declined by the card when it is approved", async () => {
    const pod = await openPod(server);
    const waiting = await inReview(pod, pod.owner, "tok_insufficient");
    const approved = must(await review(admin, waiting, "approve"), 200);
    expect(approved).toMatchObject({
      status: "failed",
      failure: { code: "payment_declined", decline_reason: "insufficient_funds" },
    });
    await expectMoneyIn(pod, "0.00");
  });

  test("runs on when the pod is frozen or its payer has left meanwhile", async () => {
    const pod = await openPod(server, { members: ["gone"] });
    const waiting = await inReview(pod, pod.as("gone"));
    must(await pod.owner.post(`/v1/pods/${pod.id}/freeze`, {}), 200);
    must(await pod.as("gone").delete(`/v1/pods/${pod.id}/members/me`), 204);
    expect(must(await review(admin, waiting, "approve"), 200).status).toBe("succeeded");
    await expectMoneyIn(pod, "985.00");
  });

  test("pays from the wallet as it is at the approval, and not at all from one emptied since", async () => {
    const pod = await openPod(server, { owner: "saver" });
    await fundWallet(admin, "saver", "1500.00");
    const [first, second] = [await inReview(pod, pod.owner, "wallet"), await inReview(pod, pod.owner, "wallet")];
    expect(must(await review(admin, first, "approve"), 200).status).toBe("succeeded");
    const late = must(await review(admin, second, "approve"), 200);
    expect(late).toMatchObject({ status: "failed", failure: { decline_reason: "insufficient_funds" } });
    await expectMoneyIn(pod, "985.00");
    const data = await poll(
      async () => must(await pod.owner.get<List<object>>("/v1/wallets"), 200).data,
      ({ length }) => length > 0,
    );
    expect(data).toEqual([expect.objectContaining({ currency: "EUR", posted: "500.00", available: "500.00" })]);
  });

  test("is the operator's to decide, and nobody else's", async () => {
    const pod = await openPod(server, { members: ["max"] });
    const waiting = await inReview(pod, pod.as("max"));
    for (const by of [pod.owner, pod.as("max"), await person(server, "stranger")]) {
      const { status, body } = await review(by, waiting, "approve");
      expect([status, body.code, body.reason]).toEqual([403, "forbidden", "operator_only"]);
    }
    expect((await review(admin, waiting, "perhaps")).status).toBe(400);
    expect((await admin.post(`/v1/charges/${waiting.id}/review`, { decision: "approve" })).status).toBe(400);
    expect((await readCharge(pod, waiting)).status).toBe("requires_review");
  });
});

describe("a cancel", () => {
  test("before the capture gives everything back", async () => {
    const pod = await openPod(server);
    const waiting = await inReview(pod);
    const cancelled = must(await cancel(pod.owner, waiting), 200);
    expect(cancelled.status).toBe("cancelled");
    expect(await readCharge(pod, waiting)).toEqual(cancelled);
    await expectMoneyIn(pod, "0.00");
    expect(await capturesOf(pod)).toEqual([]);
    expect(await eventsAbout(pod, waiting)).toEqual(["charge.created", "charge.requires_review", "charge.cancelled"]);
    expectConflict(await cancel(pod.owner, waiting));
    for (const decision of ["approve", "decline"]) expectConflict(await review(admin, waiting, decision));
  });

  test("after the capture's intent is too late, whatever the provider will say", async () => {
    const pod = await openPod(server);
    for (const [from, status] of [
      ["tok_async", "succeeded"],
      ["tok_async_failed", "failed"],
    ] as const) {
      const key = `cancel-${from}`;
      const open = must(await askFor(pod.owner, pod, { amount: "9.00", from, key, wait: 0 }), 202) as Charge;
      expectConflict(await cancel(pod.owner, open));
      await expect.poll(async () => (await readCharge(pod, open)).status, { timeout: 15_000 }).toBe(status);
      expectConflict(await cancel(pod.owner, open));
    }
    const paid = must(await charge(pod.owner, pod, "1.00"), 201);
    expectConflict(await cancel(pod.owner, paid));
    expect((await readCharge(pod, paid)).status).toBe("succeeded");
  });

  test.each([
    ["owner", 200],
    ["admin", 200],
    ["treasurer", 200],
    ["member", 403],
    ["viewer", 403],
  ] as [Role, number][])("of another's charge by a pod's %s: %i", async (role, expected) => {
    const pod = await openPod(server, { owner: "first", members: { payer: "member", ...{ [role]: role } } });
    const waiting = await inReview(pod, pod.as("payer"));
    const { status, body } = await cancel(pod.as(role), waiting);
    expect([status, body.code, typeof body.reason]).toEqual(
      expected === 200 ? [200, undefined, "undefined"] : [403, "forbidden", "string"],
    );
    expect((await readCharge(pod, waiting)).status).toBe(expected === 200 ? "cancelled" : "requires_review");
    expect((await cancel(admin, waiting)).status).toBe(403);
    // One's own is one's own.
    if (expected !== 200) expect((await cancel(pod.as("payer"), waiting)).status).toBe(200);
  });

  test("and an approval at once never both have their way, and the money follows the winner", async () => {
    const pod = await openPod(server);
    const waiting: Charge[] = [];
    for (let index = 0; index < 10; index++) waiting.push(await inReview(pod));
    const answers = await Promise.all(
      waiting.map(async (one, index) => {
        const late = index % 2 === 0;
        const approval = late ? null : review(admin, one, "approve");
        const cancelling = cancel(pod.owner, one);
        return { cancelled: await cancelling, approved: await (approval ?? review(admin, one, "approve")) };
      }),
    );
    const ended = await Promise.all(waiting.map((one) => readCharge(pod, one)));
    for (const [index, { status }] of ended.entries()) {
      const { cancelled, approved } = answers[index] ?? expect.unreachable();
      // An approval may be overtaken by a cancel on the way to its capture; a cancel that was granted holds.
      expect([status, cancelled.status]).toEqual(cancelled.status === 200 ? ["cancelled", 200] : ["succeeded", 409]);
      if (status === "succeeded") expect(approved).toMatchObject({ status: 200, body: { status: "succeeded" } });
      else expect(approved.status === 409 || approved.body.status !== "succeeded").toBe(true);
    }
    const paid = ended.filter(({ status }) => status === "succeeded");
    await expectMoneyIn(pod, (paid.length * 985).toFixed(2));
    expect((await capturesOf(pod)).sort()).toEqual(paid.map(({ id }) => id).sort());
  });
});

test("a charge nobody has looked at within a week fails as expired, and everything agrees", async () => {
  const pod = await openPod(server);
  const order = { amount: "1000.00", from: "tok_ok", key: "forgotten" };
  const forgotten = must(await askFor(pod.owner, pod, order), 202) as Charge;
  await advance("P6DT23H");
  expect((await readCharge(pod, forgotten)).status).toBe("requires_review");
  await advance("P1DT2H");
  const expired = await readCharge(pod, forgotten);
  expect(expired).toMatchObject({ status: "failed", failure: { code: "expired" } });
  expectConflict(await review(admin, forgotten, "approve"));
  expectConflict(await cancel(pod.owner, forgotten));
  const again = await askFor(pod.owner, pod, order);
  expect([again.status, again.headers.get("idempotency-replayed"), again.body]).toEqual([202, "true", expired]);
  await expectMoneyIn(pod, "0.00");

  const witness = { reader: pod.owner, operator: admin, sandbox: api(server.sandboxUrl) };
  const { verdicts, currencies } = await checkAll(witness, pod.id, [forgotten.id]);
  // Charges of other tests still wait for review, so the lists of sagas under way are not empty.
  expect(faultsIn(verdicts.filter(({ name }) => name !== "lists"))).toEqual([]);
  expect(currencies.every(({ difference }) => difference === "0.00")).toBe(true);
});

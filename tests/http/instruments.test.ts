import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkAll, faultsIn } from "../support/checker.ts";
import { type Answer, type Api, api, poll } from "../support/client.ts";
import { type Server, startServer } from "../support/server.ts";
import { type Charge, charge, must, type OpenPod, openPod, operator } from "../support/story.ts";

type Ending = { status: string; failure?: { code: string; decline_reason: string } };

const SUCCEEDED: Ending = { status: "succeeded" };
const declined = (decline_reason: string): Ending => ({
  status: "failed",
  failure: { code: "payment_declined", decline_reason },
});

/** What the provider does with each instrument, and what becomes of the charge. */
const INSTRUMENTS: readonly (readonly [token: string, ending: Ending])[] = [
  ["tok_ok", SUCCEEDED],
  ["tok_slow", SUCCEEDED],
  ["tok_declined", declined("do_not_honor")],
  ["tok_insufficient", declined("insufficient_funds")],
  ["tok_timeout_then_captured", SUCCEEDED],
  ["tok_timeout_then_failed", declined("do_not_honor")],
  ["tok_5xx_twice", SUCCEEDED],
  ["tok_duplicate_webhook", SUCCEEDED],
  ["tok_async", SUCCEEDED],
  ["tok_async_failed", declined("do_not_honor")],
  ["tok_dispute", SUCCEEDED],
];

const DEADLINE_MS = 15_000;

let server: Server;
let admin: Api;
beforeAll(async () => {
  server = await startServer();
  admin = await operator(server);
});
afterAll(() => server?.[Symbol.asyncDispose]());

const hasEnded = ({ status }: Charge): boolean => status !== "processing";

const endOf = (pod: OpenPod, id: string, deadlineMs: number): Promise<Charge> =>
  poll(async () => must(await pod.owner.get<Charge>(`/v1/charges/${id}`), 200), hasEnded, deadlineMs);

type Account = { holds: unknown[]; debits_pending: string; credits_pending: string; credits_posted: string };

/** Books, charges, entries, events, lists, trial balance and chains agree, and no account holds anything back. */
const expectAgreement = async (pod: OpenPod, ids: readonly string[]): Promise<void> => {
  const witness = { reader: pod.owner, operator: admin, sandbox: api(server.sandboxUrl) };
  const report = await checkAll(witness, pod.id, ids);
  expect(faultsIn(report.verdicts)).toEqual([]);
  expect(report.currencies).toEqual([{ currency: "EUR", difference: "0.00" }]);
  for (const account of [`pod:${pod.id}:EUR`, "psp:sandbox:EUR", "fee:EUR"]) {
    const shown = must(await admin.get<Account>(`/v1/ledger/accounts/${account}`), 200);
    expect([account, shown.holds, shown.debits_pending, shown.credits_pending]).toEqual([account, [], "0.00", "0.00"]);
  }
};

describe("one charge from each instrument", () => {
  let pod: OpenPod;
  const charges = new Map<string, Promise<{ first: Answer<Charge>; ended: Charge; tookMs: number }>>();
  beforeAll(async () => {
    pod = await openPod(server);
    for (const [token] of INSTRUMENTS) {
      const started = Date.now();
      const run = async () => {
        const first = await charge(pod.owner, pod, { amount: "100.00", from: token, key: token, wait: 15 });
        const { id } = must(first, 201, 202);
        const ended = await endOf(pod, id, DEADLINE_MS);
        return { first, ended, tookMs: Date.now() - started };
      };
      const running = run();
      running.catch(() => undefined);
      charges.set(token, running);
    }
  });

  test.each(INSTRUMENTS)("%s ends within 15 s as it should", async (token, ending) => {
    const { first, ended, tookMs } = (await charges.get(token)) ?? expect.unreachable();
    expect(tookMs).toBeLessThan(DEADLINE_MS);
    expect({ status: ended.status, failure: ended.failure }).toEqual({ failure: undefined, ...ending });
    expect(ended.settled).toEqual(ending === SUCCEEDED ? { amount: "98.50", currency: "EUR" } : undefined);
    // An answer that has ended is 201, and says what a read says afterwards; an open one is 202.
    expect(first.status).toBe(hasEnded(first.body) ? 201 : 202);
    if (first.status === 201) expect(first.body).toEqual(ended);
    expect(first.headers.get("location")).toBe(`/v1/charges/${ended.id}`);
  });

  test("the seven that succeeded are the pool, and nothing of the others is left", async () => {
    const ended = await Promise.all(charges.values());
    await expectAgreement(
      pod,
      ended.map(({ ended }) => ended.id),
    );
    const { balances } = must(await pod.owner.get<{ balances: unknown[] }>(`/v1/pods/${pod.id}`), 200);
    expect(balances).toEqual([
      { currency: "EUR", posted: "689.50", pending: "0.00", pending_in: "0.00", available: "689.50" },
    ]);
  });

  test("a chargeback a second after the capture leaves the charge succeeded", async () => {
    const { ended } = (await charges.get("tok_dispute")) ?? expect.unreachable();
    const age = () => Date.now() - Date.parse(ended.created_at);
    const later = await poll(
      async () => must(await pod.owner.get<Charge>(`/v1/charges/${ended.id}`), 200),
      () => age() > 2_500,
    );
    expect(later).toEqual(ended);
  });
});

describe("Prefer: wait", () => {
  let pod: OpenPod;
  beforeAll(async () => {
    pod = await openPod(server);
  });

  test("of nothing is answered at once: under way, where to look, and when", async () => {
    const started = Date.now();
    const order = { amount: "10.00", from: "tok_slow", key: "no-wait", wait: 0 };
    const { status, headers, body } = await charge(pod.owner, pod, order);
    expect(Date.now() - started).toBeLessThan(2_500);
    expect([status, body.status, body.settled]).toEqual([202, "processing", undefined]);
    expect(headers.get("location")).toBe(`/v1/charges/${body.id}`);
    expect(headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
    expect((await endOf(pod, body.id, DEADLINE_MS)).status).toBe("succeeded");
  });

  test("of long enough is answered with the end, and no later", async () => {
    const started = Date.now();
    const order = { amount: "10.00", from: "tok_async", key: "long-wait", wait: 30 };
    const { status, body } = await charge(pod.owner, pod, order);
    expect([status, body.status]).toEqual([201, "succeeded"]);
    expect(Date.now() - started).toBeLessThan(DEADLINE_MS);
  });
});

describe("the same request twenty times at once under one key is one charge", () => {
  let pod: OpenPod;
  const answers = new Map<string, Answer<Charge>[]>();
  const ids: string[] = [];
  beforeAll(async () => {
    pod = await openPod(server);
    await Promise.all(
      INSTRUMENTS.map(async ([token]) => {
        const order = { amount: "100.00", from: token, key: `twenty-${token}`, wait: 15 };
        answers.set(token, await Promise.all(Array.from({ length: 20 }, () => charge(pod.owner, pod, order))));
      }),
    );
  }, 60_000);

  test.each(INSTRUMENTS)("%s", async (token, ending) => {
    const all = answers.get(token) ?? [];
    const done = all.filter(({ status }) => status !== 409);
    expect(done.length).toBeGreaterThan(0);
    for (const { status, headers, body } of all.filter(({ status }) => status === 409)) {
      expect([status, (body as unknown as { code: string }).code]).toEqual([409, "idempotency_in_progress"]);
      expect(headers.get("retry-after")).toBe("1");
    }
    // One of them began it; whoever else was answered was answered the same.
    expect(done.filter(({ headers }) => headers.get("idempotency-replayed") === null).length).toBe(1);
    expect(new Set(done.map(({ status }) => status)).size).toBe(1);
    expect(new Set(done.map(({ body }) => body.id)).size).toBe(1);
    const [first] = done;
    if (first?.status === 201) expect(new Set(done.map(({ body }) => JSON.stringify(body))).size).toBe(1);

    const id = first?.body.id ?? "";
    ids.push(id);
    const ended = await endOf(pod, id, DEADLINE_MS);
    expect({ status: ended.status, failure: ended.failure }).toEqual({ failure: undefined, ...ending });
    const again = await charge(pod.owner, pod, { amount: "100.00", from: token, key: `twenty-${token}` });
    expect([again.status, again.body]).toEqual([first?.status, ended]);
    expect(again.headers.get("idempotency-replayed")).toBe("true");
  });

  test("and at most one capture: eleven charges, seven captures, seven entries", async () => {
    expect(new Set(ids).size).toBe(INSTRUMENTS.length);
    await expectAgreement(pod, ids);
  });
});

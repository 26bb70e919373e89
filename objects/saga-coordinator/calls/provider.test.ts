import { describe, expect, it } from "vitest";
import { CONNECTORS, type ConnectorRules } from "../../../schema/connectors.ts";
import type { GatewayAnswer, ProviderState } from "../../../schema/rpc/gateway.ts";
import type { Saga, SagaStep, StepPhase } from "../../../schema/sagas.ts";
import { takeUp } from "../decide.ts";
import { beginCharge, CHARGE, T0, told, upTo } from "../testing/fixtures.ts";
import { scripted } from "../testing/port.ts";
import { callProvider, captureTerms, judgeCapture } from "./provider.ts";

const RULES: ConnectorRules = CONNECTORS.sandbox;
const HOUR = 3_600_000;
const AMOUNT = { amount: "100.00", currency: "EUR" };
const iso = (ms: number) => new Date(ms).toISOString();

const capturing = (phase: StepPhase, change: Partial<SagaStep> = {}): SagaStep => {
  const saga = upTo(beginCharge("instrument"), "capture");
  return { ...(saga.steps[saga.cursor] as SagaStep), phase, ...change };
};

const state = (name: ProviderState, amount: typeof AMOUNT | null = AMOUNT): GatewayAnswer => ({
  outcome: "state",
  state: name,
  provider_ref: "pay_1",
  amount,
  decline_reason: name === "failed" ? "do_not_honor" : null,
});
const judge = (step: SagaStep, answer: GatewayAnswer, now = T0, rules = RULES) =>
  judgeCapture(step, answer, AMOUNT, rules, now);

const UNKNOWN: GatewayAnswer = { outcome: "unknown", detail: "no answer in time" };
const NOT_SENT: GatewayAnswer = { outcome: "not_sent", retry_after_ms: 700, detail: "breaker open" };

/** Every answer in every phase: what becomes of the capture. Nothing but a word that settles it moves it on. */
describe("an answer of the provider", () => {
  const phases: StepPhase[] = ["forward", "query", "void"];
  const settled: [GatewayAnswer, string, string | null][] = [
    [state("captured"), "done", null],
    [state("captured", null), "done", null],
    [state("failed"), "declined", "payment_declined"],
    [state("voided"), "declined", "upstream_unavailable"],
    [{ outcome: "voided" }, "declined", "upstream_unavailable"],
  ];
  it.each(phases.flatMap((phase) => settled.map(([answer, outcome, code]) => ({ phase, answer, outcome, code }))))(
    "in $phase, $answer.outcome $answer.state settles it: $outcome",
    ({ phase, answer, outcome, code }) => {
      const move = judge(capturing(phase), answer);
      expect([move.outcome, move.declined?.code ?? null, move.park]).toEqual([outcome, code, undefined]);
    },
  );

  const open: [StepPhase, GatewayAnswer, string, StepPhase | undefined][] = phases.flatMap((phase) => [
    [phase, state("pending"), "pending", "wait"],
    [phase, state("authorised"), "pending", "wait"],
    [phase, NOT_SENT, "not_sent", undefined],
    [phase, UNKNOWN, "unknown", phase === "void" ? "void" : "query"],
    [phase, { outcome: "not_found" }, "unknown", phase === "query" ? "forward" : "query"],
  ]);
  it.each(open.map(([phase, answer, outcome, next]) => ({ phase, answer, outcome, next })))(
    "in $phase, $answer.outcome $answer.state leaves it open: $outcome, next $next",
    ({ phase, answer, outcome, next }) => {
      const move = judge(capturing(phase), answer);
      expect([move.outcome, move.nextPhase, move.declined, move.park]).toEqual([outcome, next, undefined, undefined]);
    },
  );

  it.each(phases)("in %s, a capture of another amount stops for a person, with the evidence", (phase) => {
    const move = judge(capturing(phase), state("captured", { amount: "1.00", currency: "EUR" }));
    expect(move).toMatchObject({ outcome: "unknown", park: "amount_mismatch: the provider captured 1.00 EUR" });
    expect(move.result).toMatchObject({ provider_ref: "pay_1", provider_state: "captured" });
  });

  it("that names a reason has it in the charge's failure", () => {
    expect(judge(capturing("query"), state("failed")).declined).toMatchObject({ decline_reason: "do_not_honor" });
  });

  it("about a pending payment is asked for again after growing gaps, five minutes at most", () => {
    const gaps = [1, 2, 3, 20].map((attempts) => judge(capturing("query", { attempts }), state("pending")).retryInMs);
    expect(gaps).toEqual([2_000, 4_000, 8_000, 300_000]);
  });
});

describe("not found", () => {
  const found = (change: Partial<SagaStep>, now: number, rules = RULES) =>
    judge(capturing("query", change), { outcome: "not_found" }, now, rules);
  const captures = (count: number) => ({ result: { captures: String(count) } });

  it("sends the same key again, while the provider surely knows it", () => {
    expect(found(captures(1), T0)).toMatchObject({ outcome: "unknown", nextPhase: "forward" });
    expect(found(captures(5), T0 + RULES.keyTtlMs / 2 - 1)).toMatchObject({ nextPhase: "forward" });
  });

  it.each([
    ["the key may be forgotten", captures(1), T0 + RULES.keyTtlMs / 2, RULES],
    ["the clock went back", captures(1), T0 - 1, RULES],
    ["it was sent often enough", captures(6), T0, RULES],
    ["a repeated key repeats the error", captures(1), T0, { ...RULES, replaysErrors: true }],
  ])("never sends again when %s: the reference is taken out of use", (_name, change, now, rules) => {
    expect(found(change, now, rules)).toMatchObject({ outcome: "unknown", nextPhase: "void" });
  });

  it("takes the reference out of use no sooner than a payment would be seen", () => {
    const sent = { ...captures(6), last_sent_at: iso(T0 + HOUR) };
    expect(found(sent, T0 + HOUR).retryInMs).toBe(RULES.visibilityLagMs);
    expect(found(sent, T0 + HOUR + 500).retryInMs).toBe(RULES.visibilityLagMs - 500);
    expect(found(sent, T0 + 2 * HOUR).retryInMs).toBe(0);
  });

  it("is asked about for ever where a reference cannot be taken out of use", () => {
    const move = found(captures(6), T0, { ...RULES, voidByReference: false });
    expect([move.outcome, move.nextPhase, move.declined]).toEqual(["unknown", "query", undefined]);
  });

  it("is never a decline by itself", () => {
    for (const phase of ["forward", "query", "void"] as const) {
      for (const count of [0, 6]) {
        expect(judge(capturing(phase, captures(count)), { outcome: "not_found" }, T0 + 30 * HOUR).outcome).toBe(
          "unknown",
        );
      }
    }
  });
});

describe("what was never sent", () => {
  it("fails the charge after five minutes", () => {
    expect(judge(capturing("forward"), NOT_SENT, T0 + 5 * 60_000).outcome).toBe("not_sent");
    expect(judge(capturing("forward"), NOT_SENT, T0 + 5 * 60_000 + 1)).toMatchObject({
      outcome: "declined",
      declined: { code: "upstream_unavailable" },
    });
  });

  it("does not, once an attempt may have been sent", () => {
    const step = capturing("forward", { result: { maybe_sent: true } });
    expect(judge(step, NOT_SENT, T0 + 24 * HOUR)).toMatchObject({ outcome: "not_sent", retryInMs: 700 });
  });

  it.each(["forward", "query", "void"] as const)(
    "every other answer in %s says that something may have been",
    (phase) => {
      for (const answer of [state("pending"), UNKNOWN, { outcome: "not_found" } as const]) {
        expect(judge(capturing(phase), answer).result).toMatchObject({ maybe_sent: true });
      }
    },
  );
});

describe("the call itself", () => {
  const at = (saga: Saga, phase: StepPhase, change: Partial<SagaStep> = {}): Saga => ({
    ...saga,
    steps: saga.steps.map((step, index) => (index === saga.cursor ? { ...step, phase, ...change } : step)),
  });
  const saga = upTo(beginCharge("instrument"), "capture");

  it("captures under the charge's own key and reference, however often it is made", async () => {
    const { port, calls } = scripted({ provider: () => UNKNOWN });
    await callProvider(saga, port);
    await callProvider(at(saga, "forward", { attempts: 9 }), port);
    expect(calls.provider[0]).toMatchObject({
      call: "capture",
      reference: CHARGE,
      key: `${CHARGE}:capture`,
      amount: AMOUNT,
    });
    expect(calls.provider[1]).toEqual(calls.provider[0]);
  });

  it.each(["query", "void"] as const)("in %s names the reference, and opens no instrument", async (phase) => {
    const opened = () => {
      throw new Error("opened");
    };
    const { port, calls } = scripted({ provider: () => UNKNOWN, instrument: opened });
    await callProvider(at(saga, phase), port);
    expect(calls.provider).toEqual([{ call: phase, reference: CHARGE }]);
  });

  it("that breaks off on its way may have arrived", async () => {
    const { port } = scripted({ provider: () => new Error("reset") });
    expect(await callProvider(saga, port)).toMatchObject({
      outcome: "unknown",
      nextPhase: "query",
      result: { maybe_sent: true },
    });
  });

  it("is not made for an instrument that was erased; what may have been sent is asked about", async () => {
    const erased = scripted({ provider: () => UNKNOWN, instrument: () => null });
    expect(await callProvider(saga, erased.port)).toMatchObject({
      outcome: "declined",
      declined: { decline_reason: "instrument_erased" },
    });
    expect(erased.calls.provider).toEqual([]);
    const sent = takeUp(
      told(saga, { outcome: "unknown", nextPhase: "forward", result: { maybe_sent: true } }),
      T0 + HOUR,
    ) as Saga;
    expect(await callProvider(sent, erased.port)).toMatchObject({ outcome: "unknown", nextPhase: "query" });
    expect(erased.calls.provider).toEqual([{ call: "query", reference: CHARGE }]);
  });

  it("is not made for a charge by wallet", async () => {
    expect(() => captureTerms(beginCharge("wallet"))).toThrow("captures nothing");
  });
});

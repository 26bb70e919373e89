import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalJson, type JsonObject } from "./events.ts";
import type { Rejection } from "./rejections.ts";
import { viewSaga } from "./saga-view.ts";
import {
  evolveSaga,
  isLive,
  SAGA_STATUSES,
  type Saga,
  type SagaFailure,
  type SagaStep,
  STEP_STATUSES,
  sagaBegan,
  sagaStepped,
  WORDS_KEPT,
} from "./sagas.ts";

const times = fc.integer({ min: 0, max: 2_000_000_000_000 }).map((ms) => new Date(ms).toISOString());
const texts = fc.string({ unit: "grapheme", maxLength: 12 });
const counts = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const rejections: fc.Arbitrary<Rejection> = fc.record(
  { code: fc.constantFrom("limit_exceeded", "internal"), detail: texts, retry_after: fc.nat(9) },
  { requiredKeys: ["code", "detail"] },
);
const objects = fc.dictionary(texts, fc.oneof(texts, fc.boolean(), fc.constant(null))) as fc.Arbitrary<JsonObject>;

const steps: fc.Arbitrary<SagaStep> = fc.record({
  name: texts,
  status: fc.constantFrom(...STEP_STATUSES),
  phase: fc.constantFrom("forward", "query", "void", "wait", "compensate"),
  attempts: counts,
  started_at: fc.option(times),
  ended_at: fc.option(times),
  next_at: fc.option(times),
  last_sent_at: fc.option(times),
  first_sent_at: fc.option(times),
  error: fc.option(rejections),
  result: fc.option(objects),
});

const failures: fc.Arbitrary<SagaFailure> = fc.oneof(
  fc.record({ cause: fc.constant("refused" as const), rejection: rejections }),
  fc.record({ cause: fc.constant("failed" as const), code: texts, decline_reason: fc.option(texts) }),
  fc.constant({ cause: "cancelled" as const }),
);

/** What a step of a saga may change; the rest stands from its beginning. */
const moving = {
  status: fc.constantFrom(...SAGA_STATUSES),
  epoch: counts,
  cursor: fc.nat(8),
  tag: fc.option(counts),
  failure: fc.option(failures),
  shown: fc.boolean(),
  parked_reason: fc.option(texts),
  deadline_at: times,
};

const sagas: fc.Arbitrary<Saga> = fc
  .record({
    ...moving,
    id: texts,
    kind: fc.constantFrom("charge", "ledger_transfer"),
    version: counts,
    subject: texts,
    input: objects,
    steps: fc.array(steps, { maxLength: 8 }),
    principal: fc.record({ user: texts, client_id: texts }),
    correlation: texts,
    created_at: times,
  })
  .map((saga) => ({ ...saga, updated_at: saga.created_at }));

/** An entry's data as it comes back from the log. */
const stored = <T>(data: T): T => JSON.parse(canonicalJson(data)) as T;

const began = (saga: Saga): Saga =>
  evolveSaga(null, { type: "saga.began", recorded_at: saga.created_at, data: stored(sagaBegan(saga)) });

/** Every integer of a journal entry is a text: a reader in another language must not round it. */
const numbersIn = (value: unknown): number =>
  typeof value === "number"
    ? 1
    : typeof value === "object" && value !== null
      ? Object.values(value).reduce<number>((sum, inner) => sum + numbersIn(inner), 0)
      : 0;

describe("a saga folds from its journal", () => {
  test("to what it was when it began", () => {
    fc.assert(
      fc.property(sagas, (saga) => {
        expect(began(saga)).toEqual(saga);
      }),
    );
  });

  test("to what it is, step by step, each entry holding only the steps it changes", () => {
    const changes = fc.array(
      fc.record({ fields: fc.record(moving), at: fc.nat(), step: fc.option(steps), updated_at: times }),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(sagas, changes, (first, all) => {
        let folded = began(first);
        for (const { fields, at, step, updated_at } of all) {
          const index = folded.steps.length === 0 ? -1 : at % folded.steps.length;
          const after: Saga = {
            ...folded,
            ...fields,
            updated_at,
            steps: step === null ? folded.steps : folded.steps.map((old, i) => (i === index ? step : old)),
          };
          const data = sagaStepped(folded, after);
          expect(data.changed.map((change) => change.index)).toEqual(step === null || index < 0 ? [] : [String(index)]);
          const before = structuredClone(folded);
          const next = evolveSaga(folded, { type: "saga.stepped", recorded_at: updated_at, data: stored(data) });
          const stopped = (folded.status === "parked") !== (after.status === "parked");
          expect(next).toEqual({ ...after, ...(stopped ? { stops: (folded.stops ?? 0) + 1 } : {}) });
          expect(folded).toEqual(before);
          folded = next;
        }
      }),
    );
  });

  test("with integers as texts", () => {
    fc.assert(
      fc.property(sagas, (saga) => {
        const bare = { ...saga, failure: null, steps: saga.steps.map((step) => ({ ...step, error: null })) };
        expect(numbersIn(sagaBegan(bare))).toBe(0);
        expect(numbersIn(sagaStepped({ ...bare, steps: [] }, bare))).toBe(0);
      }),
    );
  });

  test("with what people said of it, the latest twenty, and whom it still waits for", () => {
    const [base] = fc.sample(sagas, { numRuns: 1, seed: 1 });
    if (base === undefined) throw new Error("nothing was sampled");
    const at = "2026-01-01T00:00:00.000Z";
    const approval = { step: "capture", verdict: "declined", provider_ref: null, by: "ann", note: "seen", at } as const;
    const say = (saga: Saga, after: Saga, by: string): Saga => {
      const data = stored(sagaStepped(saga, after, { action: "retry", by, note: null }));
      return evolveSaga(saga, { type: "saga.stepped", recorded_at: at, data });
    };
    let saga = say(base, { ...base, approval }, "op-0");
    expect(saga.approval).toEqual(approval);
    for (let word = 1; word <= WORDS_KEPT; word++) saga = say(saga, { ...base }, `op-${word}`);
    expect(saga.approval).toBeUndefined();
    expect(saga.words?.map(({ by }) => by)).toEqual(Array.from({ length: WORDS_KEPT }, (_, at) => `op-${at + 1}`));
    expect(saga.words?.[0]).toEqual({ action: "retry", by: "op-1", note: null, at });
  });

  test("and never before it began", () => {
    fc.assert(
      fc.property(sagas, (saga) => {
        const event = { type: "saga.stepped" as const, recorded_at: saga.created_at, data: sagaStepped(saga, saga) };
        expect(() => evolveSaga(null, event)).toThrow("before it began");
      }),
      { numRuns: 5 },
    );
  });
});

test("a saga is driven while it runs, waits or goes back; parked and ended ones are not", () => {
  expect(SAGA_STATUSES.filter((status) => isLive({ status }))).toEqual(["running", "waiting", "compensating"]);
});

test("operators see a saga's age, its errors and why it is parked, and nothing of what it carries", () => {
  const [step] = fc.sample(steps, { numRuns: 1, seed: 1 });
  const [base] = fc.sample(sagas, { numRuns: 1, seed: 1 });
  if (step === undefined || base === undefined) throw new Error("nothing was sampled");
  const refused = { code: "internal" as const, detail: "the callee is away" };
  const saga: Saga = {
    ...base,
    created_at: "2026-01-01T00:00:00.000Z",
    input: { secret: "input" },
    steps: [
      { ...step, error: null, result: { secret: "result" } },
      { ...step, error: refused },
    ],
    parked_reason: "unknown_outcome",
  };
  const view = viewSaga(saga, Date.parse("2026-01-01T00:01:30.999Z"));
  expect(view.age_s).toBe(90);
  expect(viewSaga(saga, 0).age_s).toBe(0);
  expect(view.steps.map(({ error }) => error)).toEqual([undefined, refused]);
  expect(view.parked_reason).toBe("unknown_outcome");
  expect(viewSaga({ ...saga, parked_reason: null }, 0)).not.toHaveProperty("parked_reason");
  expect(JSON.stringify(view)).not.toContain("secret");
});

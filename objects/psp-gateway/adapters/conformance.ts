import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fromMinor } from "../../../schema/money.ts";
import type { GatewayAnswer } from "../../../schema/rpc/gateway.ts";
import type { Attempt, PspAdapter } from "./adapter.ts";

/**
 * What every adapter must make of what its provider, or the way to it, can do. An adapter's own test says how each scene looks on
 * its wire; what has to come of it is said here, once.
 */
export type Scene =
  | "captured"
  | "pending"
  | "declined"
  | "declined with a text of any kind"
  | "voided"
  | "not found"
  | "not found by something in between"
  | "in flight"
  | "key of another request"
  | "reference already used, captured"
  | "reference burnt"
  | "too late to void, captured"
  | "request rejected"
  | "throttled for 120 s"
  | "throttled"
  | "credentials refused"
  | "server error"
  | "redirected"
  | "answer that is not JSON"
  | "answer of another shape"
  | "answer of no end"
  | "answer about another payment"
  | "instrument known"
  | "instrument unknown"
  | "connection refused"
  | "connection reset"
  | "hung up in the middle"
  | "no answer"
  | "answer that stalls";

export type Stage = {
  adapter: PspAdapter;
  /** Makes every request from now on meet this scene. `reference` is the one that will be asked about. */
  play(scene: Scene, reference: string): Promise<void>;
  close(): Promise<void>;
};

export const TOKEN = "tok_secret_of_the_payer";
const REFERENCE = "chg_01JCONFORMANCE";
/** The amount the scenes' payments have. */
export const AMOUNT = fromMinor(1234n, "EUR");
const DEADLINE_MS = 150;

type Operation = "capture" | "query" | "void";

const perform = (adapter: PspAdapter, operation: Operation, signal: AbortSignal): Promise<Attempt<GatewayAnswer>> => {
  if (operation === "query") return adapter.query(REFERENCE, signal);
  if (operation === "void") return adapter.void(REFERENCE, signal);
  return adapter.capture(
    {
      call: "capture",
      reference: REFERENCE,
      key: `${REFERENCE}:capture`,
      amount: AMOUNT,
      instrument: TOKEN,
      charge: REFERENCE,
      pod: "pod_1",
    },
    signal,
  );
};

const state = (name: string, more: object = {}) => ({
  outcome: "state",
  state: name,
  provider_ref: expect.stringMatching(/./),
  amount: AMOUNT,
  decline_reason: null,
  ...more,
});
const nothingMade = { provider_ref: "", amount: null };
const unknown = { outcome: "unknown", detail: expect.any(String) };
const notSent = (atLeastMs: number) => ({
  outcome: "not_sent",
  retry_after_ms: expect.toSatisfy((ms: number) => ms >= atLeastMs, `at least ${atLeastMs} ms`),
  detail: expect.any(String),
});

type Expectation = [scene: Scene, answer: object, fault: boolean];

/** Whatever is asked, these say nothing of the payment. */
const SILENCE: Expectation[] = [
  ["throttled for 120 s", notSent(120_000), true],
  ["throttled", notSent(1), true],
  ["credentials refused", notSent(1), true],
  ["server error", unknown, true],
  ["redirected", unknown, true],
  ["answer that is not JSON", unknown, true],
  ["answer of another shape", unknown, true],
  ["answer of no end", unknown, true],
  ["answer about another payment", unknown, true],
  ["not found by something in between", unknown, true],
  ["connection refused", unknown, true],
  ["connection reset", unknown, true],
  ["hung up in the middle", unknown, true],
  ["no answer", unknown, true],
  ["answer that stalls", unknown, true],
];

const EXPECTED: Readonly<Record<Operation, Expectation[]>> = {
  capture: [
    ["captured", state("captured"), false],
    ["pending", state("pending"), false],
    ["declined", state("failed", { decline_reason: "do_not_honor" }), false],
    ["declined with a text of any kind", state("failed", { decline_reason: "declined" }), false],
    ["in flight", unknown, false],
    ["key of another request", unknown, false],
    ["reference already used, captured", state("captured"), false],
    ["reference burnt", state("voided", nothingMade), false],
    ["request rejected", state("failed", { ...nothingMade, decline_reason: "rejected_by_provider" }), false],
    ...SILENCE,
  ],
  query: [
    ["captured", state("captured"), false],
    ["pending", state("pending"), false],
    ["declined", state("failed", { decline_reason: "do_not_honor" }), false],
    ["voided", state("voided"), false],
    ["not found", { outcome: "not_found" }, false],
    ...SILENCE,
  ],
  void: [
    ["voided", { outcome: "voided" }, false],
    ["too late to void, captured", state("captured"), false],
    ["declined", state("failed", { decline_reason: "do_not_honor" }), false],
    ["not found", { outcome: "not_found" }, false],
    ...SILENCE,
  ],
};

const LOOKUPS: [scene: Scene, answer: object, fault: boolean][] = [
  ["instrument known", { known: true, fingerprint: expect.stringMatching(/./) }, false],
  ["instrument unknown", { known: false }, false],
  ...SILENCE.map(([scene]): Expectation => [scene, { known: null }, true]),
];

/** The suite every adapter passes, on a stage it sets itself. */
export const conforms = (name: string, open: () => Promise<Stage>): void => {
  describe(`the ${name} adapter`, () => {
    let stage: Stage;
    beforeAll(async () => {
      stage = await open();
    });
    afterAll(() => stage.close());

    for (const operation of ["capture", "query", "void"] as const) {
      test.each(EXPECTED[operation])(`${operation}, %s`, async (scene, answer, fault) => {
        await stage.play(scene, REFERENCE);
        const attempt = await perform(stage.adapter, operation, AbortSignal.timeout(DEADLINE_MS));
        expect(attempt).toEqual({ answer, fault });
        expect(JSON.stringify(attempt)).not.toContain(TOKEN);
      });
    }

    test.each(LOOKUPS)("lookup, %s", async (scene, answer, fault) => {
      await stage.play(scene, REFERENCE);
      const attempt = await stage.adapter.lookup(TOKEN, AbortSignal.timeout(DEADLINE_MS));
      expect(attempt).toEqual({ answer, fault });
    });

    test.each(["", " ", ".", "..", "tok ok", "tök", "\ud800", "x".repeat(256)])(
      "an instrument %j, which can be none of the provider's, is not asked about",
      async (token) => {
        await stage.play("server error", REFERENCE);
        const attempt = await stage.adapter.lookup(token, AbortSignal.timeout(DEADLINE_MS));
        expect(attempt).toEqual({ answer: { known: false }, fault: false });
      },
    );

    test("declares rules that can hold", () => {
      const { keyTtlMs, timeoutMs, visibilityLagMs, inFlightCode } = stage.adapter.rules;
      expect(timeoutMs).toBeGreaterThan(0);
      expect(keyTtlMs).toBeGreaterThan(timeoutMs + visibilityLagMs);
      expect(inFlightCode).not.toBe("");
    });
  });
};

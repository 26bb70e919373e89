import { describe, expect, test } from "vitest";
import { POD_LIMITS } from "../../schema/pods.ts";
import type { PermitAnswer, PermitOp } from "../../schema/rpc/pod.ts";
import { decidePermit, type PermitDecision, type PermitRow } from "./decide-permits.ts";
import { euros, following, POD, podWith } from "./fixtures.ts";
import { INITIAL, type PodEvent, type PodState } from "./state.ts";

const admit = (saga: string, payer = "mia", settle_currency = "EUR"): PermitOp => ({
  op: "admit",
  saga,
  charge: `chg_${saga}`,
  payer,
  amount: euros("12.34"),
  settle_currency,
});
const review = (saga: string): PermitOp => ({
  op: "announce_review",
  saga,
  charge: `chg_${saga}`,
  payer: "mia",
  amount: euros("12.34"),
  settled: euros("12.15"),
});
const release = (saga: string): PermitOp => ({ op: "release", saga, reason: "risk_declined" });
const conclude = (saga: string, outcome: "succeeded" | "failed" | "cancelled"): PermitOp => ({
  op: "conclude",
  saga,
  outcome,
  settled: euros("12.15"),
  failure: outcome === "failed" ? "payment_declined" : null,
});

const yes: PermitAnswer = { ok: true, seq: 7, member_since: null };
const row = (state: PermitRow["state"], answers: Partial<PermitRow> = {}): PermitRow => ({
  admitted: yes,
  announced: null,
  ended: null,
  ...answers,
  state,
});
const granted = (saga: string): PodEvent => ({
  type: "permit.granted",
  data: { pod: POD, saga, charge: `chg_${saga}`, payer: "mia", amount: euros("12.34"), settle_currency: "EUR" },
});
const pod = podWith({ mia: "member", vic: "viewer" });
const open = following(pod, [granted("s1")]);
const frozen = (state: PodState): PodState => ({ ...state, status: "frozen" });

const codeOf = (decision: PermitDecision): string => {
  if (decision.do === "refuse") return decision.rejection.code;
  if (decision.do === "apply") return "applied";
  if (decision.do === "tell") return "told";
  return decision.answer.ok ? "stored" : decision.answer.rejection.code;
};
const typesOf = (decision: PermitDecision): string[] =>
  decision.do === "apply" || decision.do === "tell" ? decision.events.map(({ type }) => type) : [];

describe("admitting a charge", () => {
  test("grants a permit and tells since when the payer is a member", () => {
    expect(decidePermit(pod, null, admit("s1"))).toEqual({
      do: "apply",
      state: "open",
      memberSince: "2026-03-01T12:00:00.000Z",
      events: [granted("s1")],
    });
  });

  const full = following(
    pod,
    Array.from({ length: POD_LIMITS.openPermits }, (_, at) => granted(`full-${at}`)),
  );
  const room = following(full, [
    { type: "permit.released", data: { pod: POD, saga: "full-0", charge: "chg_full-0", reason: "risk_declined" } },
  ]);
  /** Each row takes one fault away from the row above it. */
  test.each<[string, PodState, PermitRow | null, PermitOp, string]>([
    ["a stored yes", INITIAL, row("succeeded"), admit("s1", "eve", "JPY"), "stored"],
    ["a tombstone", INITIAL, row("released", { admitted: null }), admit("s1", "eve", "JPY"), "conflict"],
    ["no pod", INITIAL, null, admit("s1", "eve", "JPY"), "not_found"],
    ["no member", frozen(full), null, admit("s1", "eve", "JPY"), "not_found"],
    ["a viewer", frozen(full), null, admit("s1", "vic", "JPY"), "forbidden"],
    ["a frozen pod", frozen(full), null, admit("s1", "mia", "JPY"), "pod_not_active"],
    ["another currency", full, null, admit("s1", "mia", "JPY"), "currency_mismatch"],
    ["a full pod", full, null, admit("s1"), "limit_exceeded"],
    ["nothing", room, null, admit("s1"), "applied"],
  ])("meets %s", (_, state, stored, op, expected) => {
    expect(codeOf(decidePermit(state, stored, op))).toBe(expected);
  });

  test("a stranger and a pod that is not there get the same words", () => {
    expect(decidePermit(pod, null, admit("s1", "eve"))).toEqual(decidePermit(INITIAL, null, admit("s1", "eve")));
  });

  test("a viewer is told which right is wanting", () => {
    expect(decidePermit(pod, null, admit("s1", "vic"))).toMatchObject({
      do: "refuse",
      rejection: { code: "forbidden", reason: "role_may_not_charge.create" },
    });
  });
});

describe("ending a permit", () => {
  test("a charge is told of once, before its outcome", () => {
    const announcing = decidePermit(open, row("open"), review("s1"));
    expect(typesOf(announcing)).toEqual(["charge.created", "charge.requires_review"]);
    if (announcing.do !== "apply") throw new Error("it was not announced");
    const announced = following(open, announcing.events);
    expect(typesOf(decidePermit(announced, row("open", { announced: yes }), conclude("s1", "succeeded")))).toEqual([
      "charge.succeeded",
    ]);
    expect(typesOf(decidePermit(open, row("open"), conclude("s1", "succeeded")))).toEqual([
      "charge.created",
      "charge.succeeded",
    ]);
  });

  test("carries the permit's own amount and payer, and what was settled", () => {
    const decision = decidePermit(frozen(open), row("open"), conclude("s1", "failed"));
    const about = { pod: POD, charge: "chg_s1", saga: "s1", payer: "mia", amount: euros("12.34") };
    expect(decision).toEqual({
      do: "apply",
      state: "failed",
      memberSince: null,
      events: [
        { type: "charge.created", data: { ...about, settled: euros("12.15") } },
        { type: "charge.failed", data: { ...about, failure: "payment_declined" } },
      ],
    });
  });

  test("tells of a charge before its rate is accepted without saying what it settles", () => {
    const announcing = decidePermit(open, row("open"), { ...review("s1"), settled: null } as PermitOp);
    expect(announcing).toMatchObject({ events: [{ type: "charge.created", data: { settled: null } }, {}] });
    const failing = decidePermit(open, row("open"), { ...conclude("s1", "failed"), settled: null } as PermitOp);
    expect(failing).toMatchObject({ events: [{ type: "charge.created", data: { settled: null } }, {}] });
  });

  test("a success that settled nothing is a bug of the caller", () => {
    const op = { ...conclude("s1", "succeeded"), settled: null } as PermitOp;
    expect(() => decidePermit(open, row("open"), op)).toThrow(/settled nothing/);
  });

  test("runs on when the pod is frozen or its payer is gone", () => {
    const gone = following(open, [
      { type: "member.removed", data: { pod: POD, user: "mia", role: "member", left: true } },
    ]);
    expect(typesOf(decidePermit(frozen(gone), row("open"), conclude("s1", "succeeded")))).toEqual([
      "charge.created",
      "charge.succeeded",
    ]);
  });

  const tombstone = row("released", { admitted: null, ended: yes });
  const refusedRow = row("refused", {
    admitted: { ok: false, rejection: { code: "not_found", detail: "no such pod" } },
  });
  test.each<[string, PodState, PermitRow | null, PermitOp, string, string[]]>([
    ["review, unknown", pod, null, review("s1"), "conflict", []],
    ["review, refused", pod, refusedRow, review("s1"), "conflict", []],
    ["review, ended", pod, row("failed", { ended: yes }), review("s1"), "conflict", []],
    ["review, again", open, row("open", { announced: yes }), review("s1"), "stored", []],
    ["review, again after the end", pod, row("succeeded", { announced: yes, ended: yes }), review("s1"), "stored", []],
    ["release, open", open, row("open"), release("s1"), "applied", ["permit.released"]],
    ["release, again", pod, row("released", { ended: yes }), release("s1"), "stored", []],
    ["release, unknown: a tombstone", pod, null, release("s1"), "applied", []],
    ["release, tombstone", pod, tombstone, release("s1"), "stored", []],
    ["release, refused", pod, refusedRow, release("s1"), "applied", []],
    ["release, concluded", pod, row("succeeded", { ended: yes }), release("s1"), "conflict", []],
    ["conclude, again", pod, row("succeeded", { ended: yes }), conclude("s1", "succeeded"), "stored", []],
    ["conclude, otherwise", pod, row("succeeded", { ended: yes }), conclude("s1", "failed"), "conflict", []],
    ["conclude, released", pod, row("released", { ended: yes }), conclude("s1", "succeeded"), "conflict", []],
    ["success, unknown", pod, null, conclude("s1", "succeeded"), "conflict", []],
    ["success, refused", pod, refusedRow, conclude("s1", "succeeded"), "conflict", []],
    ["success, tombstone", pod, tombstone, conclude("s1", "succeeded"), "conflict", []],
    ["cancel, unknown: a tombstone", pod, null, conclude("s1", "cancelled"), "applied", []],
    ["failure, refused", pod, refusedRow, conclude("s1", "failed"), "applied", []],
    ["cancel, open", open, row("open"), conclude("s1", "cancelled"), "applied", ["charge.created", "charge.cancelled"]],
  ])("%s", (_, state, stored, op, code, types) => {
    const decision = decidePermit(state, stored, op);
    expect(codeOf(decision)).toBe(code);
    expect(typesOf(decision)).toEqual(types);
  });

  test("a failure without a reason is a bug of the caller", () => {
    const op = { ...conclude("s1", "failed"), failure: null } as PermitOp;
    expect(() => decidePermit(open, row("open"), op)).toThrow(/without a reason/);
  });
});

describe("telling how a charge stands", () => {
  const tell = (number: number, parked: string | null): PermitOp => ({
    op: "announce_standing",
    saga: "s1",
    number,
    parked,
  });
  const toldOf = (state: PodState, op: PermitOp): PodState => {
    const decision = decidePermit(state, row("open"), op);
    return decision.do === "tell" ? following(state, decision.events) : state;
  };
  const parked = toldOf(open, tell(1, "capture: unknown for a day"));

  test.each<[string, PodState, PermitOp, string[]]>([
    ["parked", open, tell(1, "amount_mismatch: 9.00 EUR"), ["saga.parked"]],
    ["the same again", parked, tell(1, "capture: unknown for a day"), []],
    ["taken up again", parked, tell(2, null), ["saga.resumed"]],
    ["taken up before anybody heard that it was parked", open, tell(2, null), []],
    ["parked again, what was between never heard", parked, tell(3, "post: refused"), ["saga.parked"]],
    ["parked, told too late", toldOf(parked, tell(2, null)), tell(1, "capture: unknown for a day"), []],
    ["of a charge that has ended", pod, tell(1, "capture: unknown for a day"), []],
  ])("%s", (_what, state, op, types) => {
    expect(typesOf(decidePermit(state, row("open"), op))).toEqual(types);
  });

  test("says why by a code, for nothing else belongs before members", () => {
    const decision = decidePermit(open, row("open"), tell(1, "amount_mismatch: the provider captured 9.00 EUR"));
    expect(decision).toMatchObject({ do: "tell", events: [{ data: { reason: "amount_mismatch", number: "1" } }] });
  });
});

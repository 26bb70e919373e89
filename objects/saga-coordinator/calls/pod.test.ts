import { describe, expect, it } from "vitest";
import type { RiskDecision } from "../../../schema/charges.ts";
import { type RejectionCode, reject } from "../../../schema/rejections.ts";
import type { PermitAnswer } from "../../../schema/rpc/pod.ts";
import type { RiskAnswer, RiskOp } from "../../../schema/rpc/risk.ts";
import type { Saga } from "../../../schema/sagas.ts";
import { cancel } from "../decide.ts";
import { ASSESSED, beginCharge, CHARGE, inReview, SAGA, T0, told, upTo } from "../testing/fixtures.ts";
import { type Scripted, scripted } from "../testing/port.ts";
import { perform } from "./perform.ts";

const yes: PermitAnswer = { ok: true, seq: 1, member_since: "2025-12-31T00:00:00.000Z" };
const takenOut = (op: RiskOp) => (op.op === "assess" ? new Error("assessed") : { op: op.op });

const performing = async (saga: Saga, script: Scripted) => {
  const { port, calls } = scripted(script);
  return { report: await perform(saga, port), ...calls };
};

const failing = (saga: Saga, code: string): Saga =>
  told(saga, { outcome: "declined", declined: { ...reject("conflict", "no"), code, decline_reason: "no" } });

describe("admit", () => {
  const saga = beginCharge("instrument");

  it("asks for a permit in the words of who is behind the charge, and learns since when the payer is a member", async () => {
    const { report, pod } = await performing(saga, { pod: () => yes });
    expect(report).toMatchObject({ outcome: "done", result: { member_since: "2025-12-31T00:00:00.000Z" } });
    expect(pod[0]).toMatchObject({
      op: { op: "admit", saga: SAGA, charge: CHARGE, payer: "alice", settle_currency: "EUR" },
      meta: { principal: saga.principal, correlation: "r", causation: SAGA },
    });
  });

  it.each<[RejectionCode, string]>([
    ["pod_not_active", "declined"],
    ["forbidden", "declined"],
    ["not_found", "declined"],
    ["currency_mismatch", "declined"],
    ["limit_exceeded", "declined"],
    ["overloaded", "unknown"],
    ["internal", "unknown"],
    ["upstream_unavailable", "unknown"],
  ])("that answers %s is %s", async (code, outcome) => {
    expect((await performing(saga, { pod: () => reject(code, "no") })).report.outcome).toBe(outcome);
  });
});

describe("assess", () => {
  const saga = told(beginCharge("instrument"), {
    outcome: "done",
    result: { member_since: "2025-12-31T00:00:00.000Z" },
  });
  const deciding = (outcome: RiskDecision["outcome"]) => (): RiskAnswer => ({
    op: "assess",
    decision: { outcome, score: 40, reasons: ["amount"] },
  });

  it.each(["approve", "review"] as const)("that says %s goes on, and is kept", async (outcome) => {
    const { report, risk } = await performing(saga, { risk: deciding(outcome) });
    expect(report).toMatchObject({ outcome: "done", result: { outcome, score: "40", reasons: ["amount"] } });
    expect(risk[0]).toMatchObject({ op: "assess", instrument: "fp", member_since: "2025-12-31T00:00:00.000Z" });
  });

  it("that declines is a refusal that does not say which rule it was", async () => {
    const { report } = await performing(saga, { risk: deciding("decline") });
    expect(report).toMatchObject({
      outcome: "declined",
      declined: { rejection: { code: "risk_declined" } },
    });
  });

  it("of a wallet names no instrument", async () => {
    const { risk } = await performing(upTo(beginCharge("wallet"), "assess"), { risk: deciding("approve") });
    expect(risk[0]).toMatchObject({ instrument: null });
  });
});

describe("review", () => {
  it("is told to the pod, and then waits", async () => {
    const saga = told(upTo(beginCharge("instrument"), "assess"), ASSESSED("review"));
    const { report, pod } = await performing(saga, { pod: () => yes });
    expect(report).toMatchObject({ outcome: "pending", nextPhase: "wait" });
    expect(report.retryInMs).toBeUndefined();
    expect(pod[0]?.op.op).toBe("announce_review");
    expect((await performing(saga, { pod: () => reject("internal", "no") })).report.outcome).toBe("unknown");
  });
});

describe("the permit ends", () => {
  const atAdmit = (saga: Saga): Saga => {
    let at = saga;
    while (at.steps[at.cursor]?.name !== "admit") at = told(at, { outcome: "done" });
    return at;
  };

  it.each<[string, Saga, object]>([
    [
      "as if it had never been, for a charge nobody was told of",
      failing(upTo(beginCharge("instrument"), "reserve"), "x"),
      { op: "release", reason: "conflict" },
    ],
    [
      "failed, for one that failed",
      failing(upTo(beginCharge("instrument"), "capture"), "payment_declined"),
      { op: "conclude", outcome: "failed", failure: "payment_declined" },
    ],
    [
      "cancelled, for one that was taken back",
      cancel(inReview(), T0) as Saga,
      { op: "conclude", outcome: "cancelled", failure: null },
    ],
  ])("%s", async (_name, saga, op) => {
    const { report, pod } = await performing(atAdmit(saga), { pod: () => yes });
    expect(report.outcome).toBe("done");
    expect(pod[0]?.op).toMatchObject(op);
  });

  it("again and again, until the pod has it", async () => {
    const { report } = await performing(atAdmit(cancel(inReview(), T0) as Saga), {
      pod: () => reject("internal", "no"),
    });
    expect(report.outcome).toBe("unknown");
  });
});

describe("a payment that comes to nothing is", () => {
  const atAssess = (saga: Saga): Saga => {
    let at = saga;
    while (at.steps[at.cursor]?.name !== "assess") at = told(at, { outcome: "done" });
    return at;
  };

  it.each<[string, Saga, object]>([
    [
      "counted against its instrument, when the provider declined",
      failing(upTo(beginCharge("instrument"), "capture"), "payment_declined"),
      { op: "decline" },
    ],
    [
      "taken out of the windows, when the provider could not be reached",
      failing(upTo(beginCharge("instrument"), "capture"), "upstream_unavailable"),
      { op: "release" },
    ],
    ["taken out of the windows, when somebody took the charge back", cancel(inReview(), T0) as Saga, { op: "release" }],
  ])("%s", async (_name, saga, op) => {
    const { risk } = await performing(atAssess(saga), { risk: takenOut });
    expect(risk[0]).toMatchObject(op);
  });
});

describe("conclude", () => {
  const saga = upTo(beginCharge("instrument"), "conclude");

  it("ends the permit, counted, and has nothing to say to the risk profile", async () => {
    const { report, pod, risk } = await performing(saga, { pod: () => yes });
    expect(report.outcome).toBe("done");
    expect(pod[0]?.op).toMatchObject({ op: "conclude", outcome: "succeeded", failure: null });
    expect(risk).toEqual([]);
  });

  it("is not done before the pod has it", async () => {
    const { report } = await performing(saga, { pod: () => reject("internal", "no") });
    expect(report.outcome).toBe("unknown");
  });

  it("breaks off when the pod does not answer, and is then made again", async () => {
    const { port } = scripted({ pod: () => new Error("lost") });
    const broken = await perform(saga, port).then(
      () => false,
      () => true,
    );
    expect(broken).toBe(true);
  });
});

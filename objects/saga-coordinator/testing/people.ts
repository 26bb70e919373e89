import type { RiskDecision } from "../../../schema/charges.ts";
import { toMinor } from "../../../schema/money.ts";
import { reject } from "../../../schema/rejections.ts";
import type { PermitAnswer, PermitOp } from "../../../schema/rpc/pod.ts";
import type { RiskAnswer, RiskOp } from "../../../schema/rpc/risk.ts";

type Permit = { state: "open" | "refused" | "released" | "succeeded" | "failed" | "cancelled"; ends: number };

/** A pod as the coordinator meets it: one permit a saga, its answers final. */
export class PodModel {
  readonly permits = new Map<string, Permit>();
  readonly #answers = new Map<string, PermitAnswer>();
  /** Set to refuse new permits. */
  frozen = false;
  #seq = 0;

  /** What its log last told of each saga's standing, and how often. */
  readonly told = new Map<string, { number: number; parked: boolean }>();

  apply(op: PermitOp): PermitAnswer {
    if (op.op === "announce_standing") return this.#hear(op);
    const slot = op.op === "release" || op.op === "conclude" ? "end" : op.op;
    const stored = this.#answers.get(`${op.saga} ${slot}`);
    const answer = stored ?? this.#decide(op);
    if (stored === undefined && !(slot === "announce_review" && !answer.ok))
      this.#answers.set(`${op.saga} ${slot}`, answer);
    const ended = this.permits.get(op.saga)?.state;
    if (stored !== undefined && slot === "end" && ended !== outcomeOf(op) && ended !== "refused") {
      throw new Error(`${op.saga} ended ${ended} and now ${outcomeOf(op)}`);
    }
    return answer;
  }

  #hear({ saga, number, parked }: Extract<PermitOp, { op: "announce_standing" }>): PermitAnswer {
    if (number > (this.told.get(saga)?.number ?? 0)) this.told.set(saga, { number, parked: parked !== null });
    return { ok: true, seq: ++this.#seq, member_since: null };
  }

  #decide(op: Exclude<PermitOp, { op: "announce_standing" }>): PermitAnswer {
    const permit = this.permits.get(op.saga);
    const yes: PermitAnswer = { ok: true, seq: ++this.#seq, member_since: null };
    switch (op.op) {
      case "admit": {
        if (permit !== undefined) return reject("conflict", "ended before it was admitted");
        this.permits.set(op.saga, { state: this.frozen ? "refused" : "open", ends: 0 });
        return this.frozen ? reject("pod_not_active", "frozen") : { ...yes, member_since: "2099-01-01T00:00:00.000Z" };
      }
      case "announce_review":
        return permit?.state === "open" ? yes : reject("conflict", "no open permit");
      default: {
        const outcome = outcomeOf(op);
        if (outcome === "succeeded" && permit?.state !== "open") return reject("conflict", "no open permit");
        if (permit?.state === "refused") return yes;
        this.permits.set(op.saga, { state: outcome, ends: (permit?.ends ?? 0) + 1 });
        return yes;
      }
    }
  }
}

const outcomeOf = (op: PermitOp) => (op.op === "conclude" ? op.outcome : "released");

type Assessment = { state: "counted" | "refused" | "released" | "declined"; decision: RiskDecision };

/** A person's risk profile: decides by the amount alone, and counts what it let through until that is taken out. */
export class RiskModel {
  readonly assessments = new Map<string, Assessment>();

  apply(op: RiskOp): RiskAnswer {
    const known = this.assessments.get(op.saga);
    if (op.op === "assess") {
      if (known !== undefined) return { op: "assess", decision: known.decision };
      const decision = judge(toMinor(op.amount));
      this.assessments.set(op.saga, { state: decision.outcome === "decline" ? "refused" : "counted", decision });
      return { op: "assess", decision };
    }
    if (known === undefined && op.op === "release") {
      const decision: RiskDecision = { outcome: "decline", score: 100, reasons: ["released"] };
      this.assessments.set(op.saga, { state: "released", decision });
    } else if (known?.state === "counted") {
      this.assessments.set(op.saga, { ...known, state: op.op === "release" ? "released" : "declined" });
    }
    return { op: op.op };
  }
}

const judge = (minor: bigint): RiskDecision => {
  if (minor >= 5_000_000n) return { outcome: "decline", score: 60, reasons: ["amount_decline"] };
  if (minor >= 500_000n) return { outcome: "review", score: 40, reasons: ["amount_review"] };
  return { outcome: "approve", score: 0, reasons: [] };
};

import type { RiskDecision } from "../../schema/charges.ts";
import type { EventBody, JsonObject } from "../../schema/events.ts";
import { SYSTEM } from "../../schema/events.ts";
import { RISK_RULES, type RiskRule } from "../../schema/risk-rules.ts";
import type { RiskOp } from "../../schema/rpc/risk.ts";
import { recordingTime } from "../kit/event-log.ts";
import { type Assessment, decide, type Outcome } from "./decide.ts";
import { fold, type RiskState } from "./state.ts";

export const HOUR = 3_600_000;
export const START = Date.parse("2026-10-01T12:00:00.000Z");
export const LONG_AGO = "2026-01-01T00:00:00.000Z";

type Assess = Extract<RiskOp, { op: "assess" }>;

export const assessOp = (saga: string, euros: string, more: Partial<Assess> = {}): Assess => ({
  op: "assess",
  saga,
  charge: `chg_${saga}`,
  pod: "pod_1",
  amount: { amount: euros, currency: "EUR" },
  instrument: "fp_card",
  member_since: LONG_AGO,
  principal: SYSTEM,
  correlation: "req_1",
  ...more,
});
const takeOut =
  (op: "release" | "decline") =>
  (saga: string): RiskOp => ({ op, saga, principal: SYSTEM, correlation: "req_1" });
export const releaseOp = takeOut("release");
export const declineOp = takeOut("decline");

/** A profile without its object: the pure parts wired as the object wires them, with a clock the test turns. */
export class Profile {
  state: RiskState = fold.initial;
  now = START;
  readonly known = new Map<string, Assessment>();
  readonly events: EventBody[] = [];
  readonly #rules: readonly RiskRule[];

  constructor(rules: readonly RiskRule[] = RISK_RULES) {
    this.#rules = rules;
  }

  do(op: RiskOp): Outcome {
    const at = recordingTime({ recordedAt: this.events.at(-1)?.recorded_at ?? "" }, this.now);
    const outcome = decide(this.state, this.known.get(op.saga) ?? null, op, this.#rules, at);
    if (outcome.change === null) return outcome;
    const { event, keep } = outcome.change;
    const recorded_at = new Date(at).toISOString();
    const seq = String(this.events.length + 1);
    const body: EventBody = {
      stream: "risk/alice",
      seq,
      id: `evt_${seq}`,
      type: event.type,
      version: "1",
      recorded_at,
      effective_at: recorded_at,
      correlation: op.correlation,
      causation: op.saga,
      principal: op.principal,
      data: event.data as JsonObject,
    };
    this.state = fold.evolve(this.state, body);
    this.known.set(op.saga, keep);
    this.events.push(body);
    return outcome;
  }

  assess(saga: string, euros: string, more: Partial<Assess> = {}): RiskDecision {
    const { answer } = this.do(assessOp(saga, euros, more));
    if (answer.op !== "assess") throw new Error("an assessment was answered with something else");
    return answer.decision;
  }

  /** What the windows hold, EUR minor units. */
  get counted(): bigint {
    return this.state.amounts.reduce((sum, { minor }) => sum + minor, 0n);
  }
}

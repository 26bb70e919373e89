import type { Saga } from "../../../schema/sagas.ts";
import { refusalIn } from "../../kit/stub.ts";
import type { CallPort } from "../calls/port.ts";
import type { StepReport } from "../decide.ts";

/** What one attempt came to, before it is said of which attempt. */
export type Move = Omit<StepReport, "step" | "epoch">;

/** One call of a step: its own, or the one that undoes it. */
export type Call = (saga: Saga, port: CallPort) => Promise<Move>;

/** A call that broke off: nobody knows what came of it, though whoever refused to take it may have said why. */
export const brokenOff = (error: unknown): Move => {
  const refusal = refusalIn(error);
  return { outcome: "unknown", ...(refusal === null ? {} : { error: refusal }) };
};

import type { ChargeRecord } from "../../schema/charges.ts";

/** A charge as its readers see it: never the instrument, and the risk score for operators only. */
export const chargeResource = (charge: ChargeRecord, operator: boolean) => {
  const { id, pod, payer, status, amount, settled, fees, fx, risk, failure, saga, created_at } = charge;
  return {
    id,
    pod,
    payer,
    status,
    amount,
    ...(settled === null ? {} : { settled }),
    fees,
    ...(fx === undefined ? {} : { fx }),
    risk: risk && {
      outcome: risk.outcome,
      reasons: risk.reasons,
      ...(operator ? { score: risk.score } : {}),
    },
    ...(failure === null ? {} : { failure }),
    saga,
    created_at,
  };
};

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
    // An actor that wakes has them as its journal spells them, by field name: one answer is one text all the same.
    fees: fees.map(({ name, amount: fee }) => ({ name, amount: fee })),
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

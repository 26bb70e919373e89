import { chargeInput } from "../../schema/charges.ts";
import { SYSTEM } from "../../schema/events.ts";
import type { Saga } from "../../schema/sagas.ts";
import type { BeginSaga } from "./decide.ts";
import type { HedgeInput } from "./definitions/hedge.ts";

const isConverted = (saga: Saga): boolean =>
  saga.kind === "charge" && saga.steps.some(({ name, status }) => name === "convert" && status === "done");

/**
 * The hedge that a charge's step from one state to the next begins: one, in the commit that ends its conversion. Its ids are the
 * charge's own from the beginning. It is the house's business, not the payer's; the subject only says whose charge it came from.
 */
export const hedgeBegunBy = (before: Saga, after: Saga): BeginSaga | null => {
  if (isConverted(before) || !isConverted(after)) return null;
  const { charge, conversion } = chargeInput(after);
  if (conversion === undefined) throw new Error(`${after.id} converted without a conversion`);
  const input: HedgeInput = { saga: after.id, charge, transfer: conversion.hedge_transfer };
  const { subject, correlation } = after;
  return { id: conversion.hedge, kind: "hedge", subject, input, principal: SYSTEM, correlation };
};

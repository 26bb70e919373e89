import { chargeInput } from "../../../schema/charges.ts";
import type { Saga } from "../../../schema/sagas.ts";
import { chargeDefinition } from "./charge.ts";
import type { SagaDefinition, StepDefinition } from "./definition.ts";
import { hedge } from "./hedge.ts";
import { ledgerTransfer } from "./ledger-transfer.ts";

const current = (saga: Saga): SagaDefinition => {
  switch (saga.kind) {
    case "charge":
      return chargeDefinition(chargeInput(saga));
    case "hedge":
      return hedge;
    case "ledger_transfer":
      return ledgerTransfer;
  }
};

/**
 * The definition a saga began with. A version stays here until no saga runs on it; a saga whose version is gone is a bug, found
 * by the golden journals.
 */
export const definitionOf = (saga: Saga): SagaDefinition => {
  const definition = current(saga);
  if (definition.version !== saga.version) throw new Error(`${saga.kind} version ${saga.version} is not known`);
  return definition;
};

export const stepDefinition = (saga: Saga, index: number): StepDefinition => {
  const found = definitionOf(saga).steps[index];
  if (found === undefined) throw new Error(`${saga.id} has no step ${index}`);
  return found;
};

import type { Saga } from "../../../schema/sagas.ts";
import {
  chargeByInstrument,
  chargeByWallet,
  chargeByWalletV1,
  convertedByInstrument,
  convertedByWallet,
  convertedByWalletV2,
} from "./charge.ts";
import type { SagaDefinition, StepDefinition } from "./definition.ts";
import { hedge } from "./hedge.ts";
import { ledgerTransfer } from "./ledger-transfer.ts";
import { nameOf } from "./name.ts";

/** Definitions by name. Throws where two are told apart by nothing that a journal holds. */
export const registry = (definitions: readonly SagaDefinition[]): Map<string, SagaDefinition> =>
  register(new Map(), definitions);

const register = (known: Map<string, SagaDefinition>, definitions: readonly SagaDefinition[]) => {
  for (const definition of definitions) {
    const name = nameOf(definition);
    if (known.has(name)) throw new Error(`two definitions are ${name}`);
    known.set(name, definition);
  }
  return known;
};

/** What is deployed; tests make more known. */
export const DEPLOYED: readonly SagaDefinition[] = [
  chargeByInstrument,
  chargeByWalletV1,
  chargeByWallet,
  convertedByInstrument,
  convertedByWalletV2,
  convertedByWallet,
  ledgerTransfer,
  hedge,
];

const KNOWN = registry(DEPLOYED);

/** Every definition that a saga may still run on. One is added by a new version, and leaves when no saga runs on it. */
export const DEFINITIONS: ReadonlyMap<string, SagaDefinition> = KNOWN;

/** Makes more definitions known, before the first saga runs on one. Throws as {@link registry} does. */
export const makeKnown = (definitions: readonly SagaDefinition[]): void => void register(KNOWN, definitions);

/**
 * The definition a saga began with, whatever is begun with today. A saga whose definition is gone is a bug, found by the golden
 * journals; in the field it is parked, and goes on once the definition is back.
 */
export const definitionOf = (saga: Saga): SagaDefinition => {
  const definition = DEFINITIONS.get(nameOf(saga));
  if (definition === undefined) throw new Error(`${saga.kind} version ${saga.version} is not known`);
  return definition;
};

export const stepDefinition = (saga: Saga, index: number): StepDefinition => {
  const found = definitionOf(saga).steps[index];
  if (found === undefined) throw new Error(`${saga.id} has no step ${index}`);
  return found;
};

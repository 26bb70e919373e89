import type { Saga } from "../../../schema/sagas.ts";
import { begin } from "../decide.ts";
import type { SagaDefinition } from "../definitions/definition.ts";
import { beginningOf, type Kin } from "../steps/sub-saga.ts";
import { SAGA, T0 } from "./fixtures.ts";
import { firstOf, inputFor } from "./kinds.ts";

/** When a saga of {@link beginKind} that is due later is due. */
export const DUE_AT = T0 + 5_000;

/** A saga with one of the steps that no saga in the field has, begun in the same shard and at the same moment as any other. */
export const beginKind = (definition: SagaDefinition): Saga => {
  let made = 0;
  const next = () => {
    const ulid = `01ARZ3NDEKTSV4RRFFQ69G5FB${made++}`;
    return { saga: `sag_${ulid}03`, transfer: `trf_${ulid}` };
  };
  return begin(definition, firstOf(SAGA, inputFor(next, DUE_AT)), T0, 1);
};

/** The saga that is, or undoes, a step of another. */
export const beginKin = (parent: Saga, kin: Kin): Saga => begin(kin.definition, beginningOf(parent, kin), T0, 1);

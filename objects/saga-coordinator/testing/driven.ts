import type { Saga } from "../../../schema/sagas.ts";
import { cancel } from "../decide.ts";
import { DONE, told } from "./fixtures.ts";

/** A saga taken back, every undo answered, until nothing is left to undo; null when it may not go back. */
export const compensateAll = (saga: Saga, now: number): Saga | null => {
  let at = cancel(saga, now);
  while (at?.status === "compensating") at = told(at, DONE, now);
  return at;
};

import type { TransferLeg } from "../../../schema/charges.ts";
import type { Saga } from "../../../schema/sagas.ts";
import { define, pivot, retriable, type SagaDefinition } from "./definition.ts";

/** What a hedge is begun with. `saga` is the charge whose conversion it covers. */
export type HedgeInput = { saga: string; charge: string; transfer: string };

export const hedgeInput = (saga: Saga): HedgeInput => saga.input as unknown as HedgeInput;

/** The legs of a hedge, once a provider has filled it. */
export const hedgeLegs = (saga: Saga): TransferLeg[] =>
  (saga.steps.find(({ name }) => name === "execute")?.result?.legs as TransferLeg[] | undefined) ?? [];

/**
 * Covers one conversion at a liquidity provider. It only goes forward: nobody's charge waits for it, and while no provider fills
 * it the house carries the position. The desk sees to it that one hedge is one trade.
 */
export const hedge: SagaDefinition = define({
  kind: "hedge",
  version: 1,
  door: "execute",
  deadlineMs: 365 * 86_400_000,
  steps: [pivot("execute"), retriable("post", { posts: true })],
});

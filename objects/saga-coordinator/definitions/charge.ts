import { type chargeInput, riskOf } from "../../../schema/charges.ts";
import { compensatable, define, pivot, retriable, type SagaDefinition } from "./definition.ts";

const DAY_MS = 86_400_000;
const notInReview = (saga: Parameters<typeof riskOf>[0]): boolean => riskOf(saga)?.outcome !== "review";

const admission = [
  compensatable("admit"),
  compensatable("assess"),
  compensatable("review", { undo: false, skip: notInReview }),
];

/**
 * A charge from an instrument: the provider's capture is the pivot. Until its intent everything can be given back; after it the
 * money is posted, however long that takes.
 */
export const chargeByInstrument: SagaDefinition = define(
  {
    kind: "charge",
    version: 1,
    door: "reserve",
    deadlineMs: 7 * DAY_MS,
    steps: [
      ...admission,
      compensatable("reserve"),
      pivot("capture", { unknown: "ask" }),
      retriable("post", { posts: true }),
      retriable("conclude"),
    ],
  },
  ["review"],
);

/** A charge from the payer's own wallet: the wallet's post is the decision, so an empty wallet is a refusal and no charge. */
export const chargeByWallet: SagaDefinition = define(
  {
    kind: "charge",
    version: 1,
    door: "debit",
    deadlineMs: 7 * DAY_MS,
    steps: [...admission, pivot("debit", { posts: true }), retriable("post", { posts: true }), retriable("conclude")],
  },
  ["review"],
);

/**
 * A charge that settles in another currency. The desk accepts a rate after the review, so that nobody's thinking time costs the
 * house, and before the reserve, which is of what the rate makes. The commit that ends `convert` begins the hedge.
 */
export const convertedByInstrument: SagaDefinition = define(
  {
    kind: "charge",
    version: 2,
    door: "reserve",
    deadlineMs: 7 * DAY_MS,
    steps: [
      ...admission,
      compensatable("accept"),
      compensatable("reserve"),
      pivot("capture", { unknown: "ask" }),
      retriable("convert"),
      retriable("post", { posts: true }),
      retriable("conclude"),
    ],
  },
  ["review"],
);

/** The same from the payer's wallet. */
export const convertedByWallet: SagaDefinition = define(
  {
    kind: "charge",
    version: 2,
    door: "debit",
    deadlineMs: 7 * DAY_MS,
    steps: [
      ...admission,
      compensatable("accept"),
      pivot("debit", { posts: true }),
      retriable("convert"),
      retriable("post", { posts: true }),
      retriable("conclude"),
    ],
  },
  ["review"],
);

export const chargeDefinition = (charge: Pick<ReturnType<typeof chargeInput>, "source" | "conversion">) => {
  if (charge.conversion === undefined) return charge.source.type === "wallet" ? chargeByWallet : chargeByInstrument;
  return charge.source.type === "wallet" ? convertedByWallet : convertedByInstrument;
};

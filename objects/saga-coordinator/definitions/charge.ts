import { chargeInput, riskOf } from "../../../schema/charges.ts";
import { compensatable, define, pivot, retriable, type SagaDefinition } from "./definition.ts";

const DAY_MS = 86_400_000;
const notInReview = (saga: Parameters<typeof riskOf>[0]): boolean => riskOf(saga)?.outcome !== "review";

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
      compensatable("admit"),
      compensatable("assess"),
      compensatable("review", { undo: false, skip: notInReview }),
      compensatable("reserve"),
      pivot("capture", { unknown: "ask" }),
      retriable("post", { posts: true }),
      retriable("conclude"),
    ],
  },
  ["review"],
);

/**
 * A charge from the payer's own wallet: the wallet's post is the decision, so an empty wallet is a refusal and no charge. The
 * pod's credit is reserved first where it may be refused: under a cap, and after a review, which may have outlasted what was
 * known of the cap.
 */
export const chargeByWallet: SagaDefinition = define(
  {
    kind: "charge",
    version: 2,
    door: "debit",
    deadlineMs: 7 * DAY_MS,
    steps: [
      compensatable("admit"),
      compensatable("assess"),
      compensatable("review", { undo: false, skip: notInReview }),
      compensatable("reserve", { skip: (saga) => chargeInput(saga).capped !== true && notInReview(saga) }),
      pivot("debit", { posts: true }),
      retriable("post", { posts: true }),
      retriable("conclude"),
    ],
  },
  ["review"],
);

/** As charges from a wallet were before pods' accounts could have a cap. */
export const chargeByWalletV1: SagaDefinition = define(
  {
    kind: "charge",
    version: 1,
    door: "debit",
    deadlineMs: 7 * DAY_MS,
    steps: [
      compensatable("admit"),
      compensatable("assess"),
      compensatable("review", { undo: false, skip: notInReview }),
      pivot("debit", { posts: true }),
      retriable("post", { posts: true }),
      retriable("conclude"),
    ],
  },
  ["review"],
);

export const chargeDefinition = (saga: Parameters<typeof chargeInput>[0]): SagaDefinition => {
  const { source, capped } = chargeInput(saga);
  if (source.type === "instrument") return chargeByInstrument;
  return capped === undefined ? chargeByWalletV1 : chargeByWallet;
};

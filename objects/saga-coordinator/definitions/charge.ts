import { chargeInput, riskOf } from "../../../schema/charges.ts";
import type { Saga } from "../../../schema/sagas.ts";
import { waits } from "../steps/wait.ts";
import { compensatable, define, pivot, retriable, type SagaDefinition, type StepDefinition } from "./definition.ts";

/** A charge that nobody has decided by then goes back, and a review never outlasts it. Milliseconds. */
const DEADLINE_MS = 7 * 86_400_000;
const notInReview = (saga: Saga): boolean => riskOf(saga)?.outcome !== "review";

const admission = [
  compensatable("admit"),
  compensatable("assess", { ahead: true }),
  compensatable("review", {
    ...waits({ event: "review", timeoutMs: DEADLINE_MS, late: "goes_back", refusal: "risk_declined" }),
    skip: notInReview,
  }),
];

const accept = compensatable("accept");
const reserve = compensatable("reserve");
const capture = pivot("capture", { unknown: "ask" });
const debit = pivot("debit", { posts: true });
const convert = retriable("convert");

/** Called ahead of the journal: of a reserve, where the legs stand from the start. Those of a conversion are known by its rate. */
const ahead = (step: StepDefinition): StepDefinition => ({ ...step, ahead: true });

/** Every charge is admitted first, and posted and concluded last; the steps between are its own. */
const charge = (version: number, door: "reserve" | "debit", ...own: StepDefinition[]): SagaDefinition =>
  define({
    kind: "charge",
    version,
    door,
    deadlineMs: DEADLINE_MS,
    steps: [
      ...admission,
      ...own,
      // What a conversion's commit says of its legs stands in the journal before any of them is let out.
      retriable("post", { posts: true, ahead: own.at(-1) === debit }),
      retriable("conclude", { ahead: true }),
    ],
  });

/**
 * A charge from an instrument: the provider's capture is the pivot. Until its intent everything can be given back; after it the
 * money is posted, however long that takes.
 */
export const chargeByInstrument = charge(1, "reserve", ahead(reserve), capture);

/** A charge from a wallet as it was before pods' accounts could have a cap: the wallet's post is the decision. */
export const chargeByWalletV1 = charge(1, "debit", debit);

/**
 * Before the wallet decides, the pod's credit is reserved where it may be refused: under a cap, and after a review, which may have
 * outlasted what was known of the cap.
 */
const reserveUnderCap = compensatable("reserve", {
  skip: (saga) => chargeInput(saga).capped !== true && notInReview(saga),
});

/** A charge from the payer's own wallet: the wallet's post is the decision, so an empty wallet is a refusal and no charge. */
export const chargeByWallet = charge(2, "debit", ahead(reserveUnderCap), debit);

/**
 * A charge that settles in another currency. The desk accepts a rate after the review, so that nobody's thinking time costs the
 * house, and before the reserve, which is of what the rate makes. The commit that ends `convert` begins the hedge.
 */
export const convertedByInstrument = charge(2, "reserve", accept, reserve, capture, convert);

/** The same from the payer's wallet, as it was before pods' accounts could have a cap. */
export const convertedByWalletV2 = charge(2, "debit", accept, debit, convert);

/** The same, with what the rate makes reserved at the pod before the wallet decides. */
export const convertedByWallet = charge(3, "debit", accept, reserveUnderCap, debit, convert);

/**
 * The definition that a charge begins with: by what it is paid with, whether it converts, and whether it was asked what is known of
 * the pod's cap, which nobody asked before there were caps.
 */
export const chargeDefinition = ({
  source,
  conversion,
  capped,
}: Pick<ReturnType<typeof chargeInput>, "source" | "conversion" | "capped">): SagaDefinition => {
  if (source.type === "instrument") return conversion === undefined ? chargeByInstrument : convertedByInstrument;
  if (capped === undefined) return conversion === undefined ? chargeByWalletV1 : convertedByWalletV2;
  return conversion === undefined ? chargeByWallet : convertedByWallet;
};

import { z } from "zod";
import { type Money, moneyShape } from "../money.ts";

/** `captured`, `failed` and `voided` are final. */
export type PaymentStatus = "authorised" | "captured" | "pending" | "failed" | "voided";

/** A payment as every endpoint shows it. `id` is the provider's, `reference` the merchant's. */
export type Payment = {
  id: string;
  reference: string;
  status: PaymentStatus;
  amount: Money;
  decline_reason?: string;
};

export type RefusalCode =
  | "already_captured"
  | "duplicate_reference"
  | "idempotency_key_reused"
  | "in_flight"
  | "not_authorised"
  | "not_found"
  | "reference_voided"
  | "server_error"
  | "unknown_instrument";

/** What the books answer: a payment, a refusal, or that the answer is withheld for `ms` more. `hangsUp`: it is to break off. */
export type Reply =
  | { kind: "payment"; payment: Payment; replayed: boolean; hangsUp?: boolean }
  | { kind: "wait"; ms: number }
  | { kind: "refused"; code: RefusalCode; payment?: Payment };

/** One line of what the provider itself believes; `reference` is the provider's payment id. */
export type BooksRow = {
  charge: string;
  reference: string;
  key: string;
  status: "captured" | "failed" | "refunded" | "pending";
  amount: Money;
  refunded: Money;
};

/** A merchant reference, an idempotency key or an instrument: up to 255 printable ASCII characters. */
export const opaqueShape = z.string().regex(/^[\x21-\x7e]{1,255}$/, "must be 1-255 printable ASCII characters");

const metadataText = z
  .string()
  .max(500)
  .refine((text) => text.isWellFormed(), "must be well-formed Unicode");

export const newPaymentShape = z.strictObject({
  reference: opaqueShape,
  amount: moneyShape,
  instrument: opaqueShape,
  capture: z.boolean(),
  metadata: z.object({ charge: metadataText, pod: metadataText }).catchall(metadataText),
});
export type NewPayment = z.infer<typeof newPaymentShape>;

export type WebhookType = "payment.captured" | "payment.failed" | "dispute.opened";

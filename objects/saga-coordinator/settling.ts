import { canonicalJson } from "../../schema/events.ts";
import { accept, type Result, reject } from "../../schema/rejections.ts";
import type { CreateCharge } from "../../schema/rpc/coordinator.ts";
import { DESK, type DeskRpc, type QuoteRecord } from "../../schema/rpc/desk.ts";
import type { ObjectEnv } from "../kit/env.ts";
import { callActor } from "../kit/stub.ts";

/** A charge's command with its settle currency filled in, and the text of it that is compared under its key. */
export type Settling = { command: CreateCharge & { settle_currency: string }; request: string };

/**
 * Fills in the settle currency that a charge at a quote left to the quote. Only what no later step could say is refused here: an
 * unknown quote of which that currency is asked, and any quote for a charge that converts nothing. Whether a quote still serves
 * the desk says when it accepts it.
 */
export const settlingOf = async (
  env: Pick<ObjectEnv, "FX_DESKS">,
  command: CreateCharge,
  request: string,
): Promise<Result<Settling>> => {
  const { quote, payer, amount, settle_currency } = command;
  if (quote === undefined || (settle_currency !== null && settle_currency !== amount.currency)) {
    return accept({ command: { ...command, settle_currency: settle_currency ?? amount.currency }, request });
  }
  const found = await readQuote(env, quote, payer);
  if (!found.ok) return found;
  const { currency } = found.value.buy;
  if (settle_currency !== null || currency === amount.currency) {
    return reject("currency_mismatch", "the quote is not for this charge", {
      errors: [{ pointer: "/quote", detail: `buys ${currency}` }],
    });
  }
  const filled = { ...command, settle_currency: currency };
  return accept({ command: filled, request: canonicalJson(filled) });
};

/** The command as it compares with the one that came before under its key: what a default was then, it is now. */
export const settlingAsBefore = (command: CreateCharge, request: string, before: string): string => {
  if (command.settle_currency !== null) return request;
  const { settle_currency } = JSON.parse(before) as Partial<CreateCharge>;
  return canonicalJson({ ...command, ...(settle_currency === undefined ? {} : { settle_currency }) });
};

const readQuote = async (env: Pick<ObjectEnv, "FX_DESKS">, id: string, payer: string): Promise<Result<QuoteRecord>> => {
  try {
    const quote = await callActor<DeskRpc, QuoteRecord | null>(env.FX_DESKS, DESK, (desk) => desk.readQuote(id, payer));
    return quote === null ? reject("not_found", "no such quote") : accept(quote);
  } catch {
    return reject("upstream_unavailable", "the desk cannot be reached now", { retry_after: 1 });
  }
};

import { canonicalJson } from "../../schema/events.ts";
import { misfitOf } from "../../schema/quote-fit.ts";
import { accept, type Rejection, type Result, reject } from "../../schema/rejections.ts";
import type { CreateCharge } from "../../schema/rpc/coordinator.ts";
import { DESK, type DeskRpc, type QuoteRecord } from "../../schema/rpc/desk.ts";
import type { ObjectEnv } from "../kit/env.ts";
import { callActor } from "../kit/stub.ts";

/**
 * A charge's command with its settle currency filled in, and the text of it that is compared under its key. `misfit`: its quote is
 * for another charge, and always will be.
 */
export type Settling = {
  command: CreateCharge & { settle_currency: string };
  request: string;
  misfit: Rejection | null;
};

/**
 * Fills in the settle currency: the quote's where a charge left it to one, else the amount's. What is wrong with a quote for good
 * is said here, before anything begins: the desk's own word comes after the review, when it could only fail the charge. Whether
 * the quote still serves the desk says when it accepts it.
 */
export const settlingOf = async (
  env: Pick<ObjectEnv, "FX_DESKS">,
  command: CreateCharge,
  request: string,
): Promise<Result<Settling>> => {
  const { quote, payer, pod, amount } = command;
  if (quote === undefined) {
    const filled = { ...command, settle_currency: command.settle_currency ?? amount.currency };
    return accept({ command: filled, request, misfit: null });
  }
  const found = await readQuote(env, quote, payer);
  if (!found.ok) return found;
  const settle_currency = command.settle_currency ?? found.value.buy.currency;
  const misfit = misfitOf(found.value, { sell: amount, buy_currency: settle_currency, pod });
  const filled = { ...command, settle_currency };
  return accept({ command: filled, request: canonicalJson(filled), misfit: misfit?.rejection ?? null });
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

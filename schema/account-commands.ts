import { z } from "zod";
import { money, text } from "./commands.ts";

/** What operators write about one account, as {@link ./commands.ts} has the rest. */

const reason = text(500);

/** Freeze, unfreeze, close: whoever stops an account says why. */
export const accountReasonBody = z.strictObject({ reason });

/** A bound of a balance: major units, signed; how many decimals it may have is the account's currency's to say. */
const limit = z
  .string()
  .regex(/^-?(?:0|[1-9][0-9]{0,18})(?:\.[0-9]{1,4})?$/, {
    error: "must be a decimal string in the account's currency, or null for none",
  })
  .nullable();

export const limitsBody = z
  .strictObject({ floor: limit.optional(), cap: limit.optional(), reason: reason.optional() })
  .refine(({ floor, cap }) => floor !== undefined || cap !== undefined, { error: "must have a floor or a cap" });

export const monitorBody = z
  .strictObject({
    account: z.string().min(1).max(120),
    above: money.optional(),
    below: money.optional(),
    reason: reason.optional(),
  })
  .refine(({ above, below }) => (above === undefined) !== (below === undefined), {
    error: "must have either above or below",
  });

export const monitorsQuery = z.object({ account: z.string().min(1).max(120) });

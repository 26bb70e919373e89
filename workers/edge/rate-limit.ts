import { accept, type Result, reject } from "../../schema/rejections.ts";
import type { Env } from "../env.ts";

const PERIOD_S = 60;

/**
 * An abuse guard, approximate and per location: never money or quota. `who` is a principal or an address. The wait it tells is
 * up to the next full minute, where its windows end.
 */
export const withinRate = async (env: Env, who: string, nowMs: number): Promise<Result<null>> => {
  if (env.RATE === undefined) return accept(null);
  const { success } = await env.RATE.limit({ key: who });
  if (success) return accept(null);
  const retry_after = PERIOD_S - (Math.floor(nowMs / 1000) % PERIOD_S);
  return reject("rate_limited", "too many requests in a minute", { retry_after });
};

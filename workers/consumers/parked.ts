import { systemClock } from "../../objects/kit/clock.ts";
import { parkCode } from "../../schema/saga-operations.ts";
import { parkedSagas } from "../read-model/sagas.ts";
import type { ConsumerEnv } from "./env.ts";
import { errorText, metric } from "./metrics.ts";

type Parked = { reason: string; count: number; since: string };

/** Parked sagas by code: how many, and for how long the oldest has been, seconds. */
export const parkedByCode = (
  parked: readonly Parked[],
  nowMs: number,
): { code: string; count: number; oldest_s: number }[] =>
  [...Map.groupBy(parked, ({ reason }) => parkCode(reason))].map(([code, rows]) => ({
    code,
    count: rows.reduce((sum, { count }) => sum + count, 0),
    oldest_s: Math.max(...rows.map(({ since }) => Math.floor((nowMs - Date.parse(since)) / 1000)), 0),
  }));

/** The gauges of parked sagas, once a minute: all of them, none too, and by code. A read model that is away is no reason to throw. */
export const reportParked = async (env: Pick<ConsumerEnv, "READ_MODEL">): Promise<void> => {
  try {
    const codes = parkedByCode(await parkedSagas(env.READ_MODEL), systemClock.now());
    metric(
      "sagas.parked",
      codes.reduce((sum, { count }) => sum + count, 0),
    );
    for (const { code, count, oldest_s } of codes) {
      metric("sagas.parked_by_reason", count, { reason: code });
      metric("sagas.parked_oldest_s", oldest_s, { reason: code });
    }
  } catch (error) {
    metric("sagas.parked_unknown", 1, { error: errorText(error) });
  }
};

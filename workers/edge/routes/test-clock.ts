import { advanceClock, isoTime, systemClock } from "../../../objects/kit/clock.ts";
import { advanceClockBody } from "../../../schema/commands.ts";
import { addDuration } from "../../../schema/durations.ts";
import { clockResource } from "../../../schema/resources.ts";
import type { Env } from "../../env.ts";
import { type Actors, actorsOf } from "../actors.ts";
import { answer, defineRoute } from "../route.ts";
import { claimId } from "./claims.ts";
import { knownStreams } from "./known-streams.ts";

/** A timer may set the next one: rounds until none is due, and a bound for one that never stops. */
const MAX_ROUNDS = 200;
const AT_ONCE = 16;

const runRound = async (streams: readonly string[], actors: Actors): Promise<number> => {
  let ran = 0;
  for (let from = 0; from < streams.length; from += AT_ONCE) {
    const counts = await Promise.all(
      streams.slice(from, from + AT_ONCE).map(async (stream) => {
        const ask = actors.keeper(stream);
        return ask === null ? 0 : ask((actor) => actor.runDueTimers());
      }),
    );
    ran += counts.reduce((sum, count) => sum + count, 0);
  }
  return ran;
};

/** Runs every timer that is due now, of every actor there is. */
const runAllDue = async (env: Env): Promise<void> => {
  const actors = actorsOf(env);
  for (let round = 0; round < MAX_ROUNDS; round++) {
    if ((await runRound(await knownStreams(actors), actors)) === 0) return;
  }
  throw new Error("timers kept falling due");
};

export const testClockRoutes = [
  defineRoute({
    operation: "clock.advance",
    method: "POST",
    path: "/v1/test/clock",
    summary:
      "Moves the test clock forward and runs every timer that falls due. Only on a local server that asks for it.",
    idempotency: "honoured",
    when: (settings) => settings.CROWDPAY_CLOCK === "manual",
    body: advanceClockBody,
    responses: { 200: { description: "The time it is now.", schema: clockResource } },
    handler: async (call) => {
      const now = (replayed: boolean) => answer(200, { now: isoTime(systemClock.now()) }, { replayed });
      const { advance } = call.body;
      const command = { command: "clock.advance", key: call.key, request: advance, candidate: call.requestId };
      const claimed = await claimId(call, command);
      if (!claimed.ok) return claimed;
      if (claimed.value.claimed_before) return now(true);
      const at = systemClock.now();
      advanceClock(addDuration(at, advance) - at);
      await runAllDue(call.env);
      return now(false);
    },
  }),
];

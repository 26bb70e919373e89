import type { JsonObject } from "../../../schema/events.ts";
import { currentStep, type Saga } from "../../../schema/sagas.ts";
import type { CallPort } from "../calls/port.ts";
import type { StepDefinition } from "../definitions/definition.ts";
import { brokenOff, type Call, type Move } from "./move.ts";

/** Calls side by side: done when all are, declined when one is. Each is known by its name, and undone by a call of its own. */
export type Group = { type: "group"; branches: readonly string[] };

export const together = (...branches: string[]): Pick<StepDefinition, "does"> => ({
  does: { type: "group", branches },
});

/** What is wrong with such a step; null: nothing. */
export const flawOfGroup = ({ unknown }: StepDefinition, { branches }: Group): string | null => {
  if (branches.length < 2) return "is no group";
  if (new Set(branches).size !== branches.length) return "has a branch twice";
  return unknown === "ask" ? "cannot ask for several outcomes at once" : null;
};

/** How a branch ended, as the journal keeps it. */
type Ended = { outcome: "done" | "declined"; result?: JsonObject; code?: string };
type Called = { branch: string; move: Move };

/**
 * Calls every branch whose end is not in the journal yet, and journals all ends of the round at once: what a crash leaves without
 * its entry is called again with the same words, and has the same answer. Undoing calls every branch, the one that said no
 * included, and those of which nobody knows.
 */
export const callBranches = async (
  saga: Saga,
  { branches }: Group,
  callOf: (branch: string) => Call,
  port: CallPort,
): Promise<Move> => {
  const { phase, result } = currentStep(saga);
  const key = phase === "compensate" ? "undone" : "branches";
  const known = (result?.[key] ?? {}) as Record<string, Ended>;
  const left = branches.filter((branch) => known[branch] === undefined);
  const called = await Promise.all(
    left.map(async (branch): Promise<Called> => {
      const move = await callOf(branch)(saga, port).catch(brokenOff);
      return { branch, move };
    }),
  );
  return gathered(called, key, known);
};

/** What the answers of one round make of the step. In the order of the branches, whichever came first. */
const gathered = (called: readonly Called[], key: string, known: Readonly<Record<string, Ended>>): Move => {
  const ends = called.flatMap(({ branch, move }) => {
    const end = endOf(move);
    return end === null ? [] : [[branch, end] as const];
  });
  const result = { [key]: { ...known, ...Object.fromEntries(ends) } } as JsonObject;
  const stopped = called.find(({ move }) => move.park !== undefined);
  if (stopped !== undefined) return { outcome: "unknown", result, park: `${stopped.branch}: ${stopped.move.park}` };
  const declined = called.find(({ move }) => move.outcome === "declined")?.move.declined;
  if (declined !== undefined) return { outcome: "declined", result, declined };
  const open = called.map(({ move }) => move).filter(({ outcome }) => outcome !== "done");
  if (open.length === 0) return { outcome: "done", result };
  const error = open.find((move) => move.error !== undefined)?.error;
  return {
    outcome: open.every(({ outcome }) => outcome === "not_sent") ? "not_sent" : "unknown",
    result,
    notBeforeMs: Math.max(...open.map(({ notBeforeMs, retryInMs }) => notBeforeMs ?? retryInMs ?? 0)),
    ...(error === undefined ? {} : { error }),
  };
};

const endOf = ({ outcome, result, declined }: Move): Ended | null => {
  if (outcome === "done") return { outcome, ...(result === undefined ? {} : { result }) };
  return outcome === "declined" && declined !== undefined ? { outcome, code: declined.rejection.code } : null;
};

import { checkAll, type Report, type Verdict } from "../../tests/support/checker.ts";
import type { Api } from "../../tests/support/client.ts";

export type { Charge } from "../../tests/support/story.ts";

export type Pod = { id: string; name: string; seq: number };

/** Everybody who speaks in the demo. */
export type Wire = { alice: Api; bob: Api; operator: Api; sandbox: Api };

export type Proof = Pick<Report, "chains" | "currencies"> & { ok: boolean; lines: Verdict[] };

/** Told whether they hold or not; the others only when they do not. */
const TOLD: ReadonlySet<string> = new Set([
  "pool",
  "captures",
  "hedges",
  "position",
  "trial balance",
  "chains",
  "events",
]);

/** Reads everything through the public API and the provider's own books, and compares. `charges`: every one there is. */
export const prove = async (wire: Wire, pod: Pod, charges: readonly string[]): Promise<Proof> => {
  const { alice, operator, sandbox } = wire;
  const { verdicts, chains, currencies } = await checkAll({ reader: alice, operator, sandbox }, pod.id, charges);
  return {
    ok: verdicts.every(({ ok }) => ok),
    chains,
    currencies,
    lines: verdicts.filter(({ name, ok }) => TOLD.has(name) || !ok),
  };
};

import { canonicalJson } from "../../../schema/events.ts";
import { routeCommand } from "../../../schema/ids.ts";
import { accept, type Result } from "../../../schema/rejections.ts";
import type { StreamKind } from "../../../schema/streams.ts";
import type { Call } from "../route.ts";

type Claim = {
  command: string;
  key: string | null;
  /** The parsed command: under one key it stays the same. */
  request: unknown;
  /** The id it gets unless the key was bound to another before. */
  candidate: string;
  /** What it makes is an actor of this kind, which the same commit names. */
  kind?: StreamKind;
};

/** Binds the key of a command whose actor keeps none to the id of what it makes; refused where the key is another command's. Without a key the id is the candidate. */
export const claimId = async (
  { caller, actors }: Pick<Call<unknown, unknown>, "caller" | "actors">,
  { command, key, request, candidate, kind }: Claim,
): Promise<Result<{ id: string; claimed_before: boolean }>> => {
  if (key === null && kind === undefined) return accept({ id: candidate, claimed_before: false });
  const scope = { subject: caller.user, command, key, request: canonicalJson(request) };
  const shard = routeCommand(caller.user, command, "", key ?? candidate);
  return actors.coordinator(shard)((coordinator) => coordinator.claimId(scope, candidate, kind));
};

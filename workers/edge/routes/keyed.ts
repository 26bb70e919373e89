import { canonicalJson } from "../../../schema/events.ts";
import { routeCommand } from "../../../schema/ids.ts";
import type { Answer, Call } from "../route.ts";

type Keyed = {
  command: string;
  resource: string;
  /** The parsed command: under one key it stays the same. */
  request: unknown;
  /** What the command has already come to, when it has; null when it is still to be done. */
  done: () => Promise<Answer | null>;
  act: () => Promise<Answer>;
};

/**
 * Runs a command whose actor keeps no keys: the key is bound to the command in its shard, and a second call under it answers
 * what the first came to, as it is now. A first call that died on its way is made good by the second.
 */
export const onceUnderKey = async (
  { caller, actors, requestId, key }: Call<unknown, unknown> & { key: string | null },
  { command, resource, request, done, act }: Keyed,
): Promise<Answer> => {
  if (key === null) return act();
  const scope = { subject: caller.user, command: `${command} ${resource}`, key, request: canonicalJson(request) };
  const shard = routeCommand(scope.subject, command, resource, key);
  const claimed = await actors.coordinator(shard)((coordinator) => coordinator.claimId(scope, requestId));
  if (!claimed.ok) return claimed;
  if (!claimed.value.claimed_before) return act();
  const before = await done();
  if (before !== null) return { ...before, replayed: true };
  const now = await act();
  return now.ok ? now : { ...now, replayed: true };
};

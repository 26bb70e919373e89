/** A commit of the shard's own, or the name of an actor that is called and commits. */
export type Step = typeof JOURNAL | Actor;
export type Actor = { actor: string };
export const JOURNAL = "journal";

/** What a request asks of the floor: the shard goes through the steps, the answer leaves, and its last commit follows. */
export type Plan = { shard: number; steps: readonly Step[] };

export const actor = (kind: string, number: number): Actor => ({ actor: `${kind}:${number}` });

/** A transfer is begun, taken from one account and given to another. */
export const transferSteps = ([payer, payee]: readonly [number, number]): readonly Step[] => [
  JOURNAL,
  actor("account", payer),
  actor("account", payee),
];

/**
 * A charge is begun, assessed, admitted, held, decided by what the provider said, posted and told to its pod. The provider is left
 * out, and so are its webhook and what the house has of a charge.
 */
export const chargeSteps = (pod: number, payer: number): readonly Step[] => [
  JOURNAL,
  actor("profile", payer),
  actor("pod", pod),
  actor("account", pod),
  JOURNAL,
  actor("account", pod),
  actor("pod", pod),
];

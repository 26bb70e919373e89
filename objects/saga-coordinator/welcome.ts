import type { Rejection } from "../../schema/rejections.ts";
import type { AskPolicy, ChargeAnswer } from "../../schema/rpc/coordinator.ts";

/** Payers a shard remembers before it begins anew. */
const MOST_REMEMBERED = 20_000;

type Visit = {
  pod: string;
  user: string;
  /** Something is known already of what the caller is about to be answered. */
  isReplay: boolean;
  policy: AskPolicy;
  /** Nobody has asked the pod: what is begun is the pod's to admit. */
  serve: () => Promise<ChargeAnswer>;
  refuse: (denial: Rejection) => ChargeAnswer;
};

/**
 * When the policy about a caller is asked. A stranger to a pod is refused before anything is written, so it comes first; of whom it let in here
 * lately it comes only with a refusal or a replay, in whose place its own no is said. What is remembered decides nothing: every charge is admitted by the pod, which
 * asks for the same right of the same person in its own turn, so a right that was withdrawn is withdrawn at once, and at most one charge is begun to hear so.
 */
export class Welcome {
  readonly #letIn = new Set<string>();

  async serve(visit: Visit): Promise<ChargeAnswer> {
    const { pod, user, isReplay, serve, refuse } = visit;
    const isWelcome = !isReplay && this.#letIn.has(keyOf(pod, user));
    const denial = isWelcome ? null : await this.#ask(visit);
    if (denial !== null) return refuse(denial);
    const answer = await serve();
    if (!isWelcome || (answer.kind === "resource" && !answer.replayed)) return answer;
    const late = await this.#ask(visit);
    return late === null ? answer : refuse(late);
  }

  async #ask({ pod, user, policy }: Visit): Promise<Rejection | null> {
    const denial = await policy();
    if (denial !== null) {
      this.#letIn.delete(keyOf(pod, user));
      return denial;
    }
    if (this.#letIn.size >= MOST_REMEMBERED) this.#letIn.clear();
    this.#letIn.add(keyOf(pod, user));
    return null;
  }
}

const keyOf = (pod: string, user: string): string => `${pod} ${user}`;

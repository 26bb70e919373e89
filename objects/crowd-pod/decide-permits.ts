import { mayInPod } from "../../schema/permissions.ts";
import { POD_LIMITS } from "../../schema/pods.ts";
import { type Refused, type Rejection, reject } from "../../schema/rejections.ts";
import type { PermitAnswer, PermitOp } from "../../schema/rpc/pod.ts";
import { parkCode } from "../../schema/saga-operations.ts";
import { mayNot, noSuchPod, notActive, notKept } from "./decide.ts";
import type { Permit, PodEvent, PodState } from "./state.ts";

/** What became of a saga's permit. */
export type PermitStatus = "open" | "refused" | "released" | "succeeded" | "failed" | "cancelled";

/** A saga's stored answers; null where the call has not been made. Without `admitted` the saga ended before it was admitted. */
export type PermitRow = {
  state: PermitStatus;
  admitted: PermitAnswer | null;
  announced: PermitAnswer | null;
  ended: PermitAnswer | null;
};

export type PermitDecision =
  /** Nothing is written: the stored answer, or a call that came out of order. */
  | { do: "answer"; answer: PermitAnswer }
  /** Told of, and no answer is kept: whatever is told has its number. */
  | { do: "tell"; events: PodEvent[] }
  /** The saga is refused, for good. */
  | { do: "refuse"; rejection: Rejection }
  | { do: "apply"; events: PodEvent[]; state: PermitStatus; memberSince: string | null };

type Of<T extends PermitOp["op"]> = Extract<PermitOp, { op: T }>;

const answer = (stored: PermitAnswer): PermitDecision => ({ do: "answer", answer: stored });
const conflict = (detail: string): PermitDecision => answer(reject("conflict", detail));
const refuse = ({ rejection }: Refused): PermitDecision => ({ do: "refuse", rejection });
const apply = (state: PermitStatus, ...events: PodEvent[]): PermitDecision => ({
  do: "apply",
  events,
  state,
  memberSince: null,
});

/** The coordinator's word on a saga. `row`: what this saga was answered before. */
export const decidePermit = (state: PodState, row: PermitRow | null, op: PermitOp): PermitDecision => {
  switch (op.op) {
    case "admit":
      return admit(state, row, op);
    case "announce_review":
      return announceReview(state, row, op);
    case "announce_standing":
      return { do: "tell", events: announceStanding(state, op) };
    case "release":
      return release(state, row, op);
    case "conclude":
      return conclude(state, row, op);
  }
};

/**
 * Opens a permit. Guards, in order: the stored answer; a saga that ended before it came – conflict; there is a pod and the payer
 * is a member – not_found, in the same words; the payer's right – forbidden; the pod is active; it keeps the settle currency;
 * room for one more open permit. A no is stored as a yes is.
 */
const admit = (state: PodState, row: PermitRow | null, op: Of<"admit">): PermitDecision => {
  if (row !== null)
    return row.admitted === null ? conflict("the saga ended before it was admitted") : answer(row.admitted);
  const { saga, charge, payer, amount, settle_currency } = op;
  const member = state.members.get(payer);
  if (state.profile === null || member === undefined) return refuse(noSuchPod());
  if (!mayInPod(member.role, "charge.create")) return refuse(mayNot(member.role, "charge.create"));
  if (state.status !== "active") return refuse(notActive(state));
  if (!state.profile.currencies.includes(settle_currency)) return refuse(notKept(settle_currency));
  if (state.permits.size >= POD_LIMITS.openPermits) {
    return refuse(reject("limit_exceeded", `a pod has at most ${POD_LIMITS.openPermits} charges under way`));
  }
  const pod = state.profile.id;
  return {
    do: "apply",
    events: [{ type: "permit.granted", data: { pod, saga, charge, payer, amount, settle_currency } }],
    state: "open",
    memberSince: member.since,
  };
};

const noPermit = (): PermitDecision => conflict("the saga has no open permit");

const openPermit = (state: PodState, saga: string): { pod: string; permit: Permit } => {
  const permit = state.permits.get(saga);
  if (permit === undefined || state.profile === null) throw new Error(`saga ${saga} has lost its permit`);
  return { pod: state.profile.id, permit };
};

/** Guards, in order: the stored answer; the permit is open – conflict. Amount and payer are the permit's own. */
const announceReview = (state: PodState, row: PermitRow | null, op: Of<"announce_review">): PermitDecision => {
  if (row?.announced) return answer(row.announced);
  if (row?.state !== "open") return noPermit();
  const { saga, settled } = op;
  const { pod, permit } = openPermit(state, saga);
  const { charge, payer, amount } = permit;
  const created: PodEvent = { type: "charge.created", data: { pod, charge, saga, payer, amount, settled } };
  const waits: PodEvent = { type: "charge.requires_review", data: { pod, charge, saga, payer } };
  return permit.announced ? apply("open", waits) : apply("open", created, waits);
};

/** Nothing to tell: no open permit, an older number, or taken up again before anybody heard that it was parked. */
const announceStanding = (state: PodState, { saga, number, parked }: Of<"announce_standing">): PodEvent[] => {
  const permit = state.permits.get(saga);
  if (permit === undefined || state.profile === null || number <= (permit.standing?.number ?? 0)) return [];
  const about = { pod: state.profile.id, saga, charge: permit.charge, number: String(number) };
  if (parked !== null) return [{ type: "saga.parked", data: { ...about, reason: parkCode(parked) } }];
  return permit.standing?.parked === true ? [{ type: "saga.resumed", data: about }] : [];
};

/**
 * Takes a permit back. Guards, in order: concluded before – conflict; the stored answer. Where no permit was given there is
 * nothing to end; an unknown saga leaves a tombstone, so that its late `admit` is refused.
 */
const release = (state: PodState, row: PermitRow | null, op: Of<"release">): PermitDecision => {
  if (isConcluded(row)) return conflict("the permit ended with its charge");
  if (row?.ended) return answer(row.ended);
  if (row === null) return apply("released");
  if (row.state !== "open") return apply(row.state);
  const { pod, permit } = openPermit(state, op.saga);
  return apply("released", {
    type: "permit.released",
    data: { pod, saga: op.saga, charge: permit.charge, reason: op.reason },
  });
};

const isConcluded = (row: PermitRow | null): boolean =>
  row?.state === "succeeded" || row?.state === "failed" || row?.state === "cancelled";

/**
 * Ends a permit with its charge's outcome, in a frozen pod too. Guards, in order: ended before, in the same way – the stored
 * answer, in another – conflict; a success without a permit – conflict. A failed or cancelled charge that was never admitted (it
 * was refused, or taken back while `admit` was on its way) ends without an event; an unknown one leaves a tombstone.
 */
const conclude = (state: PodState, row: PermitRow | null, op: Of<"conclude">): PermitDecision => {
  const { outcome } = op;
  const admitted = row !== null && row.state !== "refused";
  if (!admitted) {
    if (outcome === "succeeded") return noPermit();
    return row?.ended ? answer(row.ended) : apply(row?.state ?? outcome);
  }
  if (row.ended !== null) return row.state === outcome ? answer(row.ended) : conflict(`the permit ended: ${row.state}`);
  const { pod, permit } = openPermit(state, op.saga);
  const { charge, payer, amount, announced } = permit;
  const { saga, settled } = op;
  const about = { pod, charge, saga, payer, amount };
  const created: PodEvent[] = announced ? [] : [{ type: "charge.created", data: { ...about, settled } }];
  return apply(outcome, ...created, outcomeOf(about, op));
};

const outcomeOf = (
  about: { pod: string; charge: string; saga: string; payer: string; amount: Permit["amount"] },
  { outcome, settled, failure }: Of<"conclude">,
): PodEvent => {
  if (outcome === "succeeded") {
    if (settled === null) throw new Error("a charge succeeded and settled nothing");
    return { type: "charge.succeeded", data: { ...about, settled } };
  }
  if (outcome === "cancelled") return { type: "charge.cancelled", data: about };
  if (failure === null) throw new Error("a charge failed without a reason");
  return { type: "charge.failed", data: { ...about, failure } };
};

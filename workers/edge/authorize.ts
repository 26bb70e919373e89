import { mayInPod, type PodPermission, type Role } from "../../schema/permissions.ts";

/**
 * Who calls, as the token says. `operator`: the scope `admin`, which is no role in any pod; an operator who is a member as a person
 * keeps that role's rights, and still neither pays nor votes while acting as operator.
 */
export type Caller = {
  user: string;
  clientId: string;
  operator: boolean;
  /** When the token ends, milliseconds since the epoch, real time. */
  tokenEndsAt: number;
};

/** Who may call an operation at all; a `pod` operation further needs a permission of the caller's role there. */
type Rule =
  | { for: "anyone" }
  | { for: "caller" }
  | { for: "person" }
  | { for: "operator" }
  | { for: "pod"; permission: PodPermission };

const inPod = (permission: PodPermission): Rule => ({ for: "pod", permission });
const anyone: Rule = { for: "anyone" };
const caller: Rule = { for: "caller" };
const person: Rule = { for: "person" };
const operator: Rule = { for: "operator" };

/** Every operation of the house and its rule. Operations are commands and queries, not paths, whatever syntax calls them. */
export const RULES = {
  "service.health": anyone,
  "service.ready": anyone,
  "service.version": anyone,
  "service.openapi": anyone,
  "webhook.receive": anyone,
  "clock.advance": operator,
  "pod.create": person,
  "pod.list": caller,
  "pod.read": inPod("pod.read"),
  "pod.rename": inPod("pod.update"),
  "pod.freeze": inPod("pod.freeze"),
  "pod.unfreeze": inPod("pod.unfreeze"),
  "pod.events": inPod("pod.read"),
  "pod.entries": inPod("pod.read"),
  "feed.ticket": inPod("pod.read"),
  "feed.open": inPod("pod.read"),
  "pod.statement": inPod("pod.read"),
  "member.invite": inPod("member.invite"),
  "member.change_role": inPod("member.change_role"),
  "member.remove": inPod("member.remove"),
  "invitation.accept": person,
  "charge.create": inPod("charge.create"),
  "charge.list": inPod("pod.read"),
  "charge.read": inPod("pod.read"),
  "charge.cancel": inPod("charge.cancel"),
  "charge.review": operator,
  "fx.quote": caller,
  "fx.rates": caller,
  "fx.providers": operator,
  "fx.position": operator,
  "wallet.list": caller,
  "ledger.account": operator,
  "ledger.entries": operator,
  "ledger.freeze": operator,
  "ledger.unfreeze": operator,
  "ledger.close": operator,
  "ledger.limits": operator,
  "ledger.explain": operator,
  "monitor.create": operator,
  "monitor.list": operator,
  "monitor.read": operator,
  "monitor.delete": operator,
  "ledger.balance": operator,
  "ledger.statement": operator,
  "ledger.export": operator,
  "ledger.transfer": operator,
  "ledger.transfer_read": operator,
  "ledger.batch": operator,
  "ledger.close_period": operator,
  "ledger.trial_balance": operator,
  "ledger.verify": operator,
  "ledger.verification": operator,
  "saga.list": operator,
  "saga.read": operator,
  "saga.retry": operator,
  "saga.compensate": operator,
  "saga.resolve": operator,
  "read_model.rebuild": operator,
  "read_model.rebuilding": operator,
  "dead_letter.list": operator,
  "dead_letter.redrive": operator,
} as const satisfies Record<string, Rule>;

export type Operation = keyof typeof RULES;

/** What a route says of its callers; it follows from the rule of its operation. */
export type Auth = "public" | "user" | "admin";

export const authOf = (operation: Operation): Auth => {
  const rule: Rule = RULES[operation];
  if (rule.for === "anyone") return "public";
  return rule.for === "operator" ? "admin" : "user";
};

/** What a decision is made from. `role`: the caller's in the pod concerned, as its actor just said. */
export type PolicyContext = {
  caller: Caller | null;
  role?: Role | null;
  /** `charge.*`: who pays or paid. */
  payer?: string;
  /** `member.remove`: whom it concerns. */
  member?: string;
};

export type Decision = { allow: true } | { allow: false; reason: DenialReason; detail: string };

export type DenialReason =
  | "not_signed_in"
  | "operator_only"
  | "operator_holds_no_role"
  | "operator_does_not_pay"
  | `role_may_not_${PodPermission}`
  | "payer_is_not_caller"
  | "not_the_payer";

const yes: Decision = { allow: true };
const no = (reason: DenialReason, detail: string): Decision => ({ allow: false, reason, detail });

const OPERATOR_HOLDS_NO_ROLE = "an operator reads any pod and holds no role in it";

const decideCharge = (context: PolicyContext, by: Caller): Decision => {
  if (by.operator) {
    return context.payer === undefined || context.payer === by.user
      ? no("operator_does_not_pay", "the operator does not pay; name the payer")
      : yes;
  }
  return context.payer === undefined || context.payer === by.user
    ? yes
    : no("payer_is_not_caller", "only the operator names another payer");
};

const decideInPod = (operation: Operation, permission: PodPermission, context: PolicyContext, by: Caller): Decision => {
  if (by.operator) {
    if (permission === "pod.read") return yes;
    if (operation === "charge.create") return decideCharge(context, by);
    if (context.role == null) return no("operator_holds_no_role", OPERATOR_HOLDS_NO_ROLE);
  }
  const role = context.role ?? null;
  // Anyone may leave; whether the last owner may is the pod's to say.
  if (operation === "member.remove" && role !== null && context.member === by.user) return yes;
  if (role === null || !mayInPod(role, permission)) {
    return no(`role_may_not_${permission}`, `the role ${role ?? "none"} may not do this`);
  }
  if (operation === "charge.create") return decideCharge(context, by);
  if (operation === "charge.cancel" && role === "member" && context.payer !== by.user) {
    return no("not_the_payer", "a member cancels only charges of their own");
  }
  return yes;
};

/**
 * The policy port: one decision an operation, and every route asks it. It decides from what it is given; whether a caller may
 * even know of a pod was settled before, by the pod.
 */
export const authorize = (operation: Operation, context: PolicyContext): Decision => {
  const rule: Rule = RULES[operation];
  if (rule.for === "anyone") return yes;
  const by = context.caller;
  if (by === null) return no("not_signed_in", "a token is needed");
  switch (rule.for) {
    case "caller":
      return yes;
    case "person":
      return by.operator ? no("operator_holds_no_role", OPERATOR_HOLDS_NO_ROLE) : yes;
    case "operator":
      return by.operator ? yes : no("operator_only", "this needs the scope admin");
    case "pod":
      return decideInPod(operation, rule.permission, context, by);
  }
};

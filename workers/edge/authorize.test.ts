import { describe, expect, it } from "vitest";
import { ROLES, type Role } from "../../schema/permissions.ts";
import { authOf, authorize, type Caller, type Operation, RULES } from "./authorize.ts";

const alice: Caller = { user: "alice", clientId: "app", operator: false, tokenEndsAt: 0 };
const ops: Caller = { user: "ops", clientId: "console", operator: true, tokenEndsAt: 0 };

/** Who may do what, by role: owner, admin, treasurer, member, viewer. */
const MATRIX: [Operation, string][] = [
  ["pod.read", "yyyyy"],
  ["pod.events", "yyyyy"],
  ["pod.entries", "yyyyy"],
  ["feed.ticket", "yyyyy"],
  ["feed.open", "yyyyy"],
  ["pod.statement", "yyyyy"],
  ["charge.list", "yyyyy"],
  ["charge.read", "yyyyy"],
  ["charge.create", "yyyy-"],
  ["member.invite", "yy---"],
  ["member.change_role", "yy---"],
  ["member.remove", "yy---"],
  ["pod.rename", "yy---"],
  ["pod.freeze", "yy---"],
  ["pod.unfreeze", "y----"],
];

const cells = MATRIX.flatMap(([operation, row]) =>
  ROLES.map((role, index) => [operation, role, row[index] === "y"] as const),
);

describe("the policy port", () => {
  it.each(cells)("%s by the role %s: %s", (operation, role, allowed) => {
    const decision = authorize(operation, { caller: alice, role, member: "bob" });
    expect(decision.allow).toBe(allowed);
  });

  it("covers every pod operation with the matrix or a test of its own", () => {
    const covered = new Set<string>([...MATRIX.map(([operation]) => operation), "charge.cancel"]);
    const inPods = Object.entries(RULES).filter(([, rule]) => rule.for === "pod");
    expect(inPods.map(([operation]) => operation).filter((operation) => !covered.has(operation))).toEqual([]);
  });

  it.each(ROLES)("lets the role %s leave", (role) => {
    expect(authorize("member.remove", { caller: alice, role, member: "alice" }).allow).toBe(true);
  });

  it.each<[Role, string, boolean]>([
    ["owner", "bob", true],
    ["admin", "bob", true],
    ["treasurer", "bob", true],
    ["member", "bob", false],
    ["member", "alice", true],
    ["viewer", "bob", false],
  ])("lets a %s cancel a charge that %s pays: %s", (role, payer, allowed) => {
    expect(authorize("charge.cancel", { caller: alice, role, payer }).allow).toBe(allowed);
  });

  it("lets a person pay for themselves only", () => {
    expect(authorize("charge.create", { caller: alice, role: "owner", payer: "alice" }).allow).toBe(true);
    expect(authorize("charge.create", { caller: alice, role: "owner", payer: "bob" })).toMatchObject({
      reason: "payer_is_not_caller",
    });
  });

  it("lets the operator name a payer, and never pay", () => {
    expect(authorize("charge.create", { caller: ops, payer: "bob" }).allow).toBe(true);
    expect(authorize("charge.create", { caller: ops })).toMatchObject({ reason: "operator_does_not_pay" });
    expect(authorize("charge.create", { caller: ops, role: "owner", payer: "ops" })).toMatchObject({
      reason: "operator_does_not_pay",
    });
  });

  it("lets the operator read any pod and command none", () => {
    for (const [operation] of MATRIX) {
      const reads = RULES[operation].for === "pod" && operation !== "charge.create";
      if (!reads) continue;
      const allowed = authorize(operation, { caller: ops, role: null, member: "bob" }).allow;
      expect([operation, allowed]).toEqual([
        operation,
        (RULES[operation] as { permission: string }).permission === "pod.read",
      ]);
    }
    expect(authorize("pod.create", { caller: ops }).allow).toBe(false);
    expect(authorize("invitation.accept", { caller: ops }).allow).toBe(false);
  });

  it("keeps operators' routes to operators, and everything but the public from strangers", () => {
    for (const operation of Object.keys(RULES) as Operation[]) {
      const auth = authOf(operation);
      expect([operation, authorize(operation, { caller: null }).allow]).toEqual([operation, auth === "public"]);
      if (auth === "admin") {
        expect(authorize(operation, { caller: alice })).toMatchObject({ allow: false, reason: "operator_only" });
        expect(authorize(operation, { caller: ops }).allow).toBe(true);
      }
    }
  });
});

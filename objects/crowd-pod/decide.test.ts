import { describe, expect, test } from "vitest";
import type { Role } from "../../schema/permissions.ts";
import { INVITATION_TTL_S, POD_LIMITS } from "../../schema/pods.ts";
import type { RejectionCode } from "../../schema/rejections.ts";
import type { PodCommand, Viewer } from "../../schema/rpc/pod.ts";
import { type Decision, decide, decideCreate, type Facts } from "./decide.ts";
import { creation, euros, following, joined, POD, podWith, START } from "./fixtures.ts";
import { invitationToken, tokenHash } from "./invitation-token.ts";
import { INITIAL, type PodEvent, type PodState } from "./state.ts";

const person = (user: string): Viewer => ({ user, operator: false });
const operator = (user: string): Viewer => ({ user, operator: true });
const tokenOf = (n: number) => invitationToken(POD, new Uint8Array(24).fill(n));
const facts = (overrides: Facts = { now: START }): Facts => ({
  invitation: { id: "inv_1", token: tokenOf(1) },
  issued: true,
  ...overrides,
});

const codeOf = (decision: Decision): RejectionCode | "ok" => (decision.ok ? "ok" : decision.rejection.code);
const refusal = (decision: Decision) => {
  if (decision.ok) throw new Error("it was not refused");
  return decision.rejection;
};
const eventsOf = (decision: Decision): PodEvent[] => {
  if (!decision.ok) throw new Error(`refused: ${decision.rejection.detail}`);
  return decision.events;
};
const frozen = (state: PodState): PodState => ({ ...state, status: "frozen" });
const closed = (state: PodState): PodState => ({ ...state, status: "closed" });

const invited = (token: string, role: Role = "member", by = "olga", expiresAtMs = START + 60_000): PodEvent => ({
  type: "member.invited",
  data: {
    pod: POD,
    invitation: `inv_${token.slice(-6)}`,
    role,
    token_hash: tokenHash(token),
    expires_at: new Date(expiresAtMs).toISOString(),
    by,
  },
});

describe("a pod's creation", () => {
  test("makes the pod and its owner in one go", () => {
    const made = decideCreate(creation(), "olga");
    expect(made).toEqual({
      ok: true,
      events: [
        { type: "pod.created", data: { ...creation(), owner: "olga" } },
        { type: "member.joined", data: { pod: POD, user: "olga", role: "owner", invitation: null } },
      ],
    });
  });

  const currencies = (n: number) =>
    "EUR USD GBP CHF SEK NOK DKK PLN CZK HUF RON TRY ILS JPY KRW INR BRL".split(" ").slice(0, n);

  test.each<[string, Parameters<typeof creation>[0], string]>([
    ["takes the longest name", { name: "n".repeat(POD_LIMITS.nameLength) }, "ok"],
    ["refuses a longer name", { name: "n".repeat(POD_LIMITS.nameLength + 1) }, "invalid_request"],
    ["refuses no name", { name: "" }, "invalid_request"],
    ["takes the most currencies", { currencies: currencies(POD_LIMITS.currencies) }, "ok"],
    ["refuses one more", { currencies: currencies(POD_LIMITS.currencies + 1) }, "invalid_request"],
    ["refuses none", { currencies: [] }, "invalid_request"],
    ["refuses a currency twice", { currencies: ["EUR", "EUR"] }, "invalid_request"],
    ["refuses a home it does not keep", { home_currency: "JPY" }, "invalid_request"],
    ["refuses a goal in a currency it does not keep", { goal: { amount: "5", currency: "JPY" } }, "currency_mismatch"],
    ["takes a goal", { goal: euros("500.00") }, "ok"],
  ])("%s", (_, overrides, expected) => {
    const made = decideCreate(creation(overrides), "olga");
    expect(made.ok ? "ok" : made.rejection.code).toBe(expected);
  });
});

describe("who may do what in a pod", () => {
  const everybody = podWith({ adam: "admin", tess: "treasurer", mia: "member", vic: "viewer", max: "member" });
  const commands: Record<string, PodCommand> = {
    rename: { type: "rename", name: "Porto trip" },
    freeze: { type: "freeze", reason: null },
    unfreeze: { type: "unfreeze", reason: null },
    invite: { type: "invite", role: "viewer", expires_in_s: 600 },
    change_role: { type: "change_role", user: "max", role: "viewer" },
    remove: { type: "remove", user: "max" },
  };
  test.each([
    ["olga", "rename freeze unfreeze invite change_role remove"],
    ["adam", "rename freeze invite change_role remove"],
    ["tess", ""],
    ["mia", ""],
    ["vic", ""],
  ])("%s may: %s", (user, allowed) => {
    const may = Object.entries(commands)
      .filter(([name, command]) => {
        const state = name === "unfreeze" ? frozen(everybody) : everybody;
        return decide(state, command, person(user), facts()).ok;
      })
      .map(([name]) => name);
    expect(may.join(" ")).toBe(allowed);
  });

  test("a refusal for want of a right says which right", () => {
    const decision = decide(everybody, { type: "invite", role: "viewer", expires_in_s: 600 }, person("mia"), facts());
    expect(refusal(decision)).toMatchObject({ code: "forbidden", reason: "role_may_not_member.invite" });
  });

  test("a stranger and a pod that is not there get the same words", () => {
    for (const command of Object.values(commands)) {
      const stranger = decide(everybody, command, person("eve"), facts());
      expect(stranger).toEqual(decide(INITIAL, command, person("eve"), facts()));
      expect(stranger).toEqual(decide(INITIAL, command, operator("root"), facts()));
      expect(codeOf(stranger)).toBe("not_found");
    }
    const wrong: PodCommand = { type: "accept", token: tokenOf(9) };
    const unknown = decide(everybody, wrong, person("eve"), facts({ now: START, issued: false }));
    expect(unknown).toEqual(decide(INITIAL, wrong, person("eve"), facts({ now: START, issued: false })));
  });

  test("an operator holds no role, and a member with the scope is judged by the role", () => {
    for (const command of [...Object.values(commands), { type: "accept", token: tokenOf(1) } as const]) {
      const decision = decide(everybody, command, operator("root"), facts());
      expect(refusal(decision)).toMatchObject({ code: "forbidden", reason: "operator_holds_no_role" });
    }
    expect(codeOf(decide(everybody, { type: "rename", name: "P" }, operator("olga"), facts()))).toBe("ok");
    expect(refusal(decide(everybody, { type: "rename", name: "P" }, operator("mia"), facts())).reason).toBe(
      "role_may_not_pod.update",
    );
  });
});

describe("ranks", () => {
  const pod = podWith({ adam: "admin", anna: "admin", tess: "treasurer", mia: "member" });
  const change = (by: string, user: string, role: Role, state = pod) =>
    codeOf(decide(state, { type: "change_role", user, role }, person(by), facts()));

  test.each<[string, string, Role, string]>([
    ["adam", "tess", "member", "ok"],
    ["adam", "mia", "treasurer", "ok"],
    ["adam", "mia", "admin", "forbidden"],
    ["adam", "mia", "owner", "forbidden"],
    ["adam", "anna", "member", "forbidden"],
    ["adam", "adam", "owner", "forbidden"],
    ["adam", "adam", "member", "forbidden"],
    ["adam", "olga", "member", "forbidden"],
    ["olga", "mia", "owner", "ok"],
    ["olga", "adam", "viewer", "ok"],
    ["olga", "nobody", "viewer", "not_found"],
    ["olga", "olga", "admin", "conflict"],
  ])("%s making %s %s: %s", (by, user, role, expected) => {
    expect(change(by, user, role)).toBe(expected);
  });

  test("owners make and unmake owners, the last one stays", () => {
    const two = following(
      pod,
      eventsOf(decide(pod, { type: "change_role", user: "mia", role: "owner" }, person("olga"), facts())),
    );
    expect(change("mia", "olga", "member", two)).toBe("ok");
    expect(change("olga", "olga", "member", two)).toBe("ok");
    expect(codeOf(decide(two, { type: "remove", user: "olga" }, person("mia"), facts()))).toBe("ok");
    expect(codeOf(decide(pod, { type: "remove", user: "olga" }, person("olga"), facts()))).toBe("conflict");
  });

  test("the same role again is no event", () => {
    expect(
      eventsOf(decide(pod, { type: "change_role", user: "mia", role: "member" }, person("adam"), facts())),
    ).toEqual([]);
  });

  test.each<[string, string, string]>([
    ["mia", "mia", "ok"],
    ["mia", "tess", "forbidden"],
    ["adam", "mia", "ok"],
    ["adam", "anna", "forbidden"],
    ["adam", "olga", "forbidden"],
    ["adam", "adam", "ok"],
    ["adam", "nobody", "not_found"],
  ])("%s removing %s: %s", (by, user, expected) => {
    expect(codeOf(decide(pod, { type: "remove", user }, person(by), facts()))).toBe(expected);
  });

  test("who leaves is told from who is removed, and may leave a closed pod", () => {
    expect(eventsOf(decide(closed(pod), { type: "remove", user: "mia" }, person("mia"), facts()))).toEqual([
      { type: "member.removed", data: { pod: POD, user: "mia", role: "member", left: true } },
    ]);
    expect(eventsOf(decide(pod, { type: "remove", user: "mia" }, person("adam"), facts()))).toEqual([
      { type: "member.removed", data: { pod: POD, user: "mia", role: "member", left: false } },
    ]);
  });

  test.each<[string, Role, string]>([
    ["olga", "owner", "ok"],
    ["adam", "treasurer", "ok"],
    ["adam", "admin", "forbidden"],
    ["adam", "owner", "forbidden"],
  ])("%s inviting a new %s: %s", (by, role, expected) => {
    expect(codeOf(decide(pod, { type: "invite", role, expires_in_s: 600 }, person(by), facts()))).toBe(expected);
  });
});

describe("freezing", () => {
  const pod = podWith({ adam: "admin" });

  test("a frozen pod frozen again stays as it is, without an event", () => {
    expect(eventsOf(decide(frozen(pod), { type: "freeze", reason: "again" }, person("adam"), facts()))).toEqual([]);
  });

  test("only a frozen pod is unfrozen", () => {
    expect(codeOf(decide(pod, { type: "unfreeze", reason: null }, person("olga"), facts()))).toBe("conflict");
    expect(eventsOf(decide(frozen(pod), { type: "unfreeze", reason: "found" }, person("olga"), facts()))).toEqual([
      { type: "pod.unfrozen", data: { pod: POD, reason: "found" } },
    ]);
  });

  test("stops money, not people; a closed pod takes nobody new and keeps its name", () => {
    const commands: PodCommand[] = [
      { type: "rename", name: "P" },
      { type: "invite", role: "viewer", expires_in_s: 600 },
      { type: "accept", token: tokenOf(1) },
    ];
    const open = following(pod, [invited(tokenOf(1))]);
    for (const command of commands) {
      const viewer = person(command.type === "accept" ? "nina" : "adam");
      expect(codeOf(decide(frozen(open), command, viewer, facts()))).toBe("ok");
      expect(codeOf(decide(closed(open), command, viewer, facts()))).toBe("pod_not_active");
    }
  });

  test.each(["freeze", "unfreeze"] as const)("the reason to %s has a longest length", (type) => {
    const by = (reason: string) => codeOf(decide(frozen(pod), { type, reason }, person("olga"), facts()));
    expect(by("r".repeat(POD_LIMITS.reasonLength))).toBe("ok");
    expect(by("r".repeat(POD_LIMITS.reasonLength + 1))).toBe("invalid_request");
  });
});

describe("renaming", () => {
  const pod = podWith();
  const rename = (name: string) => decide(pod, { type: "rename", name }, person("olga"), facts());

  test("has bounds, and the same name is no event", () => {
    expect(codeOf(rename("n".repeat(POD_LIMITS.nameLength)))).toBe("ok");
    expect(codeOf(rename("n".repeat(POD_LIMITS.nameLength + 1)))).toBe("invalid_request");
    expect(codeOf(rename(""))).toBe("invalid_request");
    expect(eventsOf(rename("Lisbon trip"))).toEqual([]);
    expect(eventsOf(rename("Porto trip"))).toEqual([{ type: "pod.updated", data: { pod: POD, name: "Porto trip" } }]);
  });
});

describe("an invitation", () => {
  const pod = podWith({ adam: "admin" });
  const invite = (expires_in_s: number, state = pod, now = START) =>
    decide(state, { type: "invite", role: "member", expires_in_s }, person("adam"), facts({ now }));
  const accept = (state: PodState, token = tokenOf(1), now = START, user = "nina") =>
    decide(state, { type: "accept", token }, person(user), facts({ now }));

  test("is written with the hash of its token, never the token", () => {
    const decision = invite(600);
    expect(decision).toMatchObject({ ok: true, reply: { type: "invitation", id: "inv_1", token: tokenOf(1) } });
    expect(eventsOf(decision)).toEqual([
      {
        type: "member.invited",
        data: {
          pod: POD,
          invitation: "inv_1",
          role: "member",
          token_hash: tokenHash(tokenOf(1)),
          expires_at: "2026-03-01T12:10:00.000Z",
          by: "adam",
        },
      },
    ]);
    expect(JSON.stringify(eventsOf(decision))).not.toContain(tokenOf(1).split("~")[1]);
  });

  test.each<[number, string]>([
    [INVITATION_TTL_S.min, "ok"],
    [INVITATION_TTL_S.min - 1, "invalid_request"],
    [INVITATION_TTL_S.max, "ok"],
    [INVITATION_TTL_S.max + 1, "invalid_request"],
    [90.5, "invalid_request"],
    [Number.NaN, "invalid_request"],
  ])("of %s seconds: %s", (seconds, expected) => {
    expect(codeOf(invite(seconds))).toBe(expected);
  });

  test("finds no room past 200 open ones, and room again when one expires", () => {
    const many = (n: number) =>
      following(
        pod,
        Array.from({ length: n }, (_, at) => invited(tokenOf(0) + at, "member", "adam", START + 60_000 + at)),
      );
    expect(codeOf(invite(600, many(POD_LIMITS.openInvitations - 1)))).toBe("ok");
    const full = many(POD_LIMITS.openInvitations);
    expect(codeOf(invite(600, full))).toBe("limit_exceeded");
    const later = START + 60_000;
    const decision = invite(600, full, later);
    expect(codeOf(decision)).toBe("ok");
    expect(following(full, eventsOf(decision), later).invitations.size).toBe(POD_LIMITS.openInvitations);
  });

  test("makes a member once", () => {
    const open = following(pod, [invited(tokenOf(1), "treasurer")]);
    const decision = accept(open);
    expect(decision).toMatchObject({ reply: { type: "joined", pod: POD, user: "nina", role: "treasurer" } });
    const joinedPod = following(open, eventsOf(decision));
    expect(joinedPod.members.get("nina")?.role).toBe("treasurer");
    expect(codeOf(accept(joinedPod))).toBe("conflict");
    expect(codeOf(accept(joinedPod, tokenOf(1), START, "otto"))).toBe("invitation_expired");
  });

  test("lives until the moment it expires", () => {
    const open = following(pod, [invited(tokenOf(1))]);
    expect(codeOf(accept(open, tokenOf(1), START + 59_999))).toBe("ok");
    expect(codeOf(accept(open, tokenOf(1), START + 60_000))).toBe("invitation_expired");
  });

  const demoted = (to: Role): PodEvent => ({
    type: "member.role_changed",
    data: { pod: POD, user: "adam", from: "admin", to },
  });
  const gone: PodEvent = { type: "member.removed", data: { pod: POD, user: "adam", role: "admin", left: false } };
  test.each<[string, PodEvent[]]>([
    ["was demoted", [demoted("treasurer")]],
    ["was removed", [gone]],
    ["was demoted and promoted again", [demoted("member"), demoted("admin")]],
    ["left and came back", [gone, joined("adam", "owner")]],
  ])("dies when its maker %s", (_, events) => {
    const open = following(pod, [invited(tokenOf(1), "member", "adam"), invited(tokenOf(2), "member", "olga")]);
    expect(codeOf(accept(following(open, events)))).toBe("invitation_expired");
    expect(codeOf(accept(following(open, events), tokenOf(2)))).toBe("ok");
  });

  test("to a role its maker may no longer give dies alone", () => {
    const two = following(podWith({ oskar: "owner" }), [
      invited(tokenOf(1), "admin", "oskar"),
      invited(tokenOf(2), "treasurer", "oskar"),
      { type: "member.role_changed", data: { pod: POD, user: "oskar", from: "owner", to: "admin" } },
    ]);
    expect(codeOf(accept(two, tokenOf(1)))).toBe("invitation_expired");
    expect(codeOf(accept(two, tokenOf(2)))).toBe("ok");
  });

  test("admits the thousandth member and not one more", () => {
    const crowd = (n: number) =>
      following(pod, [
        ...Array.from({ length: n - pod.members.size }, (_, at) => joined(`user-${at}`, "member")),
        invited(tokenOf(1)),
      ]);
    expect(codeOf(accept(crowd(POD_LIMITS.members - 1)))).toBe("ok");
    expect(codeOf(accept(crowd(POD_LIMITS.members)))).toBe("limit_exceeded");
  });
});

describe("guards in their order: the first that holds answers", () => {
  const base = podWith({ adam: "admin", mia: "member" });
  const full = following(
    base,
    Array.from({ length: POD_LIMITS.openInvitations }, (_, at) => invited(tokenOf(0) + at)),
  );
  const crowd = following(
    base,
    Array.from({ length: POD_LIMITS.members }, (_, at) => joined(`user-${at}`, "member")),
  );
  const open = following(crowd, [invited(tokenOf(1))]);
  const unknown = facts({ now: START, issued: false });
  const invite = (role: Role, expires_in_s: number): PodCommand => ({ type: "invite", role, expires_in_s });
  const accept: PodCommand = { type: "accept", token: tokenOf(1) };
  const change = (user: string, role: Role): PodCommand => ({ type: "change_role", user, role });
  const freeze = (type: "freeze" | "unfreeze", reason = "r".repeat(501)): PodCommand => ({ type, reason });
  const nameless: PodCommand = { type: "rename", name: "" };

  /** Each row takes one fault away from the row above it, within its command. */
  test.each<[PodState, PodCommand, Viewer, Facts, string]>([
    [closed(full), invite("owner", 1), person("eve"), facts(), "not_found"],
    [closed(full), invite("owner", 1), operator("eve"), facts(), "operator_holds_no_role"],
    [closed(full), invite("owner", 1), person("mia"), facts(), "role_may_not_member.invite"],
    [closed(full), invite("owner", 1), person("adam"), facts(), "pod_not_active"],
    [full, invite("owner", 1), person("adam"), facts(), "role_not_below_own"],
    [full, invite("member", 1), person("adam"), facts(), "invalid_request"],
    [full, invite("member", 60), person("adam"), facts(), "limit_exceeded"],

    [INITIAL, accept, operator("eve"), unknown, "not_found"],
    [closed(crowd), accept, operator("eve"), unknown, "operator_holds_no_role"],
    [closed(crowd), accept, person("mia"), unknown, "not_found"],
    [closed(crowd), accept, person("mia"), facts(), "conflict"],
    [closed(crowd), accept, person("eve"), facts(), "invitation_expired"],
    [closed(open), accept, person("eve"), facts(), "pod_not_active"],
    [open, accept, person("eve"), facts(), "limit_exceeded"],

    [base, change("ghost", "owner"), person("mia"), facts(), "role_may_not_member.change_role"],
    [base, change("ghost", "owner"), person("adam"), facts(), "not_found"],
    [base, change("olga", "member"), person("adam"), facts(), "role_not_below_own"],
    [base, change("olga", "member"), person("olga"), facts(), "conflict"],

    [closed(base), freeze("freeze"), person("mia"), facts(), "role_may_not_pod.freeze"],
    [closed(base), freeze("freeze"), person("adam"), facts(), "pod_not_active"],
    [base, freeze("freeze"), person("adam"), facts(), "invalid_request"],
    [base, freeze("unfreeze"), person("adam"), facts(), "role_may_not_pod.unfreeze"],
    [base, freeze("unfreeze"), person("olga"), facts(), "invalid_request"],
    [base, freeze("unfreeze", "found"), person("olga"), facts(), "conflict"],

    [closed(base), nameless, person("mia"), facts(), "role_may_not_pod.update"],
    [closed(base), nameless, person("olga"), facts(), "pod_not_active"],
    [base, nameless, person("olga"), facts(), "invalid_request"],
  ])("row %#", (state, command, viewer, given, expected) => {
    const { code, reason } = refusal(decide(state, command, viewer, given));
    expect(code === "forbidden" ? reason : code).toBe(expected);
  });
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { EventBody, JsonObject } from "../../schema/events.ts";
import { outranks, ROLES, type Role } from "../../schema/permissions.ts";
import type { PermitAnswer, PermitOp, PodCommand } from "../../schema/rpc/pod.ts";
import { decide } from "./decide.ts";
import { decidePermit, type PermitRow } from "./decide-permits.ts";
import { bodyOf, creation, euros, podWith, START } from "./fixtures.ts";
import { invitationToken } from "./invitation-token.ts";
import { evolve, fold, INITIAL, ownersOf, type PodEvent, type PodState } from "./state.ts";

const USERS = ["olga", "adam", "tess", "mia", "vic", "eve", "__proto__"];
const user = fc.constantFrom(...USERS);
const role = fc.constantFrom(...ROLES);
const saga = fc.nat(15).map((n) => `s${n}`);

/** Who acts: mostly somebody who is in the pod then, picked when the step is run. */
const by = fc.nat(99);
const freezing = fc.constantFrom("freeze" as const, "unfreeze" as const);
const outcome = fc.constantFrom("succeeded" as const, "failed" as const, "cancelled" as const);
const command = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant("invite" as const), role, expires_in_s: fc.constantFrom(60, 600) }),
  },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("accept" as const), token: fc.nat(3) }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("change_role" as const), user, role }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("remove" as const), user }) },
  { weight: 1, arbitrary: fc.record({ type: freezing, reason: fc.constant(null) }) },
);
const permit = fc.oneof(
  { weight: 3, arbitrary: fc.record({ op: fc.constant("admit" as const), saga, payer: user }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("announce_review" as const), saga }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("release" as const), saga }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("conclude" as const), saga, outcome }) },
);
const step = fc.oneof({ weight: 2, arbitrary: fc.record({ by, command }) }, { weight: 1, arbitrary: permit });
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** A pod driven by random people and a careless coordinator, with everything an actor would keep beside it. */
class World {
  state: PodState = INITIAL;
  readonly log: EventBody[] = [];
  readonly rows = new Map<string, PermitRow>();
  readonly tokens: { token: string; role: Role; by: string }[] = [];
  now = START;

  constructor() {
    this.write([
      { type: "pod.created", data: { ...creation(), owner: "olga" } },
      { type: "member.joined", data: { pod: creation().pod, user: "olga", role: "owner", invitation: null } },
    ]);
  }

  write(events: readonly PodEvent[]): void {
    for (const event of events) {
      const body = bodyOf(event, this.now);
      this.log.push(body);
      this.state = evolve(this.state, body);
    }
  }

  run(next: Step): void {
    this.now += 7_000;
    const before = JSON.stringify(fold.encode(this.state));
    const wrote = "op" in next ? this.permit(next) : this.command(next);
    if (!wrote) expect(JSON.stringify(fold.encode(this.state))).toBe(before);
  }

  /** Nine in ten are members; who accepts may be anybody. */
  who(pick: number, anybody: boolean): string {
    const members = anybody || pick >= 90 ? USERS : [...this.state.members.keys()];
    return members[pick % members.length] ?? "eve";
  }

  command({ by: pick, command }: Extract<Step, { by: number }>): boolean {
    const by = this.who(pick, command.type === "accept");
    const given = command.type === "accept" ? this.tokens.at(-1 - command.token) : undefined;
    const fresh = invitationToken(creation().pod, Buffer.from(String(this.tokens.length).padStart(24, "0")));
    const asked: PodCommand = command.type === "accept" ? { type: "accept", token: given?.token ?? "none" } : command;
    const held = this.state;
    const decision = decide(
      held,
      asked,
      { user: by, operator: false },
      {
        now: this.now,
        invitation: { id: `inv_${this.tokens.length}`, token: fresh },
        issued: given !== undefined,
      },
    );
    if (!decision.ok) return false;
    if (asked.type === "invite") this.tokens.push({ token: fresh, role: asked.role, by });
    for (const event of decision.events) this.judge(held, by, event, given);
    this.write(decision.events);
    return decision.events.length > 0;
  }

  /** Whoever grants or takes a role stands above it, or is an owner. */
  judge(held: PodState, by: string, event: PodEvent, given: World["tokens"][number] | undefined): void {
    const mayDo = (who: string, what: Role) => {
      const own = held.members.get(who)?.role;
      expect(own === "owner" || (own !== undefined && outranks(own, what))).toBe(true);
    };
    if (event.type === "member.invited") mayDo(by, event.data.role);
    if (event.type === "member.joined") {
      if (given === undefined) throw new Error("somebody joined without an invitation");
      expect(event.data.role).toBe(given.role);
      mayDo(given.by, event.data.role);
    }
    if (event.type === "member.role_changed") {
      mayDo(by, event.data.from);
      mayDo(by, event.data.to);
    }
    if (event.type === "member.removed" && event.data.user !== by) mayDo(by, event.data.role);
  }

  permit(next: Extract<Step, { op: string }>): boolean {
    const money = { amount: euros("10.00"), settled: euros("9.85") };
    const about = { saga: next.saga, charge: `chg_${next.saga}`, payer: "mia", ...money };
    const op: PermitOp =
      next.op === "admit"
        ? { ...about, op: "admit", payer: next.payer, settle_currency: "EUR" }
        : next.op === "announce_review"
          ? { ...about, op: "announce_review" }
          : next.op === "release"
            ? { op: "release", saga: next.saga, reason: "refused" }
            : { op: "conclude", saga: next.saga, outcome: next.outcome, settled: money.settled, failure: "expired" };
    const row = this.rows.get(op.saga) ?? null;
    const decision = decidePermit(this.state, row, op);
    if (decision.do === "answer" || decision.do === "tell") return false;
    const kept = row ?? { admitted: null, announced: null, ended: null };
    const column = op.op === "admit" ? "admitted" : op.op === "announce_review" ? "announced" : "ended";
    if (decision.do === "refuse") {
      this.rows.set(op.saga, { ...kept, state: "refused", admitted: { ok: false, rejection: decision.rejection } });
      return false;
    }
    this.write(decision.events);
    const answer: PermitAnswer = { ok: true, seq: this.log.length, member_since: decision.memberSince };
    this.rows.set(op.saga, { ...kept, state: decision.state, [column]: answer });
    return decision.events.length > 0;
  }

  count(...types: string[]): number {
    return this.log.filter(({ type }) => types.includes(type)).length;
  }
}

// Without `size` arrays stay short, and nobody ever gets as far as joining.
const steps = fc.array(step, { minLength: 40, maxLength: 120, size: "max" });
const following = (given: readonly Step[]): World => {
  const world = new World();
  for (const next of given) world.run(next);
  return world;
};

describe("whatever people and coordinator do", () => {
  test("a pod is never without an owner, and nobody gains a role from somebody it is not theirs to give", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(steps, (given) => {
        const world = new World();
        for (const next of given) {
          world.run(next);
          expect(ownersOf(world.state)).toBeGreaterThan(0);
        }
        for (const { type } of world.log) seen.add(type);
      }),
      { numRuns: 300 },
    );
    // The walks went somewhere: people joined by invitation, rose, fell and left.
    for (const type of ["member.invited", "member.role_changed", "member.removed"]) expect(seen).toContain(type);
  });

  test("the open permits are those granted and not ended, and every charge told of ends at most once", () => {
    fc.assert(
      fc.property(steps, (given) => {
        const world = following(given);
        const ends = ["permit.released", "charge.succeeded", "charge.failed", "charge.cancelled"];
        const open = [...world.rows].filter(([, { state }]) => state === "open").map(([id]) => id);
        expect(world.state.permits.size).toBe(world.count("permit.granted") - world.count(...ends));
        expect(world.state.permits_granted - world.state.permits_ended).toBe(world.state.permits.size);
        expect([...world.state.permits.keys()].sort()).toEqual(open.sort());
        for (const id of world.rows.keys()) {
          const told = world.log.filter(({ data }) => data.saga === id).map(({ type }) => type);
          expect(told.filter((type) => type === "permit.granted").length).toBeLessThanOrEqual(1);
          expect(told.filter((type) => type === "charge.created").length).toBeLessThanOrEqual(1);
          expect(told.filter((type) => ends.includes(type)).length).toBeLessThanOrEqual(1);
        }
      }),
      { numRuns: 300 },
    );
  });

  test("the fold of the whole log equals a snapshot at any seq and the fold of the rest", () => {
    fc.assert(
      fc.property(steps, fc.nat(), (given, at) => {
        const { log, state } = following(given);
        const k = at % (log.length + 1);
        const early = log.slice(0, k).reduce(evolve, INITIAL);
        const restored = fold.decode(JSON.parse(JSON.stringify(fold.encode(early))));
        const late = log.slice(k).reduce(evolve, restored);
        expect(late).toEqual(state);
        expect(fold.summary(late)).toBe(fold.summary(state));
      }),
      { numRuns: 200 },
    );
  });
});

describe("the fold", () => {
  const body = (type: string, data: JsonObject = {}): EventBody => ({
    ...bodyOf({ type: "pod.frozen", data: { pod: "p", reason: null } }),
    type,
    data,
  });

  test("refuses an event that no pod writes", () => {
    expect(() => evolve(INITIAL, body("transfer.posted"))).toThrow(/no pod writes/);
  });

  test.each([
    ["charge.succeeded", { saga: "s1" }],
    ["charge.created", { saga: "s1" }],
    ["permit.released", { saga: "s1" }],
    ["member.role_changed", { user: "ghost", to: "owner" }],
  ])("refuses a log that no pod can have written: %s out of nowhere", (type, data) => {
    expect(() => evolve(podWith(), body(type, data))).toThrow();
  });

  test("leaves the state before it as it was", () => {
    const before = podWith({ mia: "member" });
    const text = JSON.stringify(fold.encode(before));
    evolve(before, body("member.removed", { user: "mia" }));
    evolve(before, body("member.role_changed", { user: "mia", to: "admin" }));
    evolve(
      before,
      body("member.invited", { token_hash: "h", invitation: "i", role: "member", by: "olga", expires_at: "3" }),
    );
    expect(JSON.stringify(fold.encode(before))).toBe(text);
  });

  test("tells of parked and resumed sagas, and remembers by their number what it told last", () => {
    const granted = { saga: "s1", charge: "c1", payer: "mia", amount: euros("1.00") };
    const open = evolve(podWith({ mia: "member" }), body("permit.granted", granted));
    const parked = evolve(open, body("saga.parked", { saga: "s1", number: "1" }));
    expect(parked.permits.get("s1")?.standing).toEqual({ number: 1, parked: true });
    const resumed = evolve(parked, body("saga.resumed", { saga: "s1", number: "2" }));
    expect(resumed.permits.get("s1")?.standing).toEqual({ number: 2, parked: false });
  });
});

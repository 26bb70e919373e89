import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { logOf } from "../testing/logs.ts";
import { frozen, joined, podMade, promoted, removed, renamed, unfrozen } from "../testing/stories.ts";
import { foldPod } from "./pods.ts";

const POD = "pod_1";
const log = (...said: Parameters<typeof logOf>[1]) => logOf(`pod/${POD}`, [...podMade(POD), ...said]);

describe("the fold of a pod", () => {
  it("begins with the pod, its owner in it", () => {
    const rows = log();
    expect(foldPod(null, rows)).toEqual({
      doc: {
        id: POD,
        name: "Trip",
        type: "pool",
        status: "active",
        currencies: ["EUR"],
        home_currency: "EUR",
        timezone: "UTC",
        goal: null,
        seq: 2,
        log_head: rows[1]?.hash,
        created_at: "2026-01-01T00:00:01.000Z",
      },
      members: [{ pod: POD, user: "ann", role: "owner", joinedSeq: 1 }],
      membersGone: [],
    });
  });

  it("takes a new name and follows freezing and unfreezing", () => {
    expect(foldPod(null, log(renamed(POD, "Ski"), frozen(POD))).doc).toMatchObject({
      name: "Ski",
      status: "frozen",
    });
    expect(foldPod(null, log(frozen(POD), unfrozen(POD))).doc).toMatchObject({ status: "active" });
  });

  it("moves seq and head with an event it has no other use for", () => {
    const rows = log({ type: "charge.succeeded", data: { pod: POD } });
    expect(foldPod(null, rows).doc).toMatchObject({ seq: 3, log_head: rows[2]?.hash });
  });

  it("keeps a member's place when the role changes", () => {
    expect(foldPod(null, log(joined(POD, "bob"), promoted(POD, "bob"))).members).toContainEqual({
      pod: POD,
      user: "bob",
      role: "treasurer",
      joinedSeq: 3,
    });
  });

  it("makes the row anew of a member who left and came back", () => {
    const { members, membersGone } = foldPod(null, log(joined(POD, "bob"), removed(POD, "bob"), joined(POD, "bob")));
    expect(membersGone).toEqual([{ pod: POD, user: "bob" }]);
    expect(members).toContainEqual({ pod: POD, user: "bob", role: "member", joinedSeq: 5 });
  });

  it("gives the same pod however the log is cut", () => {
    const rows = log(joined(POD, "bob"), frozen(POD), renamed(POD, "Ski"), removed(POD, "bob"), unfrozen(POD));
    const whole = foldPod(null, rows).doc;
    fc.assert(
      fc.property(fc.integer({ min: 1, max: rows.length }), (cut) => {
        const first = foldPod(null, rows.slice(0, cut)).doc;
        expect(foldPod(first, rows.slice(cut)).doc).toEqual(whole);
      }),
    );
  });

  it("refuses a log that does not begin with the pod", () => {
    expect(() => foldPod(null, log().slice(1))).toThrow("begins with member.joined");
  });
});

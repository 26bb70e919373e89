import { describe, expect, it } from "vitest";
import { type RejectionCode, reject } from "../../../schema/rejections.ts";
import type { AccountAnswer, AccountOp } from "../../../schema/rpc/account.ts";
import type { Saga } from "../../../schema/sagas.ts";
import { cancel } from "../decide.ts";
import { beginCharge, beginTransfer, DONE, legOf, legsWith, SAGA, T0, told, upTo } from "../testing/fixtures.ts";
import { scripted } from "../testing/port.ts";
import { POD } from "../testing/stories.ts";
import { postedLegs, postingsOf, redirectedLegs, transferOf } from "./accounts.ts";
import { perform } from "./perform.ts";

const yes = (state: "reserved" | "posted" | "voided" = "posted"): AccountAnswer => ({
  ok: true,
  state,
  seq: 1,
  balance: "1.00",
  recorded_at: "2026-01-01T00:00:00.000Z",
});
const no = (code: RejectionCode, final = true): AccountAnswer => ({ ...reject(code, "no"), final });
const FAULT = new Error("lost");

type Script = (account: string, op: AccountOp) => AccountAnswer | Error;
const performing = async (saga: Saga, account: Script) => {
  const { port, calls } = scripted({ account });
  return { report: await perform(saga, port), ops: calls.account };
};

describe("reserve", () => {
  const saga = beginTransfer(legsWith(3));

  it("asks every account that may refuse but the last", async () => {
    const { report, ops } = await performing(saga, () => yes("reserved"));
    expect(report.outcome).toBe("done");
    expect(ops.map(({ op, legs, tag }) => [op, legs[0]?.account, tag])).toEqual([
      ["reserve", "wallet:alice:EUR", null],
      ["reserve", "wallet:bob:EUR", null],
    ]);
  });

  it.each<[string, Script, string]>([
    [
      "is declined by one final no, whatever the others say",
      (account) => (account.includes("bob") ? no("insufficient_funds") : FAULT),
      "declined",
    ],
    [
      "is unknown while one has not answered",
      (account) => (account.includes("bob") ? FAULT : yes("reserved")),
      "unknown",
    ],
    [
      "is unknown when a door was shut",
      (account) => (account.includes("bob") ? no("overloaded", false) : yes("reserved")),
      "unknown",
    ],
    ["is declined when an account is full, once that is its last word", () => no("overloaded", true), "declined"],
  ])("%s", async (_name, script, outcome) => {
    expect((await performing(saga, script)).report.outcome).toBe(outcome);
  });

  it("passes the account's own words on", async () => {
    const { report } = await performing(saga, () => no("insufficient_funds"));
    expect(report.declined?.rejection.code).toBe("insufficient_funds");
  });

  it("asks nobody about a leg that was left out because it is zero", async () => {
    const charge = upTo(beginCharge("instrument"), "reserve");
    const input = charge.input as { legs: { account: string }[] };
    const legs = input.legs.filter(({ account }) => !account.startsWith("pod:"));
    const { report, ops } = await performing({ ...charge, input: { ...charge.input, legs } }, () => FAULT);
    expect([report.outcome, ops]).toEqual(["done", []]);
  });
});

describe("the decision", () => {
  const saga = upTo(beginTransfer(legsWith(2)), "decide");

  it("is the post at the last account that may refuse, tagged", async () => {
    const { report, ops } = await performing(saga, () => yes());
    expect(report).toMatchObject({ outcome: "done" });
    expect(ops).toHaveLength(1);
    expect(ops[0]).toMatchObject({ op: "post", tag: 1, legs: [{ account: "wallet:bob:EUR" }] });
  });

  it("of an empty wallet fails a charge that somebody was told of as a declined payment", async () => {
    const { report } = await performing(upTo(beginCharge("wallet"), "debit"), () => no("insufficient_funds"));
    expect(report).toMatchObject({
      outcome: "declined",
      declined: { code: "payment_declined", decline_reason: "insufficient_funds" },
    });
  });

  it.each([FAULT, no("internal", false), no("upstream_unavailable", false)])(
    "is open while it was not answered",
    async (answer) => {
      expect((await performing(saga, () => answer)).report.outcome).toBe("unknown");
    },
  );
});

describe("void", () => {
  const refused = told(upTo(beginTransfer(legsWith(3)), "decide"), {
    outcome: "declined",
    declined: { ...reject("insufficient_funds", "no"), code: "x", decline_reason: null },
  });

  it("goes to all that may refuse, the last and those that said no included, with the reason", async () => {
    const { report, ops } = await performing(refused, () => yes("voided"));
    expect(report.outcome).toBe("done");
    expect(ops.map(({ op, legs }) => [op, legs[0]?.account])).toEqual([
      ["void", "wallet:alice:EUR"],
      ["void", "wallet:bob:EUR"],
      ["void", "wallet:carol:EUR"],
    ]);
    expect(ops[0]?.reason).toBe("insufficient_funds");
    expect(
      (await performing(cancel(upTo(beginCharge("instrument"), "reserve"), T0) as Saga, () => yes("voided"))).ops[0]
        ?.reason,
    ).toBe("cancelled");
  });

  it("is made again until each has answered", async () => {
    const { report } = await performing(refused, (account) => (account.includes("bob") ? FAULT : yes("voided")));
    expect(report.outcome).toBe("unknown");
  });

  it("that meets a posting stops for a person", async () => {
    const { report } = await performing(refused, (account) => yes(account.includes("bob") ? "posted" : "voided"));
    expect(report.park).toContain("wallet:bob:EUR");
  });
});

describe("post", () => {
  const LEGS = [
    legOf("wallet:alice:EUR", "debit", 300n, "0"),
    legOf("wallet:bob:EUR", "credit", 100n, "1"),
    legOf("fee:EUR#3", "credit", 150n, "2"),
    legOf("suspense:EUR#3", "credit", 50n, "3"),
  ];
  const saga = upTo(beginTransfer(LEGS), "post");

  it("goes to everybody but the account that decided", async () => {
    const { ops } = await performing(saga, () => yes());
    expect(ops.map(({ legs }) => legs[0]?.account)).toEqual(["wallet:bob:EUR", "fee:EUR#3", "suspense:EUR#3"]);
  });

  it("is made again only where it was not acknowledged", async () => {
    const first = await performing(saga, (account) => (account.startsWith("fee") ? FAULT : yes()));
    expect(first.report.outcome).toBe("unknown");
    const again = await performing(told(saga, first.report), () => yes());
    expect(again.ops.map(({ legs }) => legs[0]?.account)).toEqual(["fee:EUR#3"]);
    expect(again.report.outcome).toBe("done");
  });

  it("that is refused for good goes to suspense under an id of its own, beside a leg that stands there", async () => {
    const closed: Script = (account) => (account === "wallet:bob:EUR" ? no("account_closed") : yes());
    const first = await performing(saga, closed);
    expect(first.report).toMatchObject({ outcome: "unknown", redirects: { "1": "suspense:EUR#3" } });
    const redirected = told(saga, first.report, T0, 4);
    expect(redirectedLegs(redirected)).toBe(1);
    const { ops, report } = await performing(redirected, closed);
    expect(ops).toHaveLength(1);
    expect(ops[0]).toMatchObject({
      transfer: `${transferOf(saga).id}.1`,
      tag: 4,
      legs: [{ index: "1", account: "suspense:EUR#3" }],
    });
    expect(report.outcome).toBe("done");
  });

  it("is redirected, too, for a cap that came after the begin, so that no cap is exceeded and no money is lost", async () => {
    const { report } = await performing(saga, (account) =>
      account === "wallet:bob:EUR" ? no("limit_exceeded") : yes(),
    );
    expect(report).toMatchObject({ redirects: { "1": "suspense:EUR#3" } });
    expect(report.park).toBeUndefined();
  });

  it("is redirected, too, for a wallet that is full", async () => {
    const full: Script = (account) => (account === "wallet:bob:EUR" ? no("amount_out_of_range") : yes());
    expect((await performing(saga, full)).report).toMatchObject({ redirects: { "1": "suspense:EUR#3" } });
  });

  it("stops for a person where a house account refuses its amount: suspense would not take it either, however often it is asked", async () => {
    const none: Script = (account) => (account === "fee:EUR#3" ? no("amount_out_of_range") : yes());
    const { report } = await performing(saga, none);
    expect(report).toMatchObject({ outcome: "unknown", park: "fee:EUR#3: amount_out_of_range" });
    expect(report.redirects).toBeUndefined();
  });

  it("of a redirected leg stands in a cut at the account it was meant for, until the cut in which it moved", () => {
    const redirected = told(saga, { outcome: "unknown", redirects: { "1": "suspense:EUR#3" } }, T0, 4);
    expect(postingsOf(redirected, 3)[1]).toMatchObject({
      leg: { account: "wallet:bob:EUR" },
      transfer: transferOf(saga).id,
      tag: 1,
    });
    expect(postingsOf(redirected, 4)[1]).toMatchObject({ leg: { account: "suspense:EUR#3" }, tag: 4 });
    expect(postedLegs(redirected).map(({ account }) => account)).toContain("suspense:EUR#3");
  });

  it.each<[string, AccountAnswer | Error]>([
    ["a fault", FAULT],
    ["a shut door", no("account_closed", false)],
  ])("is not redirected for %s", async (_name, answer) => {
    const { report } = await performing(saga, (account) => (account === "wallet:bob:EUR" ? answer : yes()));
    expect([report.outcome, report.redirects, report.park]).toEqual(["unknown", undefined, undefined]);
  });

  it("that an account refuses beyond the rules stops for a person, what was acknowledged kept", async () => {
    const { report } = await performing(saga, (account) =>
      account === "wallet:bob:EUR" ? no("idempotency_mismatch") : yes(),
    );
    expect(report.park).toBe("wallet:bob:EUR: idempotency_mismatch");
    expect(Object.keys(report.result?.acks as object)).toHaveLength(2);
  });

  it("tells what the transfer claims where it is posted, and nowhere else", async () => {
    const claim = { effective_at: "2025-12-01T00:00:00.000Z" };
    const fresh = beginTransfer(legsWith(2));
    const claiming = { ...fresh, input: { ...fresh.input, ...claim } };
    const at = async (step: string) =>
      (await performing(upTo(claiming, step), () => yes())).ops.map(({ op, effective_at }) => [
        op,
        effective_at ?? null,
      ]);
    expect(await at("reserve")).toEqual([["reserve", null]]);
    expect(await at("decide")).toEqual([["post", claim.effective_at]]);
    expect(await at("post")).toEqual([
      ["post", claim.effective_at],
      ["post", claim.effective_at],
    ]);
  });

  it("shows an operator as the operator where a pod's members read it", async () => {
    const legs = [legOf("bank:sandbox:EUR#3", "debit"), legOf(`pod:${POD}:EUR`, "credit", 100n, "1")];
    const named = { ...beginTransfer(legs), principal: { user: "olga", client_id: "console" } };
    const { ops } = await performing(upTo(named, "post"), () => yes());
    expect(ops.map(({ legs, principal }) => [legs[0]?.account, principal])).toEqual([
      ["bank:sandbox:EUR#3", { user: "olga", client_id: "console" }],
      [`pod:${POD}:EUR`, { user: "operator", client_id: "console" }],
    ]);
  });

  it("names saga, transfer and one hash of the whole transfer to everybody", async () => {
    const { ops } = await performing(saga, () => yes());
    expect(new Set(ops.map(({ body_hash }) => body_hash)).size).toBe(1);
    for (const op of ops) expect(op).toMatchObject({ saga: SAGA, transfer: transferOf(saga).id, tag: saga.tag });
  });

  it("of a charge by wallet leaves the wallet out, and opens what it meets", async () => {
    const charge = upTo(beginCharge("wallet"), "post");
    const { ops } = await performing(charge, () => yes());
    expect(ops.map(({ legs, open }) => [legs[0]?.account.split(":")[0], open])).toEqual([
      ["pod", true],
      ["fee", true],
    ]);
    expect(told(charge, { ...DONE }).status).toBe("running");
  });
});

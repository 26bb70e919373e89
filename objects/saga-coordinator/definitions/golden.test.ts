import { describe, expect, it } from "vitest";
import { canonicalJson } from "../../../schema/events.ts";
import { evolveSaga, isLive, type Saga, sagaBegan, sagaStepped } from "../../../schema/sagas.ts";
import { answerTo, beginCharge, beginHedge, beginTransfer, legsWith, T0, told } from "../testing/fixtures.ts";

/** The journal of a saga that nothing disturbs, an entry a line. */
const journalOf = (began: Saga): string => {
  const entries: object[] = [sagaBegan(began)];
  for (let saga = began; isLive(saga); ) {
    const data = sagaStepped(saga, told(saga, answerTo(saga)));
    entries.push(data);
    saga = evolveSaga(saga, { type: "saga.stepped", recorded_at: new Date(T0).toISOString(), data });
  }
  return `${entries.map((entry) => canonicalJson(entry)).join("\n")}\n`;
};

/**
 * As it was when sagas first ran on each version. A line that changes is a saga in the field that goes on by another definition
 * than it began with: make a new version instead.
 */
describe("the journal stays, word for word, of version", () => {
  it.each<[string, () => Saga]>([
    ["1 of a charge by instrument", () => beginCharge("instrument")],
    ["1 of a charge by wallet", () => beginCharge("wallet", 10_000n, undefined, null)],
    ["1 of a ledger transfer", () => beginTransfer(legsWith(2))],
    ["2 of a charge by wallet", () => beginCharge("wallet")],
    ["2 of a charge by wallet under a cap", () => beginCharge("wallet", 10_000n, undefined, true)],
    ["2 of a converted charge by instrument", () => beginCharge("instrument", 10_000n, { to: "USD", quote: "fxq_1" })],
    ["2 of a converted charge by wallet", () => beginCharge("wallet", 10_000n, { to: "USD" }, null)],
    ["3 of a converted charge by wallet", () => beginCharge("wallet", 10_000n, { to: "USD" })],
    ["3 of a converted charge by wallet under a cap", () => beginCharge("wallet", 10_000n, { to: "USD" }, true)],
    ["1 of a hedge", () => beginHedge()],
  ])("%s", async (name, begin) => {
    await expect(journalOf(begin())).toMatchFileSnapshot(`./golden/${name.replaceAll(" ", "-")}.jsonl`);
  });
});

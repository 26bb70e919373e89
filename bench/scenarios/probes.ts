import { api, poll } from "../../tests/support/client.ts";
import { accountPath, deposit, type Entry, type Posted } from "../../tests/support/ledger.ts";
import { must } from "../../tests/support/story.ts";
import { minor, verdict } from "../../tests/support/verdict.ts";
import { Histogram } from "../load/histogram.ts";
import { fanOut, lagFeed } from "./feeds.ts";
import type { ProbeScenario } from "./scenario.ts";

const OWNER = "teller";
/** From a transfer's commit until a list shows it. */
const readModel: ProbeScenario = {
  kind: "probe",
  name: "lag read model",
  oursAlone: true,
  about: "from a transfer's commit until a list of entries shows it",
  async run(target, { seconds }) {
    const operator = api(target.url, target.operator);
    const histogram = new Histogram();
    const path = accountPath(`wallet:${OWNER}:EUR`, "/entries?limit=200");
    const started = performance.now();
    let [made, after] = [0, ""];
    while (performance.now() - started < seconds * 1_000) {
      const order = deposit(OWNER, "0.01");
      const { recorded_at } = must(await operator.post<Posted>("/v1/ledger/transfers", order), 201);
      made++;
      await poll(
        async () => {
          const page = must(await operator.get<{ data: Entry[]; next: string | null }>(`${path}${after}`), 200);
          if (page.next !== null) after = `&after=${encodeURIComponent(page.next)}`;
          return page.data;
        },
        (entries) => entries.some(({ transfer }) => transfer === order.id),
        60_000,
      );
      histogram.record(Date.now() - Date.parse(recorded_at));
    }
    const account = must(await operator.get<{ credits_posted: string }>(accountPath(`wallet:${OWNER}:EUR`)), 200);
    const faults = Number(minor(account.credits_posted)) === made ? [] : [`it holds ${account.credits_posted}`];
    return {
      timed: [{ what: "commit to list", latency: histogram.summary() }],
      check: [verdict("shown", faults, `${made} transfers were shown, and the account holds them`)],
    };
  },
};

export const PROBES: readonly ProbeScenario[] = [fanOut, lagFeed, readModel];

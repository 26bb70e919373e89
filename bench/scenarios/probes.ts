import { setTimeout as delay } from "node:timers/promises";
import { inBatches } from "../../tests/support/checker.ts";
import { api, poll } from "../../tests/support/client.ts";
import { FeedClient } from "../../tests/support/feed-client.ts";
import { accountPath, deposit, type Entry, type Posted } from "../../tests/support/ledger.ts";
import { must } from "../../tests/support/story.ts";
import { minor, verdict } from "../../tests/support/verdict.ts";
import { Histogram } from "../load/histogram.ts";
import type { ProbeScenario } from "./scenario.ts";

const OWNER = "teller";
/** Between two events of a probe that times how long one takes: what is timed is no queue of our own making. */
const PAUSE_MS = 50;

/** One pod, so many who watch it: each change of its name is timed from its commit to each of them. */
const feed = (name: string, sockets: number): ProbeScenario => ({
  kind: "probe",
  name,
  about: `one pod, ${sockets === 1 ? "one socket" : `${sockets} sockets`}: from an event's commit to its frame`,
  async run(target, seconds) {
    const pod = await target.openPod(OWNER, [], ["EUR"]);
    const owner = api(target.url, await target.token(OWNER));
    const histogram = new Histogram();
    const clients = await inBatches(Array.from({ length: sockets }), () => FeedClient.open(target.url, owner, pod));
    for (const client of clients) {
      client.acknowledgeEvery(256);
      client.onEvent(({ event }) => {
        if (event.type === "pod.updated") histogram.record(Date.now() - Date.parse(event.recorded_at));
      });
    }
    const started = performance.now();
    let events = 0;
    let last = 0;
    while (performance.now() - started < seconds * 1_000) {
      events++;
      last = must(await owner.patch<{ seq: number }>(`/v1/pods/${pod}`, { name: `Pod ${events}` }), 200).seq;
      if (sockets === 1) await delay(PAUSE_MS);
    }
    await Promise.all(clients.map((client) => client.untilSeq(Number(last), 60_000)));
    const elapsed = (performance.now() - started) / 1_000;
    const faults = clients.flatMap((client) => {
      const { seqs } = client;
      client.close();
      const whole = seqs.every((seq, index) => seq === index + 1);
      return whole && seqs.at(-1) === Number(last) ? [] : [`a socket was told ${seqs.length} of ${last} events`];
    });
    const latency = histogram.summary();
    return {
      timed: [{ what: "commit to frame", latency, perSecond: latency.count / elapsed }],
      check: [verdict("told", faults, `${sockets} sockets were told each of ${events} events once, in order`)],
    };
  },
});

/** From a transfer's commit until a list shows it. */
const readModel: ProbeScenario = {
  kind: "probe",
  name: "lag read model",
  about: "from a transfer's commit until a list of entries shows it",
  async run(target, seconds) {
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

export const PROBES: readonly ProbeScenario[] = [feed("feed fan-out", 1_000), feed("lag feed", 1), readModel];

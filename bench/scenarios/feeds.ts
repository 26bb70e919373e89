import { setTimeout as delay } from "node:timers/promises";
import { inBatches } from "../../tests/support/checker.ts";
import { api, poll } from "../../tests/support/client.ts";
import { must } from "../../tests/support/story.ts";
import { type Verdict, verdict } from "../../tests/support/verdict.ts";
import { Histogram, type Latencies } from "../load/histogram.ts";
import type { Listener } from "../load/listener.ts";
import { closedLoop, type Load, type Operation, openLoop } from "../load/loops.ts";
import { type Request, refusal, Wire } from "../load/wire.ts";
import type { ProbeScenario, Target } from "./scenario.ts";

/** What the verdict reads of these probes. */
export const TO_FRAME = "commit to frame";
export const ONE_ROW_CALL = "one-row call";
export const ADMISSION = "admission alone";

const OWNER = "teller";
const SOCKETS = 1_000;
/** Events on their way to somebody before the next is made: more of them only wait, in buffers, and what is timed is that. */
const UNDER_WAY = 8;
const TOLD_MS = 60_000;

/** A pod that has been renamed once, and the seq of that. */
const namedPod = async (target: Target): Promise<{ pod: string; token: string; seq: number }> => {
  const [pod, token] = [await target.openPod(OWNER, [], ["EUR"]), await target.token(OWNER)];
  const first = await api(target.url, token).patch<{ seq: number }>(`/v1/pods/${pod}`, { name: "Pod 0" });
  return { pod, token, seq: must(first, 200).seq };
};

/** Waits until everybody was told of it, or for so long: what is missing then, `toldOnce` says. */
const untilTold = async (listeners: readonly Listener[], last: number): Promise<void> => {
  await poll(
    async () => listeners.find(({ seqs }) => seqs.at(-1) !== last) === undefined,
    (all) => all,
    TOLD_MS,
  ).catch(() => undefined);
};

/** Each of them was told each event from `after` to `last` once, in order. */
const toldOnce = (listeners: readonly Listener[], after: number, last: number): Verdict => {
  const faults = listeners.flatMap(({ seqs }) => {
    const whole = seqs.length === last - after && seqs.every((seq, index) => seq === after + 1 + index);
    return whole ? [] : [`a socket was told ${seqs.length} of ${last - after} events, the last of them ${seqs.at(-1)}`];
  });
  const sockets = listeners.length === 1 ? "the socket was" : `${listeners.length} sockets were each`;
  return verdict("told", faults, `${sockets} told each of ${last - after} events once, in order`);
};

/** One pod that so many watch: each change of its name is timed from its commit to each of them. */
export const fanOut: ProbeScenario = {
  kind: "probe",
  name: "feed fan-out",
  about: `one pod, ${SOCKETS} sockets: from an event's commit to its frame`,
  async run(target, { seconds }) {
    const { pod, token, seq: after } = await namedPod(target);
    const listeners = await inBatches(Array.from({ length: SOCKETS }), () => target.openFeed(OWNER, pod, after));
    const histogram = new Histogram();
    let told = 0;
    let [last, lastToldAt] = [after, performance.now()];
    for (const listener of listeners) {
      listener.onEvent(({ recordedAtMs }) => {
        told++;
        lastToldAt = performance.now();
        histogram.record(Date.now() - recordedAtMs);
      });
    }
    const owner = api(target.url, token);
    const started = performance.now();
    const isOver = () => performance.now() - started >= seconds * 1_000;
    while (!isOver()) {
      const name = `Pod ${last}`;
      last = must(await owner.patch<{ seq: number }>(`/v1/pods/${pod}`, { name }), 200).seq;
      while ((last - after - UNDER_WAY) * SOCKETS > told && !isOver()) await delay(1);
    }
    await untilTold(listeners, last);
    const check = [toldOnce(listeners, after, last)];
    for (const listener of listeners) listener.close();
    const perSecond = (told * 1_000) / (lastToldAt - started);
    return { timed: [{ what: TO_FRAME, latency: histogram.summary(), perSecond }], check };
  },
};

const PEAK_IN_FLIGHT = 16;
/** A pod has that much to do, and as much again would be its peak. */
const SHARE_OF_PEAK = 0.5;
/** Fewer than a person may have unspent tickets of a pod. */
const CALLS = 400;

/** What one request after another takes, each to be answered so. */
const timeCalls = async (wire: Wire, request: Request, status: number, into: Histogram): Promise<void> => {
  const started = performance.now();
  const reply = await wire.send(request);
  into.record(performance.now() - started);
  if (reply.status !== status) throw new Error(`not ${status} but ${refusal(reply)}`);
};

/**
 * A ticket for a feed: the one call that writes one row in one actor and nothing else. In turns with it the same feed asked for
 * without an upgrade, which is let in to the pod in the same way, and then refused without a call: the difference is the durable
 * call itself.
 */
const durableCalls = async (target: Target): Promise<{ ticket: Latencies; admission: Latencies }> => {
  const { pod, token } = await namedPod(target);
  const wire = new Wire(target.url);
  const [ticket, admission] = [new Histogram(), new Histogram()];
  const at = `/v1/pods/${pod}/feed`;
  for (let call = 0; call < CALLS; call++) {
    await timeCalls(wire, { method: "POST", path: `${at}-tickets`, token, body: {} }, 201, ticket);
    await timeCalls(wire, { method: "GET", path: at, token }, 426, admission);
  }
  wire.close();
  return { ticket: ticket.summary(), admission: admission.summary() };
};

const renaming = (pod: string, token: string): Operation => ({
  request: (index) => ({ method: "PATCH", path: `/v1/pods/${pod}`, token, body: { name: `Pod ${index}` } }),
  fault: (reply) => (reply.status === 200 ? null : refusal(reply)),
  pending: () => false,
});

const faultless = (load: Load): Load => {
  if (load.faults.length > 0) throw new Error(load.faults.join("; "));
  return load;
};

/** One pod that one socket watches, at half of what it can do: from an event's commit to its frame. */
export const lagFeed: ProbeScenario = {
  kind: "probe",
  name: "lag feed",
  about: "one pod at half its peak, one socket: from an event's commit to its frame",
  oursAlone: true,
  async run(target, { seconds }) {
    const { pod, token, seq: after } = await namedPod(target);
    const listener = await target.openFeed(OWNER, pod, after);
    const renames = renaming(pod, token);
    const numbering = { next: 1 };
    const peak = faultless(await closedLoop(target.url, renames, PEAK_IN_FLIGHT, seconds, numbering));
    await untilTold([listener], after + peak.latency.count);
    const calls = await durableCalls(target);
    const histogram = new Histogram();
    listener.onEvent(({ recordedAtMs }) => histogram.record(Date.now() - recordedAtMs));
    const half = faultless(await openLoop(target.url, renames, peak.perSecond * SHARE_OF_PEAK, seconds, numbering));
    const last = after + peak.latency.count + half.latency.count;
    await untilTold([listener], last);
    const check = [toldOnce([listener], after, last)];
    listener.close();
    return {
      timed: [
        { what: TO_FRAME, latency: histogram.summary(), perSecond: half.perSecond },
        { what: "rename at peak", latency: peak.latency, perSecond: peak.perSecond },
        { what: "rename at half", latency: half.latency, perSecond: half.perSecond },
        { what: ONE_ROW_CALL, latency: calls.ticket },
        { what: ADMISSION, latency: calls.admission },
      ],
      check,
    };
  },
};

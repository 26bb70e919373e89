import type { Random } from "../../tests/support/seeded.ts";
import type { Verdict } from "../../tests/support/verdict.ts";
import type { Step } from "../floor/plans.ts";
import type { Latencies } from "../load/histogram.ts";
import type { Listener } from "../load/listener.ts";
import type { Operation } from "../load/loops.ts";
import type { RunOptions } from "../options.ts";

/** A server under load: ours, or the conventional one beside it. Both take the same requests. */
export type Target = {
  url: string;
  /** The provider that captures for it. */
  sandboxUrl: string;
  operator: string;
  token(user: string): Promise<string>;
  /** A pod with its members, all of whom may pay. */
  openPod(owner: string, members: readonly string[], currencies: readonly string[]): Promise<string>;
  /** A socket of its owner's that is told the pod's events, `after` being the newest so far. */
  openFeed(owner: string, pod: string, after: number): Promise<Listener>;
  /** Whether the money of these charges adds up, all of them having ended. */
  checkCharges(pods: readonly PaidPod[]): Promise<Verdict[]>;
  /** Where it keeps its state, and the process that serves; absent where they are not ours to look at. */
  machine?: { stateDir: string; runtimePid(): number };
};

export type PaidPod = { id: string; owner: string; charges: string[] };

/** A scenario that has been set up. */
export type Stage = {
  operation: Operation;
  /** What must hold once nothing is under way. */
  check(): Promise<Verdict[]>;
  /** Hangs up what it holds open. */
  close?(): void;
};

/** What a probe found, by what was timed. */
export type Timed = { what: string; latency: Latencies; perSecond?: number };

type Named = {
  name: string;
  about: string;
  /** The baseline has nothing like it. */
  oursAlone?: true;
};

/** One operation, again and again, by so many at once. */
export type LoadScenario = Named & {
  kind: "load";
  /** What is counted: one operation is so many of these. */
  unit: string;
  units: number;
  /** Requests under way, where the usual ones make no sense. */
  inFlight?: readonly number[];
  setup(target: Target, seed: number): Promise<Stage>;
  /** The calls and commits that the nth cannot do without, for the bare actors of `bench/floor`. */
  steps?(random: Random, index: number): readonly Step[];
};

/** Something else than how often a request is answered: it measures by itself. */
export type ProbeScenario = Named & {
  kind: "probe";
  /** `notes`: what is no time, a line each. */
  run(target: Target, options: RunOptions): Promise<{ timed: Timed[]; notes?: string[]; check: Verdict[] }>;
};

export type Scenario = LoadScenario | ProbeScenario;

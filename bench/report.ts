import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { ROOT } from "../tools/settings.ts";
import type { Load } from "./load/loops.ts";
import type { Outcome } from "./run.ts";
import type { Judged } from "./verdict.ts";

const ms = (value: number): string => (value < 10 ? value.toFixed(2) : value.toFixed(1));
const rate = (value: number): string => (value < 100 ? value.toFixed(1) : value.toFixed(0));

const pad = (cells: readonly string[]): string =>
  cells.map((cell, index) => (index === 0 ? cell.padEnd(24) : cell.padStart(10))).join("");

const HEAD = pad(["", "/s", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms"]);

const loadLine = ({ kind, inFlight, wanted, perSecond, latency }: Load, units: number): string => {
  const { p50, p90, p99, p999, max } = latency;
  const name = kind === "closed" ? `${inFlight} in flight` : `open, ${rate((wanted ?? 0) * units)} /s`;
  return pad([`  ${name}`, rate(perSecond * units), ...[p50, p90, p99, p999, max].map(ms)]);
};

/** A scenario's table; where its invariants do not hold, what is wrong in its place. */
export const tableOf = (outcome: Outcome, side: string): string => {
  const { scenario, unit, units, loads, timed, notes, verdicts, faults } = outcome;
  const title = `${side} · ${scenario.name}: ${scenario.about}${unit === "" ? "" : `, ${unit}s a second`}`;
  if (faults.length > 0)
    return [title, "  no figure: what it left does not hold", ...faults.map((fault) => `  ${fault}`)].join("\n");
  const rows = [
    ...loads.map((load) => loadLine(load, units)),
    ...timed.map(({ what, latency: { p50, p90, p99, p999, max }, perSecond }) =>
      pad([`  ${what}`, perSecond === undefined ? "" : rate(perSecond), ...[p50, p90, p99, p999, max].map(ms)]),
    ),
  ];
  return [
    title,
    HEAD,
    ...rows,
    ...notes.map((note) => `  ${note}`),
    ...verdicts.map(({ detail }) => `  held: ${detail}`),
  ].join("\n");
};

/** What was promised against what was measured. */
export const verdictTable = (judged: readonly Judged[]): string => {
  const row = (what: string, wanted: string, ratio: string, floor: string, verdict: string) =>
    `${what.padEnd(48)}${wanted.padStart(8)}${ratio.padStart(9)}${floor.padStart(9)}  ${verdict}`;
  const figure = (ratio: number | null) => (ratio === null ? "–" : ratio.toFixed(2));
  const rows = judged.map(({ what, wanted, ratio, floor, verdict, why }) =>
    row(what, wanted, figure(ratio), figure(floor), why === undefined ? verdict : `${verdict}: ${why}`),
  );
  return [row("ours by the baseline's, each at its best", "wanted", "ratio", "floor's", "verdict"), ...rows].join("\n");
};

/** Writes everything as JSON to a file of its own under bench/results/ and answers its name. */
export const writeResults = (results: object): string => {
  const folder = join(ROOT, "bench/results");
  mkdirSync(folder, { recursive: true });
  const name = `${new Date().toISOString().replaceAll(":", "-")}.json`;
  const machine = { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length, node: process.version };
  writeFileSync(join(folder, name), `${JSON.stringify({ machine, ...results }, null, 2)}\n`);
  return `bench/results/${name}`;
};

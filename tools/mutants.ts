import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Mutant, mutantsOf, withMutant } from "./mutation/guards.ts";
import { Session, type Verdict } from "./mutation/session.ts";
import { TARGETS, type Target } from "./mutation/targets.ts";
import { ROOT } from "./settings.ts";

/**
 * `npm run mutants`: every guard that decides about money, mutated one way at a time, and the tests that are to notice. Prints
 * the survivors and `caught K of N`; exit 1 below the share that must be caught. `--sample N` takes N of them, spread evenly.
 */
const LEAST_CAUGHT = 0.9;
/** Histories the simulation runs for a mutant that nothing else has noticed. */
const SEEDS = "150";

type Case = { target: Target; source: string; mutant: Mutant };

const usage = (reason: string): never => {
  process.stderr.write(`mutants: ${reason}; usage: npm run mutants -- [--sample N] [--jobs N] [--file PART]\n`);
  process.exit(2);
};

const options = () => {
  const string = { type: "string" } as const;
  try {
    return parseArgs({ options: { sample: string, jobs: string, file: string }, strict: true }).values;
  } catch (error) {
    return usage((error as Error).message.split(". ")[0] ?? "bad arguments");
  }
};

const count = (name: string, text: string): number =>
  /^[1-9]\d{0,4}$/.test(text) ? Number(text) : usage(`--${name} must be a whole number`);

const allCases = (part: string): Case[] =>
  TARGETS.filter(({ file }) => file.includes(part)).flatMap((target) => {
    const source = readFileSync(join(ROOT, target.file), "utf8");
    return mutantsOf(source).map((mutant) => ({ target, source, mutant }));
  });

const spread = (cases: readonly Case[], number: number): Case[] =>
  number >= cases.length
    ? [...cases]
    : Array.from({ length: number }, (_, at) => cases[Math.floor(((at + 0.5) * cases.length) / number)] as Case);

const outcomeOf = async (session: Session, { target, source, mutant }: Case): Promise<Verdict> => {
  const changed = { file: target.file, source: withMutant(source, mutant) };
  for (const tier of target.tiers) {
    const verdict = await session.run({ changed, tier });
    if (verdict !== "passed") return verdict;
  }
  return "passed";
};

const oneLine = (text: string): string => text.replace(/\s+/g, " ").slice(0, 110);
const described = ({ target, mutant }: Case): string =>
  `${target.file}:${mutant.line} ${mutant.kind}: ${oneLine(mutant.original)}  →  ${oneLine(mutant.replacement)}`;

const { sample, jobs = "2", file = "" } = options();
const cases = spread(allCases(file), sample === undefined ? Number.POSITIVE_INFINITY : count("sample", sample));
const survivors: Case[] = [];
/** Mutants that lost the end of a loop: caught, because no test ends with them. */
const endless: Case[] = [];
let next = 0;
const work = async (): Promise<void> => {
  const session = new Session({ SEEDS });
  try {
    for (let one = cases[next++]; one !== undefined; one = cases[next++]) {
      const outcome = await outcomeOf(session, one);
      if (outcome === "passed") survivors.push(one);
      if (outcome === "endless") endless.push(one);
    }
  } finally {
    session.close();
  }
};

/** The tests themselves must hold, or they would catch anything. */
const mustHold = async (): Promise<void> => {
  const session = new Session({ SEEDS });
  try {
    for (const tier of new Set(cases.flatMap(({ target }) => target.tiers))) {
      if ((await session.run({ changed: null, tier })) !== "passed")
        throw new Error(`${tier.tests.join(" ")} fails as it is`);
    }
  } finally {
    session.close();
  }
};

await mustHold();
await Promise.all(Array.from({ length: Math.min(count("jobs", jobs), cases.length) }, work));

const inOrder = (some: Case[]): Case[] => some.toSorted((left, right) => cases.indexOf(left) - cases.indexOf(right));
for (const one of inOrder(endless)) process.stdout.write(`endless  ${described(one)}\n`);
for (const one of inOrder(survivors)) process.stdout.write(`survived ${described(one)}\n`);
const caught = cases.length - survivors.length;
process.stdout.write(`caught ${caught} of ${cases.length}\n`);
process.exit(caught >= LEAST_CAUGHT * cases.length ? 0 : 1);

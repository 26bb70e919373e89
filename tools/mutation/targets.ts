/** Tests that run together; `name`: only those whose full name matches. */
export type Tier = { tests: readonly string[]; name?: string };
/** A source whose guards are mutated, and the tests that are to notice: one tier after another, until one does. */
export type Target = { file: string; tiers: readonly Tier[] };

const account = "objects/ledger-account";
const coordinator = "objects/saga-coordinator";
const unit = (folder: string, ...names: string[]): Tier => ({
  tests: names.map((name) => `${folder}/${name}.test.ts`),
});

const accountTiers: readonly Tier[] = [
  unit(account, "decide", "decide-opening", "partial-post", "state"),
  unit(account, "model"),
];

const coordinatorTiers: readonly Tier[] = [
  unit(coordinator, "decide", "decide-edges", "definitions/definition", "definitions/kinds"),
  unit(coordinator, ...["deadline", "group", "sub-saga", "timer", "wait"].map((name) => `steps/${name}`), "family"),
  unit(coordinator, "driver", "intake", "webhooks", "begin-transfer", "calls/provider"),
  { ...unit(coordinator, "simulation"), name: "no money is made or lost" },
];

const DECIDING = [
  "decide",
  "standing",
  "family",
  ...["deadline", "group", "sub-saga", "timer", "wait"].map((name) => `steps/${name}`),
  ...["definition", "charge", "ledger-transfer", "index"].map((name) => `definitions/${name}`),
];

/** What decides about money, and says no. */
export const TARGETS: readonly Target[] = [
  { file: `${account}/decide.ts`, tiers: accountTiers },
  ...DECIDING.map((name) => ({ file: `${coordinator}/${name}.ts`, tiers: coordinatorTiers })),
];

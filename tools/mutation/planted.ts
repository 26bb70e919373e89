import type { Edit } from "./rewrite.ts";

/** Where a planted bug must be noticed: by this test of this file, in this project of the test run. */
export type Check = { project: "unit" | "actors"; file: string; test: string };
/** A mistake one could make, and the check that is worth something only if it notices. */
export type PlantedBug = { name: string; edits: readonly Edit[]; check: Check };

const sagas = "objects/saga-coordinator";
const account = "objects/ledger-account";

const simulation: Check = {
  project: "unit",
  file: `${sagas}/simulation.test.ts`,
  test: "no money is made or lost, whatever is delayed, doubled, lost or killed",
};
const kinds: Check = { ...simulation, test: "no money is made or lost by sagas with steps of every kind" };
const model: Check = {
  project: "unit",
  file: `${account}/model.test.ts`,
  test: "an account says and holds what the reference ledger does, whatever order operations come in",
};

const bug = (name: string, check: Check, ...edits: (readonly [file: string, find: string, replace: string])[]) => ({
  name,
  check,
  edits: edits.map(([file, find, replace]) => ({ file, find, replace })),
});

const VOID_AT = `export const voidAt = async (saga: Saga, accounts: readonly string[], port: CallPort): Promise<Move> => {
  const targets = accounts.map(`;
const DECIDED = `return unanswered(called) ? again(called) : { outcome: "done", result: { acks: acknowledged(called) } };`;

export const PLANTED: readonly PlantedBug[] = [
  bug("a lost answer of the provider is a decline", simulation, [
    `${sagas}/calls/provider.ts`,
    `return { outcome: "unknown", nextPhase, retryInMs, result: known, error: detail(answer.detail) };`,
    `return declinedBy("payment_declined", null);`,
  ]),
  bug("a payment that is not found is a decline", simulation, [
    `${sagas}/calls/provider.ts`,
    `return { outcome: "unknown", nextPhase: "forward", retryInMs: retryGapMs(captureCount(step), 100) };`,
    `return declinedBy("payment_declined", null);`,
  ]),
  bug("a capture of unknown outcome is sent again under a new key", simulation, [
    `${sagas}/calls/provider.ts`,
    `key: \`\${charge}:capture\``,
    `key: \`\${charge}:capture:\${step.attempts}\``,
  ]),
  bug("a report that has lost its epoch is heard", simulation, [
    `${sagas}/decide.ts`,
    "if (!isLive(saga) || report.epoch !== saga.epoch || report.step !== saga.cursor) return null;",
    "if (!isLive(saga)) return null;",
  ]),
  bug("what may have been called ahead is not taken back", simulation, [
    `${sagas}/decide.ts`,
    "const reached = maybeCalled(saga);",
    "const reached = maybeCalled(saga).slice(0, 0);",
  ]),
  bug(
    "the pivot is called ahead of its intent",
    simulation,
    [
      `${sagas}/ahead.ts`,
      `const isSafe = canGoBack(saga) ? kind === "compensatable" : saga.tag !== null;`,
      `const isSafe = kind !== undefined;`,
    ],
    [
      `${sagas}/definitions/charge.ts`,
      `const capture = pivot("capture", { unknown: "ask" });`,
      `const capture = { ...pivot("capture", { unknown: "ask" }), ahead: true };`,
    ],
    [
      `${sagas}/definitions/definition.ts`,
      `step.kind !== "pivot" && step.unknown === "repeat"`,
      `step.unknown !== undefined`,
    ],
  ),
  bug("a retry is never due", simulation, [
    `${sagas}/decide.ts`,
    "const due = step.next_at === null || Date.parse(step.next_at) <= now;",
    "const due = step.next_at === null;",
  ]),
  bug("a cancel is granted after the pivot's intent", simulation, [
    "schema/saga-operations.ts",
    `.some(({ status }) => status !== "pending")`,
    `.some(({ status }) => status !== "pending" && status !== "intent")`,
  ]),
  bug("only the first account is voided", simulation, [
    `${sagas}/calls/accounts.ts`,
    VOID_AT,
    VOID_AT.replace("accounts.map(", "accounts.slice(0, 1).map("),
  ]),
  bug("a void is dropped", simulation, [
    `${sagas}/calls/accounts.ts`,
    VOID_AT,
    VOID_AT.replace("accounts.map(", "accounts.slice(0, 0).map("),
  ]),
  bug("a decision that was not answered is taken for a yes", simulation, [
    `${sagas}/calls/accounts.ts`,
    DECIDED,
    `return { outcome: "done", result: { acks: acknowledged(called) } };`,
  ]),
  bug(
    "an abort does not ask the last agent",
    simulation,
    [
      `${sagas}/calls/accounts.ts`,
      DECIDED,
      `return unanswered(called)
    ? declinedWith({ code: "conflict", detail: "no answer" }, "payment_declined")
    : { outcome: "done", result: { acks: acknowledged(called) } };`,
    ],
    [
      `${sagas}/calls/perform.ts`,
      "voidAt(saga, constrainedAccounts(transferInput(saga)), port)",
      "voidAt(saga, constrainedAccounts(transferInput(saga)).slice(0, -1), port)",
    ],
  ),
  bug(
    "a transfer is posted before it is decided",
    simulation,
    [
      `${sagas}/calls/perform.ts`,
      "reserveAt(saga, constrainedAccounts(transferInput(saga)).slice(0, -1), port)",
      "postEverywhere(saga, lastAgent(saga), port)",
    ],
    [
      `${sagas}/definitions/ledger-transfer.ts`,
      `compensatable("reserve", {`,
      `compensatable("reserve", { posts: true,`,
    ],
  ),
  bug(
    "the idempotency of a command is not looked up",
    simulation,
    [
      `${sagas}/intake.ts`,
      `const row = findCommand(turn.sql, scope);
    if (row !== null) return { kind: "known", row };`,
      "",
    ],
    [
      `${sagas}/intake.ts`,
      `const known = findCommand(actor.sql, scope);
    if (known !== null) {`,
      `const known = findCommand(actor.sql, scope);
    if (known !== null && scope === "") {`,
    ],
    [`${sagas}/answers.ts`, "INSERT INTO commands", "INSERT OR REPLACE INTO commands"],
  ),
  bug(
    "a cut reads the accounts before the shards",
    simulation,
    [
      `${sagas}/cut.ts`,
      `  const transfers: CutTransfer[] = [];
  const accounts = new Set<string>();`,
      `  const transfers: CutTransfer[] = [];
  const accounts = new Set<string>();
  const named = new Set<string>();
  for (let shard = 0; shard < SHARDS; shard++) {
    const page: ShardCut =
      shard === self.shard
        ? await self.cutShard(epoch, "a")
        : await callActor<CoordinatorRpc, ShardCut>(env.COORDINATORS, shardName(shard), (actor) =>
            actor.cutShard(epoch, "a"),
          );
    for (const account of page.accounts) named.add(account);
  }
  const early = await askAccounts(env, [...named].sort(), [], epoch, pace);`,
    ],
    [
      `${sagas}/cut.ts`,
      "const answers = await askAccounts(env, [...accounts].sort(), transfers, epoch, pace);",
      "const answers = early;",
    ],
  ),
  bug("a permit is not given back", simulation, [
    `${sagas}/calls/perform.ts`,
    "admit: { forward: admit, undo: endPermit },",
    `admit: { forward: admit, undo: async () => ({ outcome: "done" }) },`,
  ]),
  bug("an accepted rate is not given back", simulation, [
    `${sagas}/calls/perform.ts`,
    "accept: { forward: acceptRate, undo: releaseRate },",
    `accept: { forward: acceptRate, undo: async () => ({ outcome: "done" }) },`,
  ]),
  bug("the desk is not told of a conversion", simulation, [
    `${sagas}/calls/perform.ts`,
    "convert: { forward: convertAtRate },",
    `convert: { forward: async () => ({ outcome: "done" }) },`,
  ]),
  // The second time it asks, it asks for itself: what was accepted before is somebody else's.
  bug("an accept without an answer is another accept", simulation, [
    `${sagas}/calls/desk.ts`,
    `const op: DeskOp = { op: "accept", ...behind(saga),`,
    `const again = currentStep(saga).attempts > 1 ? { saga: \`\${saga.id} again\` } : {};
  const op: DeskOp = { op: "accept", ...behind(saga), ...again,`,
  ]),
  bug("each attempt is another hedge", simulation, [
    `${sagas}/calls/desk.ts`,
    "hedge: saga.id, saga: hedgeInput(saga).saga",
    `hedge: saga.id + " " + currentStep(saga).attempts, saga: hedgeInput(saga).saga`,
  ]),
  bug("a conversion is not hedged", simulation, [
    `${sagas}/begin-hedge.ts`,
    "if (isConverted(before) || !isConverted(after)) return null;",
    `if (after.kind !== "hedge") return null;`,
  ]),
  bug("a cut never hears of accounts that a rate made known", simulation, [
    `${sagas}/calls/accounts.ts`,
    "postingsOf(saga).map(({ leg }) => leg);",
    "postingsOf(saga).map(({ leg }) => leg).filter(({ account }) => !/^(fx|lp|rounding):/.test(account));",
  ]),
  bug("a refused credit goes nowhere", simulation, [
    `${sagas}/calls/accounts.ts`,
    `return { outcome: "unknown", result, retryInMs: 0, redirects: toSuspense(saga, refused) };`,
    `return { outcome: "done", result };`,
  ]),
  bug("a capture that came to light is not booked", simulation, [
    `${sagas}/stray-captures.ts`,
    "if (stray === undefined) return null;",
    "if (stray === undefined || at >= 0) return null;",
  ]),
  bug("nobody heeds a capture of a charge that was taken back", simulation, [
    `${sagas}/stray-captures.ts`,
    `if (saga.failure === null || state !== "captured"`,
    `if (saga.failure !== null || state !== "captured"`,
  ]),
  bug("a pod never hears that a charge was taken up again", simulation, [
    `${sagas}/driver.ts`,
    "if (saga !== null) await announceStanding(saga, this.#port);",
    `if (saga?.status === "parked") await announceStanding(saga, this.#port);`,
  ]),
  bug("operators take back what may be captured", simulation, [
    "schema/saga-operations.ts",
    "!hasEnded(saga) && !goesBack(saga) && !pivotStands(saga);",
    `saga.failure === null && saga.status !== "completed";`,
  ]),
  bug("a saga that is a step is left behind", kinds, [
    `${sagas}/family.ts`,
    "const back = child === null ? null : takenBack(",
    "const back = child === null || child.parent === saga.id ? null : takenBack(",
  ]),
  bug("a saga goes back though its step can only go forward", kinds, [
    "schema/saga-operations.ts",
    " || steps.some(childStands);",
    " || (steps.some(childStands) && steps.length === 0);",
  ]),
  bug("a saga does not hear that its step has ended", kinds, [
    `${sagas}/family.ts`,
    "return isDeaf || !isNews(step, move) ? null :",
    `return isDeaf || !isNews(step, move) || move.outcome === "done" ? null :`,
  ]),
  bug("a group undoes all of its branches but one", kinds, [
    `${sagas}/steps/group.ts`,
    "branches.filter((branch) => known[branch] === undefined);",
    `branches.filter((branch, at) => known[branch] === undefined && (at > 0 || phase !== "compensate"));`,
  ]),
  bug("a timer that is due is not heard", kinds, [
    `${sagas}/decide.ts`,
    `if (phase === "wait") phase = asks ? "query" : "forward";`,
    `if (asks && phase === "wait") phase = "query";`,
  ]),
  bug("a wait outlasts its timeout", kinds, [
    `${sagas}/decide.ts`,
    "if (end === null || now < end) return null;",
    "if (end === null || now >= 0) return null;",
  ]),
  bug("a stored no is forgotten", model, [
    `${account}/apply.ts`,
    "words.keep(op, { state,",
    `if (state !== "refused") words.keep(op, { state,`,
  ]),
  bug("an account applies a transfer as often as it comes", model, [
    `${account}/decide.ts`,
    "const said = recall(word, op);",
    `const said = word.state === "reserved" || op.op !== "post" ? recall(word, op) : null;`,
  ]),
  bug("open holds do not count against the floor", model, [
    `${account}/account.ts`,
    "balanceOf(state.counters, normalSide) - pendingOn(state.counters, opposite(normalSide)) - (state.floor ?? 0n);",
    "balanceOf(state.counters, normalSide) - (state.floor ?? 0n);",
  ]),
  bug(
    "a command is answered before its commit",
    {
      project: "unit",
      file: "objects/kit/mailbox.test.ts",
      test: "answers nobody when the commit itself fails, and leaves no rejection behind",
    },
    [
      "objects/kit/mailbox.ts",
      "const settled = this.#commit(batch.map(({ command }) => command));",
      `for (const { resolve } of batch) resolve(undefined);
      const settled = this.#commit(batch.map(({ command }) => command));`,
    ],
  ),
  bug(
    "a projection applies an event twice",
    {
      project: "unit",
      file: "workers/consumers/runs.test.ts",
      test: "applies each event once, in order, whatever came twice, late or not at all",
    },
    ["workers/consumers/runs.ts", "apply.push(row);", "apply.push(row, row);"],
  ),
  bug(
    "the guard of a checkpoint is dropped",
    {
      project: "actors",
      file: "workers/consumers/projection.workerd.test.ts",
      test: "rolls the whole batch back when the race is lost",
    },
    ["workers/consumers/checkpoints.ts", "next.value->>'seq', NULL),", "next.value->>'seq', next.value->>'seq'),"],
  ),
];

/** The planted bug of this name; throws when there is none. */
export const plantedBug = (name: string): PlantedBug => {
  const found = PLANTED.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no planted bug is called ${JSON.stringify(name)}`);
  return found;
};

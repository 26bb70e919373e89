import { DurableObject } from "cloudflare:workers";
import { gathering } from "../../objects/kit/gather.ts";
import { Mailbox } from "../../objects/kit/mailbox.ts";
import { Lanes } from "../../objects/saga-coordinator/lanes.ts";
import { JOURNAL, type Plan, type Step } from "./plans.ts";

/**
 * The least a payment can be on this runtime: the calls and durable commits that it cannot do without where each account and each pod is an
 * object of its own, a row a commit and nothing else. No rules, events, hashes, messages, read model, provider. It gathers by the product's
 * own mailbox and lanes.
 */
type Env = { ACTORS: DurableObjectNamespace<BareActor> };

/** About what an event's body takes. */
const ROW = "x".repeat(400);

export class BareActor extends DurableObject<Env> {
  readonly #commits: Mailbox<null>;
  readonly #calls: Lanes<null, null>;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const { sql } = ctx.storage;
    sql.exec("CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT");
    const gather = gathering(ctx.storage);
    const write = () => sql.exec("INSERT INTO rows (body) VALUES (?)", ROW);
    this.#commits = new Mailbox((commands) => {
      ctx.storage.transactionSync(() => commands.forEach(write));
      return commands.map((value) => ({ ok: true, value }));
    }, gather);
    this.#calls = new Lanes(async (actor, ops) => {
      await env.ACTORS.getByName(actor).commit(ops.length);
      return ops;
    }, gather);
  }

  /** Writes so many rows, in one commit with whoever else comes in the same moment. */
  async commit(rows: number): Promise<void> {
    await Promise.all(Array.from({ length: rows }, () => this.#commits.submit(null)));
  }

  async run(steps: readonly Step[]): Promise<void> {
    for (const step of steps) await (step === JOURNAL ? this.commit(1) : this.#calls.submit(step.actor, null));
    this.ctx.waitUntil(this.commit(1));
  }
}

export default {
  async fetch(request, env) {
    const { shard, steps } = (await request.json()) as Plan;
    await env.ACTORS.getByName(`shard:${shard}`).run(steps);
    return new Response(null, { status: 201 });
  },
} satisfies ExportedHandler<Env>;

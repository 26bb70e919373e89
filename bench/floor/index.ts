import { DurableObject } from "cloudflare:workers";
import { Crowds, gathering } from "../../objects/kit/gather.ts";
import { JOURNAL, type Plan, type Step } from "./plans.ts";

/**
 * The least a payment can be on this runtime: the calls and durable commits that it cannot do without where each account and each pod is an
 * object of its own, a row a commit and nothing else. No rules, events, hashes, messages, read model, provider. It gathers as the product
 * does.
 */
type Env = { ACTORS: DurableObjectNamespace<BareActor> };

/** About what an event's body takes. */
const ROW = "x".repeat(400);
/** The object's own lane: no object is called so. */
const OWN = "";

export class BareActor extends DurableObject<Env> {
  readonly #waiting = new Map<string, Group>();
  readonly #under = new Map<string, Promise<void>>();
  readonly #crowds = new Crowds();

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT");
  }

  /** Writes so many rows, in one commit with whoever else comes in the same moment. */
  commit(rows: number): Promise<void> {
    return this.#join(OWN, rows);
  }

  async run(steps: readonly Step[]): Promise<void> {
    for (const step of steps) await this.#join(step === JOURNAL ? OWN : step.actor, 1);
    this.ctx.waitUntil(this.#join(OWN, 1));
  }

  /** Who comes while others are on their way there shares the next go. */
  #join(target: string, rows: number): Promise<void> {
    const waiting = this.#waiting.get(target);
    if (waiting !== undefined) {
      waiting.rows += rows;
      return waiting.gone;
    }
    const group: Group = { rows, gone: Promise.resolve() };
    this.#waiting.set(target, group);
    group.gone = this.#go(target, group, this.#under.get(target));
    this.#under.set(target, group.gone);
    return group.gone;
  }

  async #go(target: string, group: Group, before: Promise<void> | undefined): Promise<void> {
    await before;
    await gathering(this.ctx.storage)(this.#crowds.has(target));
    this.#waiting.delete(target);
    this.#crowds.note(target, group.rows > 1);
    if (target === OWN) this.#write(group.rows);
    else await this.env.ACTORS.getByName(target).commit(group.rows);
    if (this.#under.get(target) === group.gone) this.#under.delete(target);
  }

  #write(rows: number): void {
    this.ctx.storage.transactionSync(() => {
      for (let row = 0; row < rows; row++) this.ctx.storage.sql.exec("INSERT INTO rows (body) VALUES (?)", ROW);
    });
  }
}

/** Those who go together, in rows. */
type Group = { rows: number; gone: Promise<void> };

export default {
  async fetch(request, env) {
    const { shard, steps } = (await request.json()) as Plan;
    await env.ACTORS.getByName(`shard:${shard}`).run(steps);
    return new Response(null, { status: 201 });
  },
} satisfies ExportedHandler<Env>;

import { DurableObject } from "cloudflare:workers";
import type { LogRow, Meta } from "../../schema/events.ts";
import { mayInPod } from "../../schema/permissions.ts";
import type { PodRecord } from "../../schema/pods.ts";
import { type Rejection, type Result, reject } from "../../schema/rejections.ts";
import type { Answered, CommandKey, LogHead, LogVerdict } from "../../schema/rpc/actor.ts";
import type { FeedRpc } from "../../schema/rpc/feed.ts";
import type {
  CreatePod,
  PermitAnswer,
  PermitCall,
  PodAnswer,
  PodCommand,
  PodReply,
  PodRpc,
  PodSeen,
  Standing,
  Viewer,
} from "../../schema/rpc/pod.ts";
import { streamOf } from "../../schema/streams.ts";
import { Actor } from "../kit/actor.ts";
import { type ObjectEnv, relayPort, settingsOf } from "../kit/env.ts";
import { PRUNE_TIMER, pruneAnswers } from "../kit/kept-answers.ts";
import { localKeyService, SealedFields } from "../kit/sealed-fields.ts";
import { callActor } from "../kit/stub.ts";
import type { KeptReply } from "./answers.ts";
import { FEED_TIMER, FeedTeller } from "./feed-teller.ts";
import { invitationToken, TOKEN_BYTES } from "./invitation-token.ts";
import { migrations } from "./migrations.ts";
import { runCommand, runCreate } from "./run-command.ts";
import { isAnswered, MAX_PERMIT_OPS, runPermit } from "./run-permit.ts";
import { fold, type PodState } from "./state.ts";
import { seenBy, standingOf } from "./view.ts";

/** A payment circle: who is in it, what they may do, and which charges are under way. Named by the pod's id. */
export class CrowdPod extends DurableObject<ObjectEnv> implements PodRpc {
  readonly #pod: string;
  readonly #actor: Actor<PodState>;
  readonly #sealed: SealedFields;
  readonly #feed: FeedTeller;
  /** The hash of the first event, by which the log is named; null until it was asked for. */
  #firstHash: string | null = null;

  constructor(ctx: DurableObjectState, env: ObjectEnv) {
    super(ctx, env);
    const { name } = ctx.id;
    if (name === undefined) throw new Error("a pod is reached by its id");
    this.#pod = name;
    this.#actor = new Actor(ctx, {
      stream: streamOf.pod(name),
      fold,
      migrations,
      relay: relayPort(env),
      isOpen: ({ permits }) => permits.size > 0,
      afterCommit: () => this.#feed.drain(),
      onTimer: ({ kind }) => this.#onTimer(kind),
    });
    const { log, timers, clock } = this.#actor;
    this.#feed = new FeedTeller(log, timers, clock, (news) =>
      callActor<FeedRpc, { watched: boolean }>(env.FEEDS, name, (feed) => feed.tell(news)),
    );
    // What was committed before this waking may not have been told.
    if (this.#feed.watched) ctx.waitUntil(this.#feed.look());
    this.#sealed = new SealedFields(ctx.storage.sql, localKeyService(settingsOf(env).KEK), streamOf.pod(name));
  }

  async create(command: CreatePod, meta: Meta): Promise<Result<Answered<PodRecord>>> {
    if (command.pod !== this.#pod) throw new Error(`a command for ${command.pod} came to ${this.#pod}`);
    const closed = this.#actor.closedDoor;
    if (closed !== null) return { ok: false, rejection: closed };
    return this.#actor.turn((turn) => runCreate(turn, command, meta));
  }

  async see(viewer: Viewer): Promise<PodSeen | null> {
    return seenBy(this.#actor.state, this.#actor.head, viewer);
  }

  async watch(viewer: Viewer): Promise<Standing | null> {
    // Before it is looked who stands where: what is sealed has to be waited for.
    this.#firstHash ??= await this.#actor.history.hashAt(1);
    const standing = standingOf(this.#actor.state, this.#actor.head, this.#firstHash ?? "", viewer);
    if (standing !== null) this.#feed.watch();
    return standing;
  }

  /** A person's command takes a commit of its own, at once: it is the coordinator's operations that come in crowds. */
  async command(command: PodCommand, key: CommandKey, viewer: Viewer, meta: Meta): Promise<PodAnswer> {
    const refused = (rejection: Rejection): PodAnswer => ({
      ok: false,
      rejection,
      replayed: false,
      request_id: meta.correlation,
    });
    const closed = this.#actor.closedDoor;
    if (closed !== null) return refused(closed);
    const token = command.type === "invite" ? this.#drawToken() : null;
    const sealed = token !== null && key.key !== null ? await this.#seal(viewer.user, token) : null;
    const { replayed, answer } = this.#actor.turn((turn) =>
      runCommand(turn, { command, key, viewer, meta, token, sealed }),
    );
    if (!answer.ok) return { ...answer, replayed };
    const reply = await this.#reveal(viewer.user, answer.reply, replayed ? null : token);
    return reply === null
      ? refused(reject("invitation_expired", "what was kept of this invitation is gone").rejection)
      : { ok: true, value: { replayed, value: reply } };
  }

  async permits(calls: PermitCall[]): Promise<PermitAnswer[]> {
    if (calls.length > MAX_PERMIT_OPS) throw new RangeError(`a call carries at most ${MAX_PERMIT_OPS} operations`);
    return Promise.all(calls.map((call) => this.#permit(call)));
  }

  async #permit({ op, meta }: PermitCall): Promise<PermitAnswer> {
    const closed = this.#actor.closedDoor;
    if (closed !== null) return { ok: false, rejection: closed };
    const full = op.op === "admit" ? this.#actor.nearlyFull : null;
    if (full !== null && !isAnswered(this.#actor.sql, op.saga)) return { ok: false, rejection: full };
    try {
      return await this.#actor.submit((turn) => runPermit(turn, op, meta));
    } catch (error) {
      console.error(`${op.op} of ${op.saga} failed: ${error instanceof Error ? error.message : "not an error"}`);
      return reject("internal", "the pod could not take this");
    }
  }

  #drawToken(): string {
    return invitationToken(this.#pod, crypto.getRandomValues(new Uint8Array(TOKEN_BYTES)));
  }

  /** Only who may invite has a data key made: a stranger's try writes nothing. Null for anybody else. */
  async #seal(user: string, token: string) {
    const role = this.#actor.state.members.get(user)?.role;
    if (role === undefined || !mayInPod(role, "member.invite")) return null;
    return this.#sealed.seal(user, "member.invited", "invitation_token", token);
  }

  /** The reply with its token: the one just drawn, or the one that was kept. Null when that was shredded with its maker's data. */
  async #reveal(user: string, reply: KeptReply, drawn: string | null): Promise<PodReply | null> {
    if (reply.type !== "invitation") return reply;
    const { token: sealed, ...rest } = reply;
    const token =
      drawn ?? (sealed === null ? null : await this.#sealed.open(user, "member.invited", "invitation_token", sealed));
    return token === null ? null : { ...rest, token };
  }

  async #onTimer(kind: string): Promise<void> {
    if (kind === PRUNE_TIMER) this.#actor.turn(pruneAnswers);
    if (kind === FEED_TIMER) await this.#feed.look();
  }

  async eventsSince(after: number, limit: number): Promise<LogRow[]> {
    return this.#actor.reads.eventsSince(after, limit);
  }

  async head(): Promise<LogHead> {
    return this.#actor.reads.head();
  }

  async verifyLog(after: number, prevHash: string, limit: number): Promise<LogVerdict> {
    return this.#actor.reads.verifyLog(after, prevHash, limit);
  }

  async runDueTimers(): Promise<number> {
    return this.#actor.runDueTimers();
  }

  override async alarm(delivery?: AlarmInvocationInfo): Promise<void> {
    await this.#actor.alarm(delivery);
  }
}

import { DurableObject } from "cloudflare:workers";
import { badTicket, CLOSE, FEED_LIMITS } from "../../schema/feed.ts";
import type { Result } from "../../schema/rejections.ts";
import {
  type Bearer,
  ENTRY_HEADER,
  type Entry,
  type FeedRpc,
  type IssuedTicket,
  type PodNews,
} from "../../schema/rpc/feed.ts";
import type { PodRpc } from "../../schema/rpc/pod.ts";
import { isoTime } from "../kit/clock.ts";
import type { ObjectEnv } from "../kit/env.ts";
import { migrate } from "../kit/migrations.ts";
import { callActor } from "../kit/stub.ts";
import { Audience } from "./audience.ts";
import { admit, nextLook, overdue, sittingEnds, stillGood } from "./decide.ts";
import { Delivery } from "./delivery.ts";
import { parseFrame, textOf } from "./frames.ts";
import { migrations } from "./migrations.ts";
import { acknowledged, renewed } from "./state.ts";
import { TICKET_BYTES, Tickets } from "./tickets.ts";

/** After a read of the pod that failed, the feed tries again this much later, milliseconds. */
const RETRY_MS = 5_000;

/**
 * The live feed of one pod, named by the pod's id. It decides nothing about money and has no log: the pod's is delivered, in
 * order, to hibernating sockets. Durable are the tickets, and the sockets' seats in their attachments. Its one alarm stands at
 * the first time a socket may be overdue; it goes by real time, as tokens do. Outside a call nothing here may set a timeout: it
 * would keep the object awake.
 */
export class PodFeed extends DurableObject<ObjectEnv> implements FeedRpc {
  readonly #pod: string;
  readonly #audience: Audience;
  readonly #delivery: Delivery;
  readonly #tickets: Tickets;
  /** Who has asked the pod and is not seated yet. With them about, the feed is watched. */
  #arriving = 0;
  #armedFor: number | null = null;
  #migrated = false;

  constructor(ctx: DurableObjectState, env: ObjectEnv) {
    super(ctx, env);
    const { name } = ctx.id;
    if (name === undefined) throw new Error("a feed is reached by its pod's id");
    this.#pod = name;
    this.#audience = new Audience(ctx);
    this.#tickets = new Tickets(ctx.storage.sql);
    this.#delivery = new Delivery({
      places: () => this.#audience.places(),
      pull: (after, limit) => this.#askPod((pod) => pod.eventsSince(after, limit)),
      head: async () => (await this.#askPod((pod) => pod.head())).seq,
      now: Date.now,
      wait: (ms) => scheduler.wait(ms),
    });
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
  }

  async issueTicket(bearer: Bearer): Promise<Result<IssuedTicket>> {
    const now = Date.now();
    const good = stillGood(bearer, now);
    if (!good.ok) return good;
    this.#open();
    const issued = this.#tickets.issue(bearer, crypto.getRandomValues(new Uint8Array(TICKET_BYTES)), now);
    if (!issued.ok) return issued;
    const { ticket, expiresAt } = issued.value;
    return { ok: true, value: { ticket, expires_at: isoTime(expiresAt) } };
  }

  async spendTicket(ticket: string): Promise<boolean> {
    return this.#redeem(ticket) !== null;
  }

  async tell(news: PodNews): Promise<{ watched: boolean }> {
    this.#delivery.take(news);
    this.#arm();
    this.#catchUp(() => this.#delivery.catchUp());
    await this.#delivery.rest();
    return { watched: this.#arriving > 0 || !this.#audience.isEmpty };
  }

  override async fetch(request: Request): Promise<Response> {
    const entry = JSON.parse(request.headers.get(ENTRY_HEADER) ?? "") as Entry;
    const bearer = "ticket" in entry ? this.#redeem(entry.ticket) : entry.bearer;
    if (bearer === null) return Response.json(badTicket());
    this.#arriving++;
    try {
      const { user, operator } = bearer;
      const standing = await this.#askPod((pod) => pod.watch({ user, operator }));
      const sockets = this.#audience.size;
      const welcome = admit({ bearer, after: entry.after, standing, sockets, now: Date.now() });
      if (!welcome.ok) return Response.json(welcome);
      const { 0: client, 1: server } = new WebSocketPair();
      this.#delivery.learn(welcome.value.seat.joined);
      this.#audience.join(server, welcome.value.seat, welcome.value.frames);
      this.#arm();
      this.#catchUp(() => this.#delivery.catchUp());
      return new Response(null, { status: 101, webSocket: client });
    } finally {
      this.#arriving--;
    }
  }

  override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    const seat = this.#audience.seatOf(socket);
    if (seat === null) return;
    if (typeof message !== "string" || message.length > FEED_LIMITS.frame) {
      const [code, reason] =
        typeof message === "string" ? [CLOSE.tooLarge, "too large a frame"] : [CLOSE.notText, "frames are text"];
      this.#audience.put(socket, { seat: { ...seat, over: true }, texts: [], closing: { code, reason } });
      return;
    }
    const frame = parseFrame(message);
    switch (frame?.type) {
      case "ack": {
        this.#audience.put(socket, { seat: acknowledged(seat, frame.seq), texts: [], closing: null });
        if (seat.stalled_at !== null) this.#catchUp(() => this.#delivery.catchUp());
        return;
      }
      case "auth":
        this.#renew(socket, frame.ticket);
        return;
      default:
        this.#complain(socket, "invalid_request", "not a frame that is known here");
    }
  }

  override async webSocketClose(socket: WebSocket): Promise<void> {
    this.#audience.leave(socket);
    // The answer to a goodbye: left to the runtime, it came ten seconds late. A code that the client left out may not be sent.
    if (socket.readyState !== WebSocket.CLOSED) socket.close(1000, "");
  }

  override async webSocketError(socket: WebSocket): Promise<void> {
    this.#audience.leave(socket);
  }

  /** Closes whoever is overdue, and looks by itself whether the pod's log has gone on. Never throws for a pod out of reach. */
  override async alarm(): Promise<void> {
    this.#armedFor = null;
    const now = Date.now();
    for (const { seat, put } of this.#audience.places()) {
      const due = overdue(seat, now);
      if (due !== null) put(due);
    }
    this.#arm();
    if (!this.#audience.isEmpty) this.#catchUp(() => this.#delivery.look());
  }

  #renew(socket: WebSocket, ticket: string): void {
    const seat = this.#audience.seatOf(socket);
    const bearer = this.#redeem(ticket);
    const now = Date.now();
    const next =
      seat === null || bearer === null || !stillGood(bearer, now).ok
        ? null
        : renewed(seat, bearer, sittingEnds(bearer, now));
    if (next === null) {
      this.#complain(socket, "unauthenticated", badTicket().rejection.detail);
      return;
    }
    const text = textOf({ type: "auth", expires_at: isoTime(next.ends_at) });
    this.#audience.put(socket, { seat: next, texts: [text], closing: null });
    this.#arm();
  }

  #complain(socket: WebSocket, code: "invalid_request" | "unauthenticated", detail: string): void {
    const seat = this.#audience.seatOf(socket);
    if (seat !== null)
      this.#audience.put(socket, { seat, texts: [textOf({ type: "error", code, detail })], closing: null });
  }

  #redeem(ticket: string): Bearer | null {
    return this.#isOpened() ? this.#tickets.redeem(ticket, Date.now()) : null;
  }

  /** Anybody may come with what looks like a ticket, for any pod: a feed that has issued none does not come into being by that. */
  #isOpened(): boolean {
    if (this.#migrated) return true;
    const tables = this.ctx.storage.sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'tickets'");
    if (tables.toArray().length > 0) this.#open();
    return this.#migrated;
  }

  #open(): void {
    if (this.#migrated) return;
    migrate(this.ctx.storage, migrations);
    this.#migrated = true;
  }

  /** Sets the alarm where it must stand earlier than it does, or where nothing is known of it. */
  #arm(atLatest = Number.POSITIVE_INFINITY): void {
    const due = Math.min(nextLook(this.#audience.seats()) ?? Number.POSITIVE_INFINITY, atLatest);
    if (due === Number.POSITIVE_INFINITY || (this.#armedFor !== null && this.#armedFor <= due)) return;
    this.#armedFor = due;
    void this.ctx.storage.setAlarm(Math.max(due, Date.now() + 1));
  }

  /** Delivery in the background. Where the pod cannot be read, the alarm tries again. */
  #catchUp(deliver: () => Promise<void>): void {
    const delivered = deliver().then(
      () => this.#arm(),
      (error: unknown) => {
        console.error(`feed of ${this.#pod}: ${error instanceof Error ? error.message : "not an error"}`);
        this.#arm(Date.now() + RETRY_MS);
      },
    );
    this.ctx.waitUntil(delivered);
  }

  #askPod<T>(call: (pod: PodRpc) => Promise<T>): Promise<T> {
    return callActor<PodRpc, T>(this.env.PODS, this.#pod, call);
  }
}

import { emptyBody, feedQuery } from "../../../schema/commands.ts";
import { badTicket, CLOSE, FEED_LIMITS, TICKET_PATTERN } from "../../../schema/feed.ts";
import { parseId } from "../../../schema/ids.ts";
import { accept, type Refused, type Result, reject } from "../../../schema/rejections.ts";
import { feedTicketResource } from "../../../schema/resources.ts";
import { type Bearer, ENTRY_HEADER, type Entry } from "../../../schema/rpc/feed.ts";
import type { Actors } from "../actors.ts";
import type { Caller } from "../authorize.ts";
import { type Answer, answer, type Call, defineRoute } from "../route.ts";
import { admitToPod } from "./pod-policy.ts";

const bearerOf = ({ user, operator, tokenEndsAt }: Caller): Bearer => ({ user, operator, token_ends_at: tokenEndsAt });

type FeedQuery = { after: number; ticket?: string | undefined };
type FeedCall = Call<unknown, FeedQuery>;

const isUpgrade = ({ request }: FeedCall): boolean => request.headers.get("upgrade")?.toLowerCase() === "websocket";

/** The ticket that stands for a token here: only where no token was shown. */
const ticketOf = ({ request, query }: FeedCall): string | null =>
  request.headers.has("authorization") ? null : (query.ticket ?? null);

/**
 * A token is judged by the policy port, as everywhere. A ticket was, when it was issued; here it must look like one, and where no
 * upgrade is going to spend it, it is spent at once: whoever reads it in a log is to find it worthless.
 */
const admit = async (call: FeedCall): Promise<Result<null>> => {
  const ticket = ticketOf(call);
  if (ticket === null) {
    const seen = await admitToPod("feed.open")(call);
    return seen.ok ? accept(null) : seen;
  }
  const pod = call.params.id ?? "";
  if (!TICKET_PATTERN.test(ticket) || parseId("pod", pod) === null) return badTicket();
  if (isUpgrade(call)) return accept(null);
  return (await call.actors.feed(pod)((feed) => feed.spendTicket(ticket))) ? accept(null) : badTicket();
};

/** Knocks at the feed. What the client sent stays here: the feed gets a request of our own, with the ticket in no URL. */
const enter = async (actors: Actors, pod: string, entry: Entry): Promise<Answer> => {
  const headers = { upgrade: "websocket", [ENTRY_HEADER]: JSON.stringify(entry) };
  const response = await actors.feed(pod)((feed) => feed.fetch(new Request("http://feed/", { headers })));
  return response.webSocket === null ? ((await response.json()) as Refused) : { ok: true, upgraded: response };
};

/** What a reader of the OpenAPI document, which knows no WebSockets, has to be told of this one. */
const FRAMES = [
  'A WebSocket; every frame is a JSON object. From us: {"type":"hello","epoch","seq"} first, then {"type":"event","seq","event"} from',
  'after + 1 without gap or double, {"type":"presence","user","state":"online"|"offline"}, {"type":"resync","from"} when after lies',
  'ahead of the log, {"type":"auth","expires_at"} and {"type":"error","code","detail"} in answer to yours. From you:',
  '{"type":"ack","seq"}, {"type":"auth","ticket"} to renew the token without a drop, and the bare text ping, answered pong. It closes',
  `with ${CLOSE.tokenEnded} when the token has ended, ${CLOSE.notAMember} when you are no longer a member, and ${CLOSE.tooSlow}, the last seq as its reason,`,
  `when more than ${FEED_LIMITS.window} events wait for an ack: go on with after.`,
].join(" ");

export const feedRoutes = [
  defineRoute({
    operation: "feed.ticket",
    method: "POST",
    path: "/v1/pods/{id}/feed-tickets",
    summary:
      "A ticket for this pod's feed, for a client that cannot send a header. Good once, for a minute. Each call makes one of its own, whatever its idempotency key.",
    // A ticket that was told twice would be worth stealing: each call makes one of its own.
    idempotency: "none",
    body: emptyBody,
    admit: admitToPod("feed.ticket"),
    responses: { 201: { description: "The ticket, told once.", schema: feedTicketResource } },
    handler: async ({ actors, seen, caller }) => {
      const issued = await actors.feed(seen.pod.id)((feed) => feed.issueTicket(bearerOf(caller)));
      return issued.ok ? answer(201, issued.value) : issued;
    },
  }),
  defineRoute({
    operation: "feed.open",
    method: "GET",
    path: "/v1/pods/{id}/feed",
    summary: "The pod's log as it grows, over a WebSocket, from the event after `after`.",
    idempotency: "none",
    upgrades: true,
    query: feedQuery,
    admit,
    responses: { 101: { description: FRAMES, schema: null } },
    handler: async (call) => {
      if (!isUpgrade(call)) return reject("upgrade_required", "a feed is a WebSocket: ask for the upgrade");
      const { after } = call.query;
      const ticket = ticketOf(call);
      return enter(
        call.actors,
        call.params.id ?? "",
        ticket === null ? { after, bearer: bearerOf(call.caller) } : { after, ticket },
      );
    },
  }),
];

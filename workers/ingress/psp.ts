import { z } from "zod";
import { isoTime, systemClock } from "../../objects/kit/clock.ts";
import { type ConnectorName, isConnector } from "../../schema/connectors.ts";
import { shardOf } from "../../schema/ids.ts";
import { moneySchema } from "../../schema/money.ts";
import { accept, type Result, reject } from "../../schema/rejections.ts";
import { receivedResource } from "../../schema/resources.ts";
import type { InboxItem, WebhookFate } from "../../schema/rpc/coordinator.ts";
import type { ProviderState } from "../../schema/rpc/gateway.ts";
import { type Actors, actorsOf } from "../edge/actors.ts";
import { authOf } from "../edge/authorize.ts";
import { inputErrors, invalid, parseJsonObject, readBytes } from "../edge/body.ts";
import { withinRate } from "../edge/rate-limit.ts";
import { type Answer, answer, type Route, type Visit } from "../edge/route.ts";
import { type EdgeSettings, edgeSettings } from "../env.ts";
import { verifyWebhook } from "./signature.ts";

const MAX_BODY = 64 * 1024;

const secretOf = (connector: ConnectorName, settings: EdgeSettings): string =>
  ({ sandbox: settings.WEBHOOK_SECRET_SANDBOX })[connector];

/** A provider may add fields whenever it likes: what we do not know we pass over. */
const eventSchema = z.object({
  type: z.string().min(1).max(64),
  timestamp: z.iso.datetime({ offset: true }),
  data: z.object({
    id: z.string().min(1).max(128),
    reference: z.string().min(1).max(128),
    status: z.string().max(32),
    amount: moneySchema,
    decline_reason: z.string().max(128).nullish(),
  }),
});

type PspEvent = z.output<typeof eventSchema>;

const parseEvent = (bytes: Uint8Array): Result<PspEvent> => {
  const json = parseJsonObject(bytes);
  if (!json.ok) return json;
  const event = eventSchema.safeParse(json.value);
  return event.success ? accept(event.data) : invalid(inputErrors(event.error, ""));
};

const STATES: ReadonlySet<string> = new Set<ProviderState>(["pending", "authorised", "captured", "failed", "voided"]);

/** What a webhook says of its payment. Only those about payments do: a dispute's repeats a state that is long known. */
const stateIn = (type: string, status: string): ProviderState | null =>
  type.startsWith("payment.") && STATES.has(status) ? (status as ProviderState) : null;

const inboxItem = (connector: ConnectorName, event: string, { type, data }: PspEvent, payload: string): InboxItem => ({
  provider: connector,
  event,
  type,
  reference: data.reference,
  state: stateIn(type, data.status),
  amount: data.amount,
  provider_ref: data.id,
  decline_reason: data.decline_reason ?? null,
  payload,
});

const deliver = async (item: InboxItem, actors: Actors): Promise<WebhookFate> => {
  const shard = shardOf("chg", item.reference);
  return shard === null ? "unroutable" : actors.coordinator(shard)((coordinator) => coordinator.inbox(item));
};

/** Takes in one webhook. Every answer of 2xx comes after a durable write: the journal's, the inbox's, or the quarantine's. */
const receive = async (visit: Visit, connector: ConnectorName): Promise<Answer> => {
  const { request, env } = visit;
  const actors = actorsOf(env);
  const bytes = await readBytes(request, MAX_BODY);
  if (!bytes.ok) return bytes;
  const source = request.headers.get("cf-connecting-ip") ?? "unknown";
  const body = new TextDecoder().decode(bytes.value);
  const quarantine = (reason: string) =>
    actors.gateway(connector)((gateway) =>
      gateway.quarantine({ reason, source, body, received_at: isoTime(systemClock.now()) }),
    );

  // Signatures are judged by real time, as the sender's clock is.
  const now = Date.now();
  const verdict = await verifyWebhook(request.headers, bytes.value, secretOf(connector, edgeSettings(env)), now);
  if (!verdict.ok) {
    // Only what is not signed is counted: a provider that has much to tell may tell it.
    const within = await withinRate(env, `address:${source}`, now);
    if (!within.ok) return within;
    await quarantine(verdict.reason);
    return reject("unauthenticated", "the webhook's signature is not believed", { reason: "invalid_token" });
  }
  const event = parseEvent(bytes.value);
  if (!event.ok) {
    await quarantine("not an event we know");
    return event;
  }
  const fate = await deliver(inboxItem(connector, verdict.id, event.value, body), actors);
  if (fate !== "unroutable") return answer(200, { received: true });
  await quarantine("no charge of ours has this reference");
  return answer(202, { received: true });
};

export const pspWebhookRoute: Route = {
  operation: "webhook.receive",
  auth: authOf("webhook.receive"),
  method: "POST",
  path: "/ingress/psp/{connector}",
  summary: "Takes a payment provider's webhooks, signed by the Standard Webhooks scheme.",
  idempotency: "none",
  body: "raw",
  query: null,
  refuses: [401],
  responses: {
    200: { description: "Kept, or known already.", schema: receivedResource },
    202: { description: "Kept, though no charge of ours is meant.", schema: receivedResource },
  },
  async serve(visit) {
    const connector = visit.params.connector ?? "";
    return isConnector(connector) ? receive(visit, connector) : reject("not_found", "no such connector");
  },
};

import { env } from "cloudflare:workers";
import { meteredEnv } from "../objects/kit/meter/bindings.ts";
import { Meter, metering } from "../objects/kit/meter/meter.ts";
import { meteredObject } from "../objects/kit/meter/object.ts";
import { operationsOf } from "../objects/kit/meter/tally.ts";
import type { Env } from "./env.ts";

/** Where the counts are read, on a server that counts; on any other there is nothing here. */
export const METER_PATH = "/meter";

const WORKER = "Worker";
/** Decided once, as the module loads: where nothing is counted, classes and handlers are exported as they are. */
const meter = metering(env) ? new Meter() : null;

type Classes = Record<string, abstract new (...given: never[]) => object>;

/** The objects' classes by name, counted where that is asked for. */
export const meteredObjects = <C extends Classes>(classes: C): C => {
  if (meter === null) return classes;
  const counted = Object.entries(classes).map(([name, made]) => [name, meteredObject(meter, name, made)]);
  return Object.fromEntries(counted) as C;
};

type Handlers = Required<Pick<ExportedHandler<Env>, "fetch" | "queue" | "scheduled">>;

const bytesOf = (body: unknown): number => new TextEncoder().encode(JSON.stringify(body)).length;

/** A message whose end is counted: it is deleted unless it is to come again. */
const meteredMessage = (counts: Meter, message: Message): Message => {
  const operations = operationsOf(bytesOf(message.body));
  const { id, timestamp, body, attempts } = message;
  counts.count(WORKER, { queue_reads: operations });
  return {
    id,
    timestamp,
    body,
    attempts,
    ack: () => {
      counts.count(WORKER, { queue_deletes: operations });
      message.ack();
    },
    retry: (options) => message.retry(options),
  };
};

/** The Worker's handlers, counted where that is asked for. */
export const meteredHandlers = (handlers: Handlers): Handlers => {
  if (meter === null) return handlers;
  const counts = meter;
  let counted: Env | undefined;
  const own = (given: Env): Env => {
    counted ??= meteredEnv(counts, WORKER, given);
    return counted;
  };
  return {
    fetch: (request, given, context) => {
      if (new URL(request.url).pathname === METER_PATH) return Response.json(counts.report());
      counts.count(WORKER, { worker_requests: 1 });
      return handlers.fetch(request, own(given), context);
    },
    queue: (batch, given, context) => {
      counts.count(WORKER, { worker_requests: 1 });
      const messages = batch.messages.map((message) => meteredMessage(counts, message));
      const { queue, metadata } = batch;
      const ackAll = () => {
        for (const message of messages) message.ack();
      };
      return handlers.queue(
        { queue, metadata, messages, ackAll, retryAll: (options) => batch.retryAll(options) },
        own(given),
        context,
      );
    },
    scheduled: (controller, given, context) =>
      counts.during("timed", () => {
        counts.count(WORKER, { worker_requests: 1 });
        return handlers.scheduled(controller, own(given), context);
      }),
  };
};

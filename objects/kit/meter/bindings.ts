import type { ObjectEnv } from "../env.ts";
import type { Meter } from "./meter.ts";
import { operationsOf } from "./tally.ts";

/** An object like this one, but for what is given. Its own methods are bound: the platform's refuse to run on anything else. */
const like = <T extends object>(original: T, given: Partial<T>): T =>
  new Proxy(original, {
    get(target, name) {
      const own = Reflect.get(given, name);
      if (own !== undefined) return own;
      const value = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });

const originals = new WeakMap<D1PreparedStatement, D1PreparedStatement>();

const READS = /^\s*(?:select|with)\b/i;

const meteredD1 = (meter: Meter, actor: string, database: D1Database): D1Database => {
  const counted = <R extends D1Result<unknown>>(result: R): R => {
    const { rows_read = 0, rows_written = 0 } = result.meta as { rows_read?: number; rows_written?: number };
    meter.count(actor, { d1_queries: 1, d1_rows_read: rows_read, d1_rows_written: rows_written });
    return result;
  };
  const statement = (query: string, original: D1PreparedStatement): D1PreparedStatement => {
    const made = like(original, {
      bind: (...values) => statement(query, original.bind(...values)),
      all: async <T>() => counted(await original.all<T>()),
      run: async <T>() => counted(await original.run<T>()),
      first: (async (column?: string) => {
        const [row] = counted(await original.all<Record<string, unknown>>()).results;
        if (row === undefined) return null;
        return column === undefined ? row : row[column];
      }) as D1PreparedStatement["first"],
      // Rows without names bring no figures. Where only reads come this way, asking once more for those changes nothing.
      raw: (async (options?: { columnNames?: false }) => {
        if (!READS.test(query)) throw new Error("the meter cannot count what is written by raw()");
        counted(await original.all());
        return original.raw(options);
      }) as D1PreparedStatement["raw"],
    });
    originals.set(made, original);
    return made;
  };
  return like(database, {
    prepare: (query) => statement(query, database.prepare(query)),
    batch: async <T>(statements: D1PreparedStatement[]) => {
      const results = await database.batch<T>(statements.map((made) => originals.get(made) ?? made));
      return results.map((result) => counted(result));
    },
  });
};

const bytesOf = (body: unknown): number => new TextEncoder().encode(JSON.stringify(body)).length;

const meteredQueue = <T>(meter: Meter, actor: string, queue: Queue<T>): Queue<T> => {
  const write = (body: unknown) => meter.count(actor, { queue_writes: operationsOf(bytesOf(body)) });
  return like(queue, {
    send: (body, options) => {
      write(body);
      return queue.send(body, options);
    },
    sendBatch: (messages, options) => {
      const sent = [...messages];
      for (const { body } of sent) write(body);
      return queue.sendBatch(sent, options);
    },
  });
};

const CLASS_A = ["put", "list", "createMultipartUpload"] as const;
const CLASS_B = ["get", "head"] as const;

/** Deletes are free. */
const meteredBucket = (meter: Meter, actor: string, bucket: R2Bucket): R2Bucket => {
  const method = (
    name: (typeof CLASS_A | typeof CLASS_B)[number],
    part: { r2_class_a: number } | { r2_class_b: number },
  ) => {
    const original = bucket[name].bind(bucket) as (...given: unknown[]) => unknown;
    return [
      name,
      (...given: unknown[]) => {
        meter.count(actor, part);
        return original(...given);
      },
    ];
  };
  return like(
    bucket,
    Object.fromEntries([
      ...CLASS_A.map((name) => method(name, { r2_class_a: 1 })),
      ...CLASS_B.map((name) => method(name, { r2_class_b: 1 })),
    ]) as Partial<R2Bucket>,
  );
};

type Bindings = Pick<ObjectEnv, "EVENTS" | "READ_MODEL" | "LOGS">;

/** The same environment, with its database, its queues and its bucket counted as this actor's. */
export const meteredEnv = <E extends Bindings & { REBUILDS?: Queue<never> }>(
  meter: Meter,
  actor: string,
  env: E,
): E => ({
  ...env,
  EVENTS: meteredQueue(meter, actor, env.EVENTS),
  READ_MODEL: meteredD1(meter, actor, env.READ_MODEL),
  LOGS: meteredBucket(meter, actor, env.LOGS),
  ...(env.REBUILDS === undefined ? {} : { REBUILDS: meteredQueue(meter, actor, env.REBUILDS) }),
});

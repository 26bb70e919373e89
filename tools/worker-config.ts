import type { WorkerOptions } from "miniflare";
import type { Unstable_Config as WranglerConfig } from "wrangler";

export type RuntimeConfig = WorkerOptions["config"];
export type RuntimeBinding = NonNullable<RuntimeConfig["env"]>[string];
type RuntimeTrigger = NonNullable<RuntimeConfig["triggers"]>[number];

/** What a `wrangler.toml` says, in the shape the local runtime takes, without code, variables or paths of this machine. */
export interface WorkerConfig {
  readonly name: string;
  readonly compatibilityDate: string;
  readonly compatibilityFlags: readonly string[];
  readonly vars: Readonly<Record<string, unknown>>;
  readonly bindings: Readonly<Record<string, RuntimeBinding>>;
  readonly exports: NonNullable<RuntimeConfig["exports"]>;
  readonly triggers: readonly RuntimeTrigger[];
  readonly crons: readonly string[];
  /** Directories of `.sql` migrations by D1 binding, as written in the file: relative to it. */
  readonly d1Migrations: Readonly<Record<string, string>>;
}

/** Fields of the file that are read here, or that mean nothing to a local server. Anything else that is set is an error. */
const UNDERSTOOD = new Set(
  [
    "configPath userConfigPath topLevelName definedEnvironments targetEnvironment name main compatibility_date compatibility_flags",
    "rules vars secrets triggers durable_objects exports d1_databases queues ratelimits r2_buckets services version_metadata",
    "build define dev jsx_factory jsx_fragment observability python_modules upload_source_maps minify limits placement",
    "workers_dev preview_urls routes route logpush keep_vars keep_names send_metrics base_dir find_additional_modules",
  ].flatMap((line) => line.split(" ")),
);

function isUnset(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === "object" && Object.values(value).every(isUnset);
}

/**
 * Reads a Worker's configuration, as wrangler parsed it, into the local runtime's terms. Throws when the file asks for
 * something this server would silently leave out.
 */
export function workerConfig(config: WranglerConfig): WorkerConfig {
  const name = config.name ?? "";
  for (const [field, value] of Object.entries(config)) {
    if (!UNDERSTOOD.has(field) && !isUnset(value))
      throw new Error(`${name}: "${field}" has no counterpart in the local server`);
  }
  return {
    name,
    compatibilityDate: config.compatibility_date ?? "",
    compatibilityFlags: config.compatibility_flags,
    vars: config.vars,
    bindings: bindings(name, config),
    exports: exportedObjects(config),
    triggers: queueTriggers(config),
    crons: config.triggers.crons ?? [],
    d1Migrations: Object.fromEntries(
      config.d1_databases.flatMap(({ binding, migrations_dir }) => (migrations_dir ? [[binding, migrations_dir]] : [])),
    ),
  };
}

function bindings(name: string, config: WranglerConfig): Record<string, RuntimeBinding> {
  const found: Record<string, RuntimeBinding> = {};
  for (const object of config.durable_objects.bindings) {
    found[object.name] = { type: "durable-object", worker: object.script_name ?? name, exportName: object.class_name };
  }
  for (const database of config.d1_databases) {
    found[database.binding] = { type: "d1", id: database.database_id ?? database.binding };
  }
  for (const queue of config.queues.producers ?? []) {
    found[queue.binding] = {
      type: "queue",
      name: queue.queue,
      ...(queue.delivery_delay === undefined ? {} : { deliveryDelay: queue.delivery_delay }),
    };
  }
  for (const limit of config.ratelimits) {
    found[limit.name] = { type: "rate-limit", namespace: limit.namespace_id, simple: limit.simple };
  }
  for (const bucket of config.r2_buckets) {
    found[bucket.binding] = { type: "r2", name: bucket.bucket_name ?? bucket.binding };
  }
  for (const service of config.services ?? []) {
    found[service.binding] = {
      type: "worker",
      worker: service.service,
      ...(service.entrypoint === undefined ? {} : { exportName: service.entrypoint }),
    };
  }
  if (config.version_metadata) found[config.version_metadata.binding] = { type: "version-metadata" };
  return found;
}

function exportedObjects(config: WranglerConfig): NonNullable<RuntimeConfig["exports"]> {
  const exported: NonNullable<RuntimeConfig["exports"]> = {};
  for (const [className, entry] of Object.entries(config.exports ?? {})) {
    if (entry.type === "durable-object" && "storage" in entry && entry.storage) {
      exported[className] = { type: "durable-object", storage: entry.storage };
    }
  }
  return exported;
}

function queueTriggers(config: WranglerConfig): RuntimeTrigger[] {
  return (config.queues.consumers ?? []).map((consumer) => ({
    type: "queue",
    name: consumer.queue,
    ...(consumer.max_batch_size === undefined ? {} : { maxBatchSize: consumer.max_batch_size }),
    ...(consumer.max_batch_timeout === undefined ? {} : { maxBatchTimeout: consumer.max_batch_timeout }),
    ...(consumer.max_retries === undefined ? {} : { maxRetries: consumer.max_retries }),
    ...(consumer.retry_delay === undefined ? {} : { retryDelay: consumer.retry_delay }),
    ...(consumer.max_concurrency === undefined ? {} : { maxConcurrency: consumer.max_concurrency }),
    ...(consumer.dead_letter_queue === undefined ? {} : { deadLetterQueue: consumer.dead_letter_queue }),
  }));
}

/** A variable as the runtime binds it: text, or any other JSON value. */
export function variable(value: unknown): RuntimeBinding {
  if (typeof value === "string") return { type: "text", value };
  return { type: "json", value: value as Extract<RuntimeBinding, { type: "json" }>["value"] };
}

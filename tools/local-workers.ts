import { join } from "node:path";
import type { MiniflareOptions, WorkerOptions } from "miniflare";
import type { Bundle } from "./bundle.ts";
import { faultPoint } from "./faults.ts";
import { LOCAL_AUDIENCE, LOCAL_ISSUER, localKeySet } from "./issuer.ts";
import { Log, LogLevel, Response } from "./miniflare.ts";
import { mostAwake } from "./open-files.ts";
import { HOST } from "./ports.ts";
import { devVariables, faultSetting, localSecrets, rateSetting } from "./settings.ts";
import { type RuntimeBinding, variable } from "./worker-config.ts";
import type { RuntimeProcess } from "./workerd.ts";

/** The `[[ratelimits]]` binding that `CROWDPAY_RATE` sets. */
const RATE_BINDING = "RATE";
/** Variables of the process that are this server's own; every other `CROWDPAY_…` goes to the product. */
const SERVER_SETTINGS = new Set(["CROWDPAY_STATE", "CROWDPAY_RATE", "CROWDPAY_FAULTS"]);

/** Everything the Workers print belongs on stderr: stdout says where the server is, and nothing else. */
class StderrLog extends Log {
  protected override log(message: string): void {
    process.stderr.write(`${message}\n`);
  }
}

export interface Ports {
  readonly product: number;
  readonly sandbox: number;
}

export interface LocalWorkers {
  readonly product: Bundle;
  readonly sandbox: Bundle;
  /** Answered by `/version`. */
  readonly build: { readonly version: string; readonly commit: string; readonly built_at: string };
}

const dataFolder = (stateDir: string): string => join(stateDir, "data");

/** Where Miniflare keeps the D1 databases. */
export const databasesFolder = (stateDir: string): string => join(dataFolder(stateDir), "d1");

/** Where a Worker on this port is reached. */
export function address(port: number): string {
  return `http://${HOST}:${port}`;
}

/** Both Workers in one runtime, on these ports, with their state under `stateDir`. */
export function runtimeOptions(
  stateDir: string,
  ports: Ports,
  { product, sandbox, build }: LocalWorkers,
  runtime: RuntimeProcess,
): MiniflareOptions {
  const awake = mostAwake();
  const values = productVariables(product, {
    ...localSecrets(stateDir),
    ...(awake === null ? {} : { CROWDPAY_AWAKE: String(awake) }),
    PSP_URL_SANDBOX: address(ports.sandbox),
    LP_URL_SANDBOX: address(ports.sandbox),
    CROWDPAY_WEBHOOK_ALLOW: `${HOST}:${ports.sandbox}`,
    BUILD: JSON.stringify(build),
    ISSUER: LOCAL_ISSUER,
    AUDIENCE: LOCAL_AUDIENCE,
    LOCAL_JWKS: localKeySet(stateDir),
  });
  return {
    host: HOST,
    port: 0,
    cf: false,
    logRequests: false,
    enableDevRegistry: false,
    // Serves the first Worker's cron at Miniflare's own entry, which is not the port the Worker is reached at.
    unsafeTriggerHandlers: true,
    telemetry: { enabled: false },
    log: new StderrLog(LogLevel.WARN),
    handleStructuredLogs: ({ level, message }) => process.stderr.write(`[${level}] ${message}\n`),
    resourcePersistencePath: dataFolder(stateDir),
    workers: [
      workerOptions(
        withMeter(withRate(product, rateSetting(process.env))),
        ports.product,
        values,
        faultBinding(runtime, stateDir),
      ),
      workerOptions(sandbox, ports.sandbox, {
        ...sandbox.config.vars,
        WEBHOOK_SECRET: values.WEBHOOK_SECRET_SANDBOX,
        PSP_API_KEY: values.PSP_API_KEY_SANDBOX,
        LP_API_KEY: values.LP_API_KEY_SANDBOX,
        PRODUCT_WEBHOOK_URL: `${address(ports.product)}/ingress/psp/sandbox`,
      }),
    ],
  };
}

/** The product's variables: its file's, then this server's, then `.dev.vars`, then the process's: the last one wins. */
function productVariables(product: Bundle, supplied: Record<string, unknown>): Record<string, unknown> {
  const values: Record<string, unknown> = { ...product.config.vars, ...supplied, ...devVariables() };
  const passedOn = Object.keys(process.env).filter(
    (name) => name.startsWith("CROWDPAY_") && !SERVER_SETTINGS.has(name),
  );
  for (const name of [...Object.keys(values), "JWKS_URL", ...passedOn]) {
    const own = process.env[name];
    if (own !== undefined && own !== "") values[name] = own;
  }
  // Somebody else's issuer: then the local key opens nothing.
  if (values.JWKS_URL !== undefined) delete values.LOCAL_JWKS;
  return values;
}

/** A Worker as the local runtime takes it, with these variables, reached at this port. */
export function workerOptions(
  { config, manifest }: Bundle,
  port: number,
  values: Record<string, unknown>,
  extra: Record<string, RuntimeBinding> = {},
): WorkerOptions {
  const vars = Object.entries(values).map(([name, value]) => [name, variable(value)] as const);
  return {
    config: {
      name: config.name,
      compatibilityDate: config.compatibilityDate,
      compatibilityFlags: [...config.compatibilityFlags],
      manifest,
      env: { ...Object.fromEntries(vars), ...config.bindings, ...extra },
      exports: config.exports,
      triggers: [...config.triggers],
    },
    // Straight into the Worker: Miniflare's own entry goes through a proxy, and is several times slower.
    dev: { unsafeDirectSockets: [{ host: HOST, port }] },
  };
}

/** Without a limit the binding itself is absent. */
function withRate(made: Bundle, limit: number): Bundle {
  const { [RATE_BINDING]: rate, ...others } = made.config.bindings;
  if (rate?.type !== "rate-limit") return made;
  const limited = { ...others, [RATE_BINDING]: { ...rate, simple: { ...rate.simple, limit } } };
  return { ...made, config: { ...made.config, bindings: limit === 0 ? others : limited } };
}

/**
 * Where costs are counted, no object is put to sleep: how often it is woken is this machine's doing, and what it does on waking
 * would stand among what is counted.
 */
function withMeter(made: Bundle): Bundle {
  if (process.env.CROWDPAY_METER !== "on") return made;
  const exports = Object.entries(made.config.exports).map(([name, entry]) => [
    name,
    entry.type === "durable-object" ? { ...entry, unsafePreventEviction: true } : entry,
  ]);
  return { ...made, config: { ...made.config, exports: Object.fromEntries(exports) } };
}

function faultBinding(runtime: RuntimeProcess, stateDir: string): Record<string, RuntimeBinding> {
  const strikes = faultSetting(process.env, stateDir);
  if (strikes === undefined) return {};
  return {
    FAULTS: {
      type: "fetcher",
      handler: ({ url }) => {
        if (strikes(faultPoint(url))) {
          runtime.kill();
          process.kill(process.pid, "SIGKILL");
        }
        return new Response(null, { status: 204 });
      },
    },
  };
}

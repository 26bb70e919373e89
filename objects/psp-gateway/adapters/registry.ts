import type { ConnectorName } from "../../../schema/connectors.ts";
import { isConnector } from "../../../schema/connectors.ts";
import type { ObjectSettings } from "../../kit/env.ts";
import type { PspAdapter } from "./adapter.ts";
import { sandboxAdapter } from "./sandbox.ts";

const ADAPTERS: Readonly<Record<ConnectorName, (settings: ObjectSettings) => PspAdapter>> = {
  sandbox: (settings) => sandboxAdapter({ url: settings.PSP_URL_SANDBOX, apiKey: settings.PSP_API_KEY_SANDBOX }),
};

/** The adapter of a connector under a deployment's settings. Throws for a connector nobody declared. */
export const adapterOf = (connector: string, settings: ObjectSettings): PspAdapter => {
  if (!isConnector(connector)) throw new Error("no such connector");
  return ADAPTERS[connector](settings);
};

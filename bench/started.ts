import { type Server, startServer } from "../tests/support/server.ts";
import { BOUND, scratchFolder } from "./ending.ts";

/** A server as `npm start` runs one, on a state of its own. It ends with this process, however that ends. */
export const startMeasured = async (
  env: Readonly<Record<string, string>> = {},
): Promise<{ server: Server; close(): Promise<void> }> => {
  const state = scratchFolder("crowdpay-bench-");
  const server = await startServer({ stateDir: state.path, env: { ...env, ...BOUND } });
  const close = async () => {
    await server.kill();
    state.remove();
  };
  return { server, close };
};

import { checkMoney, inBatches } from "../tests/support/checker.ts";
import { api } from "../tests/support/client.ts";
import { feedTicket } from "../tests/support/feed-client.ts";
import { type Server, token } from "../tests/support/server.ts";
import { must, openPod } from "../tests/support/story.ts";
import { minor, type Verdict, verdict } from "../tests/support/verdict.ts";
import { localSecrets } from "../tools/settings.ts";
import { readBooks } from "./books.ts";
import { feedDialect } from "./dialect.ts";
import { Listener } from "./load/listener.ts";
import { runtimePid } from "./machine.ts";
import type { PaidPod, Target } from "./scenarios/scenario.ts";
import { startMeasured } from "./started.ts";

/** Liquidity is no bottleneck here, and the provider that answers late is left out: what is measured is what we do with a quote. */
const FX = { deadline_ms: 5_000, position_limit: "9999999999.00", providers: ["lp-good", "lp-wide"] };
const ENVIRONMENT = { CROWDPAY_FX: JSON.stringify(FX) };

/** A token lasts an hour, and a long filling may take several. */
const RENEWED_MS = 30 * 60_000;

type Trial = { balanced: boolean; currencies: { difference: string; in_transit: string }[] };

export const balances = async (url: string, operator: string): Promise<Verdict> => {
  const trial = must(await api(url, operator).get<Trial>("/v1/ledger/trial-balance?wait=fresh"), 200);
  const open = trial.currencies.filter((row) => minor(row.difference) !== 0n || minor(row.in_transit) !== 0n);
  const faults = [...open.map((row) => JSON.stringify(row)), ...(trial.balanced ? [] : ["not balanced"])];
  return verdict("trial balance", faults, "the books balance and nothing is on its way");
};

/**
 * The providers that either side deals with, in a process of their own: what they cost is no part of what is measured. The server
 * beside them idles.
 */
export const outside = async (): Promise<{
  server: Server;
  secrets: Record<string, string>;
  close(): Promise<void>;
}> => {
  const { server, close } = await startMeasured();
  return { server, secrets: localSecrets(server.stateDir), close };
};

/** Our server, as `npm start` starts it, with its state on disk. */
export const ours = async (): Promise<{ target: Target; server: Server; close(): Promise<void> }> => {
  const { server: providers, secrets, close: closeProviders } = await outside();
  const { sandboxUrl } = providers;
  const { PSP_API_KEY_SANDBOX, LP_API_KEY_SANDBOX } = secrets;
  const { server, close } = await startMeasured({
    ...ENVIRONMENT,
    PSP_URL_SANDBOX: sandboxUrl,
    LP_URL_SANDBOX: sandboxUrl,
    ...(PSP_API_KEY_SANDBOX === undefined ? {} : { PSP_API_KEY_SANDBOX }),
    ...(LP_API_KEY_SANDBOX === undefined ? {} : { LP_API_KEY_SANDBOX }),
  });
  const operator = () => token(server.stateDir, "operator", { scope: "admin" });
  const bearer = (user: string) => token(server.stateDir, user);
  const check = async (pods: readonly PaidPod[]): Promise<Verdict[]> => {
    const { books: sandbox, strangers } = await readBooks(sandboxUrl, pods);
    const found = await inBatches(pods, async ({ id, owner, charges }) => {
      const reader = api(server.url, await bearer(owner));
      const witness = { reader, operator: api(server.url, target.operator), sandbox };
      return checkMoney(witness, id, charges);
    });
    const faults = found.flat().filter(({ ok }) => !ok);
    const count = pods.reduce((sum, { charges }) => sum + charges.length, 0);
    const text = `${count} charges in ${pods.length} pods: ended, captured once, settled to the cent, told to their pod`;
    return [
      verdict("charges", [...faults.map(({ name, detail }) => `${name}: ${detail}`), ...strangers], text),
      await balances(server.url, target.operator),
    ];
  };
  const target: Target = {
    url: server.url,
    sandboxUrl,
    operator: await operator(),
    token: bearer,
    openPod: async (owner, members, currencies) =>
      (await openPod(server, { owner, members, currencies: [...currencies] })).id,
    openFeed: async (owner, pod, after) => {
      const ticket = await feedTicket(api(server.url, await bearer(owner)), pod);
      return Listener.open(feedDialect(server.url, ticket, pod, after));
    },
    checkCharges: check,
    machine: { stateDir: server.stateDir, runtimePid: () => runtimePid(server.stateDir) },
  };
  const renewal = setInterval(async () => {
    target.operator = await operator();
  }, RENEWED_MS);
  const closeBoth = async () => {
    clearInterval(renewal);
    await close();
    await closeProviders();
  };
  return { target, server, close: closeBoth };
};

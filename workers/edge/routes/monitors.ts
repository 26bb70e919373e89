import { systemClock, systemIds } from "../../../objects/kit/clock.ts";
import { monitorBody, monitorsQuery } from "../../../schema/account-commands.ts";
import { parseAccount, stripesOf } from "../../../schema/accounts.ts";
import { limitQuery } from "../../../schema/commands.ts";
import { monitorResource } from "../../../schema/ledger-resources.ts";
import { accountOfMonitor, monitorId } from "../../../schema/monitors.ts";
import { accept, reject } from "../../../schema/rejections.ts";
import { pageOf } from "../../../schema/resources.ts";
import { readAccount } from "../account-resource.ts";
import { invalid } from "../body.ts";
import { paged, pageOfAll } from "../paging.ts";
import { answer, type Call, defineRoute } from "../route.ts";
import { commandAccount, isPhysical, noSuchAccount } from "./account-commands.ts";
import { claimId } from "./claims.ts";

const noSuchMonitor = () => reject("not_found", "no such monitor");

/** The id of the monitor to make: under a key, the id that key was bound to first. */
const idFor = async (call: Call<{ account: string }, unknown>, key: string | null) => {
  const candidate = monitorId(systemIds.next("mon", systemClock.now()), call.body.account);
  const claimed = await claimId(call, { command: "account.add_monitor", key, request: call.body, candidate });
  return claimed.ok ? accept(claimed.value.id) : claimed;
};

export const monitorRoutes = [
  defineRoute({
    operation: "monitor.create",
    method: "POST",
    path: "/v1/ledger/monitors",
    summary: "Watches an account's posted balance: an event each time it crosses the threshold, each way.",
    idempotency: "honoured",
    body: monitorBody,
    refuses: [404],
    responses: { 201: { description: "The monitor, as the balance stands now.", schema: monitorResource } },
    handler: async (call) => {
      const { account, above, below, reason } = call.body;
      const threshold = above ?? below;
      if (threshold === undefined) throw new Error("a monitor without a threshold was parsed");
      if (parseAccount(account) === null) return noSuchAccount(account);
      if (!isPhysical(account)) {
        const detail = `${account} is kept in stripes, and no posting sees their sum: watch a stripe, such as ${account}#0`;
        return invalid([{ pointer: "/account", detail }]);
      }
      // Before the key is bound: one that met an unknown account is free again.
      if ((await readAccount(account, call.actors)) === null) return noSuchAccount(account);
      const id = await idFor(call, call.key);
      if (!id.ok) return id;
      const bound = above === undefined ? "below" : "above";
      const command = { type: "add_monitor", monitor: id.value, bound, threshold, reason: reason ?? null } as const;
      const done = await commandAccount(call, { account, command, request: call.body, key: call.key });
      if (!done.ok) return done;
      const { replayed, value } = done.value;
      if (value.type !== "monitor") throw new Error(`a monitor was answered with a ${value.type}`);
      return answer(201, value.monitor, { replayed, headers: { location: `/v1/ledger/monitors/${id.value}` } });
    },
  }),
  defineRoute({
    operation: "monitor.list",
    method: "GET",
    path: "/v1/ledger/monitors",
    summary:
      "The monitors of an account, or of all its stripes, newest first; as they stand, not as they were projected.",
    idempotency: "none",
    query: paged(limitQuery.extend(monitorsQuery.shape)),
    refuses: [404],
    responses: { 200: { description: "A page of them.", schema: pageOf(monitorResource) } },
    handler: async ({ query, actors }) => {
      const { account } = query;
      if ((await readAccount(account, actors)) === null) return noSuchAccount(account);
      const names = isPhysical(account) ? [account] : stripesOf(account);
      const found = await Promise.all(names.map((name) => actors.account(name)((ledger) => ledger.monitors())));
      return answer(
        200,
        pageOfAll(found.flat(), query, ({ id }) => id, "descending"),
      );
    },
  }),
  defineRoute({
    operation: "monitor.read",
    method: "GET",
    path: "/v1/ledger/monitors/{id}",
    summary: "One monitor, as the balance stands now.",
    idempotency: "none",
    responses: { 200: { description: "The monitor.", schema: monitorResource } },
    handler: async ({ params, actors }) => {
      const account = accountOfMonitor(params.id ?? "");
      const monitors = account === null ? [] : await actors.account(account)((ledger) => ledger.monitors());
      const found = monitors.find(({ id }) => id === params.id);
      return found === undefined ? noSuchMonitor() : answer(200, found);
    },
  }),
  defineRoute({
    operation: "monitor.delete",
    method: "DELETE",
    path: "/v1/ledger/monitors/{id}",
    summary: "Ends a watch.",
    idempotency: "none",
    responses: { 204: { description: "It is gone.", schema: null } },
    handler: async (call) => {
      const monitor = call.params.id ?? "";
      const account = accountOfMonitor(monitor);
      if (account === null) return noSuchMonitor();
      const command = { type: "remove_monitor", monitor } as const;
      const done = await commandAccount(call, { account, command, request: null, key: null });
      if (done.ok) return answer(204, null);
      return done.rejection.code === "not_found" ? noSuchMonitor() : done;
    },
  }),
];

import { expect, test } from "vitest";
import { accountOfMonitor, monitorId } from "./monitors.ts";

const MON = "mon_01ARZ3NDEKTSV4RRFFQ69G5FAV";
const POD = "pod:pod_01ARZ3NDEKTSV4RRFFQ69G5FAV:EUR";

test.each([POD, "wallet:ann.b-c_9:JPY", "psp:sandbox:EUR#3"])("a monitor's id carries the account %s", (account) => {
  const id = monitorId(MON, account);
  expect(id).toMatch(/^mon_[A-Za-z0-9_.-]+$/);
  expect(accountOfMonitor(id)).toBe(account);
});

test.each([
  ["no account", MON],
  ["an account that is none", monitorId(MON, "cash")],
  ["an account kept in stripes", monitorId(MON, "fee:EUR")],
  ["another kind of id", monitorId(MON.replace("mon", "evt"), POD)],
  ["another spelling of the account", `${monitorId(MON, POD)}=`],
  ["a third part", `${monitorId(MON, POD)}.x`],
  ["nothing", ""],
])("is none with %s", (_, id) => {
  expect(accountOfMonitor(id)).toBeNull();
});

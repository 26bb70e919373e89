import type { AccountAnswer, AccountOp } from "../../../schema/rpc/account.ts";
import type { DeskAnswer, DeskOp, HedgeAnswer, HedgeCall } from "../../../schema/rpc/desk.ts";
import type { GatewayAnswer, GatewayCall } from "../../../schema/rpc/gateway.ts";
import type { PermitAnswer, PermitCall } from "../../../schema/rpc/pod.ts";
import type { RiskAnswer, RiskOp } from "../../../schema/rpc/risk.ts";
import type { Saga } from "../../../schema/sagas.ts";
import type { CallPort } from "../calls/port.ts";
import { T0 } from "./fixtures.ts";

/** How each call is answered; what is left out must not be called. An error is thrown, as a fault on the way is. */
export type Scripted = {
  pod?: (call: PermitCall) => PermitAnswer | Error;
  risk?: (op: RiskOp) => RiskAnswer | Error;
  account?: (account: string, op: AccountOp) => AccountAnswer | Error;
  desk?: (op: DeskOp) => DeskAnswer | Error;
  hedge?: (call: HedgeCall) => HedgeAnswer | Error;
  provider?: (call: GatewayCall) => GatewayAnswer | Error;
  instrument?: () => string | null;
  sagas?: readonly Saga[];
};

const orThrow = <T>(answer: T | Error | undefined): T => {
  if (answer === undefined) throw new Error("not to be called");
  if (answer instanceof Error) throw answer;
  return answer;
};

/** A port that answers by script and remembers what was asked. */
export const scripted = (script: Scripted, now = T0) => {
  const calls = {
    account: [] as AccountOp[],
    provider: [] as GatewayCall[],
    pod: [] as PermitCall[],
    risk: [] as RiskOp[],
    desk: [] as DeskOp[],
    hedge: [] as HedgeCall[],
  };
  const port: CallPort = {
    async pod(_pod, call) {
      calls.pod.push(call);
      return orThrow(script.pod?.(call));
    },
    async risk(_user, op) {
      calls.risk.push(op);
      return orThrow(script.risk?.(op));
    },
    async account(account, op) {
      calls.account.push(op);
      return orThrow(script.account?.(account, op));
    },
    async desk(op) {
      calls.desk.push(op);
      return orThrow(script.desk?.(op));
    },
    async hedge(call) {
      calls.hedge.push(call);
      return orThrow(script.hedge?.(call));
    },
    async provider(_connector, call) {
      calls.provider.push(call);
      return orThrow(script.provider?.(call));
    },
    instrument: async () => (script.instrument === undefined ? "tok_ok" : script.instrument()),
    saga: (id) => script.sagas?.find((saga) => saga.id === id) ?? null,
    now: () => now,
  };
  return { port, calls };
};

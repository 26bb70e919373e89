import { chargeInput } from "../../../schema/charges.ts";
import type { AccountAnswer, AccountOp, AccountRpc } from "../../../schema/rpc/account.ts";
import { DESK, type DeskAnswer, type DeskOp, type DeskRpc, type HedgeAnswer } from "../../../schema/rpc/desk.ts";
import type { GatewayAnswer, GatewayCall, GatewayRpc } from "../../../schema/rpc/gateway.ts";
import type { PermitAnswer, PermitCall, PodRpc } from "../../../schema/rpc/pod.ts";
import type { RiskAnswer, RiskOp, RiskRpc } from "../../../schema/rpc/risk.ts";
import type { Saga } from "../../../schema/sagas.ts";
import type { ObjectEnv } from "../../kit/env.ts";
import type { Gather } from "../../kit/gather.ts";
import type { SealedFields } from "../../kit/sealed-fields.ts";
import { callActor } from "../../kit/stub.ts";
import { type StartTimeout, startTimeout } from "../../kit/timeout.ts";
import { inTime, Lanes } from "../lanes.ts";
import { Together } from "../together.ts";
import type { CallPort } from "./port.ts";

/** A call of the platform has no more connections than this open at once: what exceeds them would wait for the others. */
const CONNECTIONS = 6;

/** The calls of a shard, made to the real actors: in lanes to pods, profiles and accounts, together to a provider's gateway. */
export const actorCalls = (
  env: ObjectEnv,
  sealed: SealedFields,
  saga: (id: string) => Saga | null,
  now: () => number,
  gather: Gather,
  timeout: StartTimeout = startTimeout,
): CallPort => {
  const pods = new Lanes<PermitCall, PermitAnswer>(
    (pod, ops) => callActor<PodRpc, PermitAnswer[]>(env.PODS, pod, (actor) => actor.permits(ops)),
    gather,
    timeout,
  );
  const profiles = new Lanes<RiskOp, RiskAnswer>(
    (user, ops) => callActor<RiskRpc, RiskAnswer[]>(env.RISK_PROFILES, user, (actor) => actor.applyOps(ops)),
    gather,
    timeout,
  );
  const accounts = new Lanes<AccountOp, AccountAnswer>(
    (account, ops) => callActor<AccountRpc, AccountAnswer[]>(env.ACCOUNTS, account, (actor) => actor.applyOps(ops)),
    gather,
    timeout,
  );
  const atDesk = (ops: DeskOp[]): Promise<DeskAnswer[]> =>
    callActor<DeskRpc, DeskAnswer[]>(env.FX_DESKS, DESK, (actor) => actor.applyOps(ops));
  const desks = new Lanes<DeskOp, DeskAnswer>((_desk, ops) => atDesk(ops), gather, timeout);
  // Not made again here: whether a call to a provider may be repeated is the journal's to say.
  const gateways = new Together<GatewayCall, GatewayAnswer>(
    (connector, calls, answered) => (env.GATEWAYS.getByName(connector) as GatewayRpc).execute(calls, answered),
    CONNECTIONS,
    gather,
    timeout,
  );
  return {
    pod: (pod, call) => pods.submit(pod, call),
    risk: (user, op) => profiles.submit(user, op),
    account: (account, op) => accounts.submit(account, op),
    // To find a rate takes the desk as long as its slowest provider: nobody else's conversion waits for that in a lane.
    desk: async (op) => {
      if (op.op !== "accept" || op.quote !== null) return desks.submit(DESK, op);
      const [answer] = await inTime(atDesk([op]), DESK, timeout);
      if (answer === undefined) throw new Error("the desk left an operation unanswered");
      return answer;
    },
    hedge: (call) =>
      inTime(
        callActor<DeskRpc, HedgeAnswer>(env.FX_DESKS, DESK, (actor) => actor.hedge(call)),
        DESK,
        timeout,
      ),
    provider: (connector, call) => gateways.submit(connector, call),
    instrument: async (id) => {
      const found = saga(id);
      const input = found === null ? null : chargeInput(found);
      if (input?.source.type !== "instrument") return null;
      return sealed.open(input.payer, "saga.began", "instrument", input.source.token);
    },
    saga,
    now,
  };
};

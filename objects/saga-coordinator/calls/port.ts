import type { AccountAnswer, AccountOp } from "../../../schema/rpc/account.ts";
import type { DeskAnswer, DeskOp, HedgeAnswer, HedgeCall } from "../../../schema/rpc/desk.ts";
import type { GatewayAnswer, GatewayCall } from "../../../schema/rpc/gateway.ts";
import type { PermitAnswer, PermitCall } from "../../../schema/rpc/pod.ts";
import type { RiskAnswer, RiskOp } from "../../../schema/rpc/risk.ts";
import type { Saga } from "../../../schema/sagas.ts";

/**
 * Whom a coordinator calls, one operation at a time. A rejected promise is an infrastructure fault: the call may or may not
 * have arrived, and is made again with the same words.
 */
export type CallPort = {
  pod(pod: string, call: PermitCall): Promise<PermitAnswer>;
  risk(user: string, op: RiskOp): Promise<RiskAnswer>;
  account(account: string, op: AccountOp): Promise<AccountAnswer>;
  desk(op: DeskOp): Promise<DeskAnswer>;
  /** Covers a conversion at a liquidity provider; the same hedge is the same trade, however often it is called. */
  hedge(call: HedgeCall): Promise<HedgeAnswer>;
  provider(connector: string, call: GatewayCall): Promise<GatewayAnswer>;
  /** Opens the instrument token in a charge's journal; null when its subject's key is gone. */
  instrument(saga: string): Promise<string | null>;
  /** A saga of this shard as its journal has it now; null: there is none. */
  saga(id: string): Saga | null;
  now(): number;
};

import type { Meta } from "../events.ts";
import type { MoneyJson } from "../money.ts";
import type { Role } from "../permissions.ts";
import type { PodRecord, PodType } from "../pods.ts";
import type { Rejection, Result } from "../rejections.ts";
import type { ActorRpc, Answered, CommandKey, KeyedAnswer } from "./actor.ts";

export type CreatePod = {
  pod: string;
  name: string;
  type: PodType;
  currencies: string[];
  home_currency: string;
  timezone: string;
  goal: MoneyJson | null;
};

/** `operator`: a token with the scope `admin`, which reads any pod and holds no role in it. */
export type Viewer = { user: string; operator: boolean };

export type PodSeen = { pod: PodRecord; role: Role | null };

/** Where a viewer stands at a seq of the log: both in one answer. `epoch` names the log's incarnation. */
export type Standing = { role: Role | null; seq: number; epoch: string };

export type PodCommand =
  | { type: "rename"; name: string }
  | { type: "freeze"; reason: string | null }
  | { type: "unfreeze"; reason: string | null }
  | { type: "invite"; role: Role; expires_in_s: number }
  | { type: "accept"; token: string }
  | { type: "change_role"; user: string; role: Role }
  | { type: "remove"; user: string };

export type PodReply =
  | { type: "pod"; pod: PodRecord }
  | { type: "invitation"; id: string; token: string; expires_at: string }
  | { type: "joined"; pod: string; user: string; role: Role }
  | { type: "member"; user: string; role: Role }
  | { type: "removed" };

export type PodAnswer = KeyedAnswer<PodReply>;

/**
 * The coordinator's side of a pod. Each is a command of its own, final per saga; a call carries at most 256 (more throws).
 * `admit` opens a permit and `announce_review` tells of its charge; `announce_standing`, of
 * any number, that it was parked or taken up again, while its permit is open. `release` ends a permit whose charge nobody was told of;
 * `conclude` ends one with the charge's outcome, and tells of the charge first where that has not been done.
 */
export type PermitOp =
  | { op: "admit"; saga: string; charge: string; payer: string; amount: MoneyJson; settle_currency: string }
  | {
      op: "announce_review";
      saga: string;
      charge: string;
      payer: string;
      amount: MoneyJson;
      /** Null while the rate of a converted charge has not been accepted. */
      settled: MoneyJson | null;
    }
  | {
      op: "announce_standing";
      saga: string;
      /** Counts up with every change: an older one that comes late is nothing new. */
      number: number;
      /** Why it was parked; null when it was taken up again. */
      parked: string | null;
    }
  | { op: "release"; saga: string; reason: string }
  | {
      op: "conclude";
      saga: string;
      outcome: "succeeded" | "failed" | "cancelled";
      /** Never null when it succeeded. */
      settled: MoneyJson | null;
      /** Why a charge failed; null for the other outcomes. */
      failure: string | null;
    };

export type PermitCall = { op: PermitOp; meta: Meta };

export type PermitAnswer =
  | { ok: true; seq: number /** `admit` only: when the payer joined. */; member_since: string | null }
  | { ok: false; rejection: Rejection };

export type PodRpc = ActorRpc & {
  create(command: CreatePod, meta: Meta): Promise<Result<Answered<PodRecord>>>;
  /** The pod and the viewer's role; null when there is no such pod or the viewer may not know of it. */
  see(viewer: Viewer): Promise<PodSeen | null>;
  /**
   * From the pod's feed only, which is about to seat the viewer: where they stand, null as `see` answers it. From this commit on
   * the feed is told of every event, until it says that nobody listens.
   */
  watch(viewer: Viewer): Promise<Standing | null>;
  command(command: PodCommand, key: CommandKey, viewer: Viewer, meta: Meta): Promise<PodAnswer>;
  /** One answer per call, in order; each says on whose behalf. At most 256. */
  permits(calls: PermitCall[]): Promise<PermitAnswer[]>;
};

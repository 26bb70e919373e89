import type { Rejection } from "./rejections.ts";
import { type Operation, operationsOf } from "./saga-operations.ts";
import type { Saga, SagaApproval, SagaKind, SagaStatus, StepStatus, StrayCapture } from "./sagas.ts";

/** A saga as operators read it. */
export type SagaView = {
  id: string;
  kind: SagaKind;
  version: number;
  subject: string;
  status: SagaStatus;
  created_at: string;
  age_s: number;
  steps: {
    name: string;
    status: StepStatus;
    attempts: number;
    started_at: string | null;
    ended_at: string | null;
    error?: Rejection;
  }[];
  parked_reason?: string;
  /** What an operator may do next. */
  actions: Operation[];
  /** A resolution that a second operator has to repeat. */
  pending_approval?: SagaApproval;
  /** What people did to it, oldest first; the latest of them where there are many. */
  operations?: NonNullable<Saga["words"]>;
  /** Captures nobody expected, and the sagas that booked them to suspense. */
  strays?: StrayCapture[];
};

export const viewSaga = (saga: Saga, nowMs: number): SagaView => ({
  id: saga.id,
  kind: saga.kind,
  version: saga.version,
  subject: saga.subject,
  status: saga.status,
  created_at: saga.created_at,
  age_s: Math.max(0, Math.floor((nowMs - Date.parse(saga.created_at)) / 1000)),
  steps: saga.steps.map(({ name, status, attempts, started_at, ended_at, error }) => ({
    name,
    status,
    attempts,
    started_at,
    ended_at,
    ...(error === null ? {} : { error }),
  })),
  ...(saga.parked_reason === null ? {} : { parked_reason: saga.parked_reason }),
  actions: operationsOf(saga),
  ...(saga.approval === undefined ? {} : { pending_approval: saga.approval }),
  ...(saga.words === undefined ? {} : { operations: saga.words }),
  ...(saga.strays === undefined ? {} : { strays: saga.strays }),
});

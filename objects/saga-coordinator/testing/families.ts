import { pivotStands } from "../../../schema/saga-operations.ts";
import { evolveSaga, isLive, type Saga } from "../../../schema/sagas.ts";
import { definitionOf } from "../definitions/index.ts";
import type { World } from "./world.ts";

type Entry = Parameters<typeof evolveSaga>[1];

/** Sagas that are steps of others: what came of the one is what the other says came of its step, at the end and on the way there. */
export const checkFamilies = (world: World, sagas: readonly Saga[]): void => {
  const byId = new Map(sagas.map((saga) => [saga.id, saga]));
  for (const saga of sagas) {
    if (saga.parent !== undefined && !byId.has(saga.parent)) world.violated(`${saga.id} is nobody's step`);
    definitionOf(saga).steps.forEach(({ does }, index) => {
      if (does.type !== "saga") return;
      const child = byId.get(does.child.first(saga).id);
      const undoing = does.undoneBy === null ? undefined : byId.get(does.undoneBy.first(saga).id);
      const status = saga.steps[index]?.status;
      const fits =
        status === "done"
          ? child?.status === "completed" && undoing === undefined
          : status === "pending"
            ? child === undefined
            : child?.status === "compensated" || (child?.status === "completed" && undoing?.status === "completed");
      if (!fits && saga.status !== "parked")
        world.violated(`${saga.id} says ${status} of ${child?.id}, which ${child?.status}`);
    });
  }
  if (sagas.some(({ parent }) => parent !== undefined)) checkOnTheWay(world);
};

/** Nobody goes back while a saga that is its step can only go forward. */
const checkOnTheWay = (world: World): void => {
  for (const { disk } of world.shards) {
    const folded = new Map<string, Saga>();
    for (const event of disk.journal) {
      if (!event.type.startsWith("saga.")) continue;
      const id = String(event.data.saga);
      const saga = evolveSaga(folded.get(id) ?? null, event as unknown as Entry);
      folded.set(id, saga);
      const parent = saga.parent === undefined ? undefined : folded.get(saga.parent);
      const forward = isLive(saga) && saga.failure === null && pivotStands(saga);
      const isUndone = parent?.steps.some(({ result }) => result?.child === "completed");
      if (forward && parent?.failure != null && isUndone !== true) world.violated(`${parent.id} left ${id} behind`);
    }
  }
};

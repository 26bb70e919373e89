import { SHARDS } from "../../../schema/ids.ts";
import { HOUSE_STREAMS } from "../../../schema/streams.ts";
import type { Actors } from "../actors.ts";

/** Every stream there is: the house's own and whatever the shards' directories name. */
export const knownStreams = async (actors: Actors): Promise<string[]> => {
  const streams = new Set(HOUSE_STREAMS);
  for (let shard = 0; shard < SHARDS; shard++) {
    for (let after: string | null = ""; after !== null; ) {
      const from: string = after;
      const page: { streams: string[]; next: string | null } = await actors.coordinator(shard)((coordinator) =>
        coordinator.directory(from),
      );
      for (const stream of page.streams) streams.add(stream);
      after = page.next;
    }
  }
  return [...streams];
};

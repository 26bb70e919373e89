import { type Api, api } from "../tests/support/client.ts";
import { must } from "../tests/support/story.ts";
import type { PaidPod } from "./scenarios/scenario.ts";

type Row = { charge: string; status: string };

/**
 * The provider's books, read once and answered from by pod: it goes through all of them however few are asked for, and there may be a
 * thousand pods to ask for. `strangers`: a line for each payment of a charge that no pod has. Good once nothing is under way.
 */
export const readBooks = async (
  sandboxUrl: string,
  pods: readonly PaidPod[],
): Promise<{ books: Api; strangers: string[] }> => {
  const provider = api(sandboxUrl);
  const { data } = must(await provider.get<{ data: Row[] }>("/books"), 200);
  const podOf = new Map(pods.flatMap(({ id, charges }) => charges.map((charge) => [charge, id] as const)));
  const byPod = Map.groupBy(data, ({ charge }) => podOf.get(charge) ?? "");
  const strangers = (byPod.get("") ?? []).map(({ charge, status }) => `nobody knows of ${charge}, which is ${status}`);
  const books: Api = {
    ...provider,
    get: async <T>(path: string) => {
      const pod = new URL(path, sandboxUrl).searchParams.get("pod") ?? "";
      const body = { data: byPod.get(pod) ?? [], next: null };
      return { status: 200, headers: new Headers(), body: body as T };
    },
  };
  return { books, strangers };
};

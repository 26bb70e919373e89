import { api } from "../../tests/support/client.ts";
import { must } from "../../tests/support/story.ts";
import type { LoadScenario } from "./scenario.ts";

const reading = (name: string, about: string, rest: string): LoadScenario => ({
  kind: "load",
  name,
  about,
  oursAlone: true,
  unit: "read",
  units: 1,
  async setup(target) {
    const owner = "reader";
    const pod = await target.openPod(owner, [], ["EUR"]);
    const token = await target.token(owner);
    const path = `/v1/pods/${pod}${rest}`;
    must(await api(target.url, token).get(path), 200);
    return {
      operation: {
        request: () => ({ method: "GET", path, token }),
        fault: ({ status }) => (status === 200 ? null : String(status)),
        pending: () => false,
      },
      // Reads move nothing: that each was answered is all there is to check.
      check: async () => [],
    };
  },
});

export const READS: readonly LoadScenario[] = [
  reading("reads pod", "GET /v1/pods/{id}, from the pod and its accounts", ""),
  reading("reads list", "GET /v1/pods/{id}/charges, from the read model", "/charges?limit=50"),
];

import type { ObjectEnv } from "./env.ts";

/**
 * A moment at which crash tests may kill the process. In a deployment nothing is bound and this is one comparison; in a test the
 * call leaves through the output gate, so everything written before it is durable when the process dies.
 */
export const faultPoint = async (
  env: Pick<ObjectEnv, "FAULTS" | "CROWDPAY_FAULT_POINTS">,
  name: string,
): Promise<void> => {
  if (env.FAULTS !== undefined && env.CROWDPAY_FAULT_POINTS !== "off")
    await env.FAULTS.fetch(`http://faults/${encodeURIComponent(name)}`);
};

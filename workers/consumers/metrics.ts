export { metric } from "../../objects/kit/metrics.ts";

export const errorText = (error: unknown): string => (error instanceof Error ? error.message : "not an error");

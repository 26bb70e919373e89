import { mayInPod, outranks, type Role } from "../../schema/permissions.ts";

/** True when a holder of `own` may grant `role` or take it away: only what stands below one's own, owners aside. */
export const mayGrant = (own: Role, role: Role): boolean => own === "owner" || outranks(own, role);

/** True when a holder of `own` may invite somebody to `role`. */
export const mayInvite = (own: Role, role: Role): boolean => mayInPod(own, "member.invite") && mayGrant(own, role);

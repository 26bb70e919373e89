/** The roles of a pod, from most to least. */
export const ROLES = ["owner", "admin", "treasurer", "member", "viewer"] as const;
export type Role = (typeof ROLES)[number];

/** What a person may do in a pod, by role. The one table: the edge's policy port and the pod itself both read it. */
export const PERMISSIONS = {
  "pod.read": ["owner", "admin", "treasurer", "member", "viewer"],
  "charge.create": ["owner", "admin", "treasurer", "member"],
  "charge.cancel": ["owner", "admin", "treasurer", "member"],
  "refund.create": ["owner", "admin", "treasurer"],
  "payout.create": ["owner", "admin", "treasurer"],
  "payout.approve": ["owner", "treasurer"],
  "member.invite": ["owner", "admin"],
  "member.change_role": ["owner", "admin"],
  "member.remove": ["owner", "admin"],
  "pod.update": ["owner", "admin"],
  "pod.freeze": ["owner", "admin"],
  "pod.unfreeze": ["owner"],
  "pod.close": ["owner"],
} as const satisfies Record<string, readonly Role[]>;

export type PodPermission = keyof typeof PERMISSIONS;

export const mayInPod = (role: Role, permission: PodPermission): boolean =>
  (PERMISSIONS[permission] as readonly Role[]).includes(role);

/** True when `role` stands strictly above `other`. */
export const outranks = (role: Role, other: Role): boolean => ROLES.indexOf(role) < ROLES.indexOf(other);
